//! The discovery documents of old, which some commands and clients still read.

use sampan_meta::Status;
use serde_json::{Value, json};

use super::listed::{Listed, ListedVersion};
use super::served::{Group, Served};

/// `/api`.
pub(super) fn versions() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] })
}

/// `/apis`.
pub(super) fn groups(groups: &[Listed]) -> Value {
    let groups: Vec<Value> = groups.iter().filter(|group| !group.name.is_empty()).map(entry).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/GROUP`.
pub(super) fn group(group: &Listed) -> Value {
    let mut document = entry(group);
    document["kind"] = "APIGroup".into();
    document["apiVersion"] = "v1".into();
    document
}

fn entry(group: &Listed) -> Value {
    let version = |version: &ListedVersion| json!({ "groupVersion": group.group_version(&version.name), "version": version.name });
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({ "name": group.name, "preferredVersion": versions.first(), "versions": versions })
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub(super) fn resources(group: &Group, version: &str) -> Result<Value, Status> {
    let version = group.versions.iter().find(|known| known.name == version).ok_or_else(Status::path_not_found)?;
    let resources: Vec<Value> = version.resources.iter().flat_map(rows).collect();
    let group_version = group.group_version(version.name);
    Ok(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }))
}

/// A resource and its subresources.
fn rows(served: &Served) -> Vec<Value> {
    let mut own = json!({
        "name": served.plural,
        "singularName": served.singular,
        "namespaced": served.namespaced,
        "kind": served.kind,
        "verbs": served.verbs,
    });
    for (name, values) in [("shortNames", served.short_names), ("categories", served.categories)] {
        if !values.is_empty() {
            own[name] = values.into();
        }
    }
    let mut rows = vec![own];
    rows.extend(served.subresources.iter().map(|subresource| {
        let (group, version, kind) = subresource.kind;
        let mut row = json!({
            "name": format!("{}/{}", served.plural, subresource.name),
            "singularName": "",
            "namespaced": served.namespaced,
            "kind": kind,
            "verbs": subresource.verbs,
        });
        if !version.is_empty() {
            row["group"] = group.into();
            row["version"] = version.into();
        }
        row
    }));
    rows
}

/// `/`: what may be asked, for people who look around.
pub(super) fn paths(groups: &[Listed]) -> Value {
    let mut paths =
        vec!["/.well-known/openid-configuration".to_owned(), "/api".into(), "/api/v1".into(), "/apis".into()];
    for group in groups.iter().filter(|group| !group.name.is_empty()) {
        paths.push(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|version| format!("/apis/{}/{}", group.name, version.name)));
    }
    paths.extend(
        ["/healthz", "/livez", "/metrics", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"].map(str::to_owned),
    );
    json!({ "paths": paths })
}
