//! `apidiscovery.k8s.io` APIGroupDiscoveryList: all there is in one document.

use serde_json::{Map, Value, json};

use super::listed::Listed;
use super::served::{Served, ServedSubresource, Version};

/// The document of some groups.
pub(super) fn document(groups: &[&Listed], api_version: &str) -> Value {
    let items: Vec<Value> = groups.iter().map(|group| item(group)).collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items })
}

fn item(group: &Listed) -> Value {
    let metadata = if group.name.is_empty() { json!({}) } else { json!({ "name": group.name }) };
    let versions: Vec<Value> = group.versions.iter().map(|version| version.entry.clone()).collect();
    json!({ "metadata": metadata, "versions": versions })
}

/// A version that this server serves.
pub(super) fn version(version: &Version) -> Value {
    let resources: Vec<Value> = version.resources.iter().map(resource).collect();
    json!({ "version": version.name, "resources": resources, "freshness": "Current" })
}

fn resource(served: &Served) -> Value {
    let mut entry = Map::new();
    entry.insert("resource".into(), served.plural.into());
    entry.insert("responseKind".into(), response_kind(("", "", served.kind)));
    entry.insert("scope".into(), if served.namespaced { "Namespaced" } else { "Cluster" }.into());
    entry.insert("singularResource".into(), served.singular.into());
    entry.insert("verbs".into(), served.verbs.into());
    for (name, values) in [("shortNames", served.short_names), ("categories", served.categories)] {
        if !values.is_empty() {
            entry.insert(name.into(), values.into());
        }
    }
    if !served.subresources.is_empty() {
        entry.insert("subresources".into(), served.subresources.iter().map(subresource).collect());
    }
    entry.into()
}

fn subresource(served: &ServedSubresource) -> Value {
    json!({ "subresource": served.name, "responseKind": response_kind(served.kind), "verbs": served.verbs })
}

fn response_kind((group, version, kind): (&str, &str, &str)) -> Value {
    json!({ "group": group, "version": version, "kind": kind })
}
