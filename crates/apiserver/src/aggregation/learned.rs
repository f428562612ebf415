//! What an extension server says of itself.

use sampan_meta::object;
use serde_json::{Value, json};

/// What discovery and OpenAPI repeat of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Learned {
    /// As aggregated discovery lists them.
    pub(crate) resources: Vec<Value>,
    /// Where its OpenAPI document is; `None` for a server without one.
    pub(crate) openapi: Option<String>,
}

/// The resources of an `APIResourceList` in the form of aggregated discovery. Upstream: `convertAPIResources`.
pub(super) fn resources(list: &Value) -> Vec<Value> {
    let (group, version) =
        object::str_at(list, "/groupVersion").and_then(|both| both.split_once('/')).unwrap_or_default();
    let mut resources: Vec<Value> = Vec::new();
    for row in object::list_at(list, "/resources") {
        let text = |name: &str| row.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let Some(name) = text("name") else { continue };
        let response = json!({
            "group": text("group").unwrap_or(group),
            "version": text("version").unwrap_or(version),
            "kind": text("kind").unwrap_or_default(),
        });
        let scope = if row["namespaced"] == true { "Namespaced" } else { "Cluster" };
        if let Some((parent, subresource)) = name.split_once('/') {
            let at = resources.iter().position(|resource| resource["resource"] == parent).unwrap_or_else(|| {
                resources.push(json!({ "resource": parent, "scope": scope, "verbs": [] }));
                resources.len() - 1
            });
            let entry = json!({ "subresource": subresource, "responseKind": response, "verbs": row["verbs"] });
            match resources[at].get_mut("subresources").and_then(Value::as_array_mut) {
                Some(subresources) => subresources.push(entry),
                None => resources[at]["subresources"] = json!([entry]),
            }
            continue;
        }
        let mut entry = json!({ "resource": name, "responseKind": response, "scope": scope,
            "singularResource": text("singularName").unwrap_or_default(), "verbs": row["verbs"] });
        for list in ["shortNames", "categories"] {
            if let Some(given) = row.get(list).filter(|given| given.as_array().is_some_and(|given| !given.is_empty())) {
                entry[list] = given.clone();
            }
        }
        resources.push(entry);
    }
    resources
}

/// Where the document of a group and version is, by an index of OpenAPI v3.
pub(super) fn openapi(index: &Value, group: &str, version: &str) -> Option<String> {
    let entry = index.get("paths")?.get(format!("apis/{group}/{version}"))?;
    entry.get("serverRelativeURL")?.as_str().filter(|url| url.starts_with("/openapi/v3/")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn resources_are_listed_with_their_subresources() {
        let list = json!({ "groupVersion": "zoo.example.com/v1", "resources": [
            { "name": "lions", "singularName": "lion", "namespaced": true, "kind": "Lion", "verbs": ["get", "list"], "shortNames": ["ln"] },
            { "name": "lions/scale", "namespaced": true, "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get"] },
            { "name": "cages", "kind": "Cage", "verbs": ["get"], "categories": [] }] });
        let shown: Vec<String> = resources(&list).iter().map(Value::to_string).collect();
        expect![[r#"
            {"resource":"lions","responseKind":{"group":"zoo.example.com","kind":"Lion","version":"v1"},"scope":"Namespaced","shortNames":["ln"],"singularResource":"lion","subresources":[{"responseKind":{"group":"autoscaling","kind":"Scale","version":"v1"},"subresource":"scale","verbs":["get"]}],"verbs":["get","list"]}
            {"resource":"cages","responseKind":{"group":"zoo.example.com","kind":"Cage","version":"v1"},"scope":"Cluster","singularResource":"","verbs":["get"]}"#]]
        .assert_eq(&shown.join("\n"));
    }

    #[test]
    fn an_index_names_the_document_if_there_is_one() {
        let index = json!({ "paths": { "apis/a.b/v1": { "serverRelativeURL": "/openapi/v3/apis/a.b/v1?hash=X" } } });
        assert_eq!(openapi(&index, "a.b", "v1").as_deref(), Some("/openapi/v3/apis/a.b/v1?hash=X"));
        assert_eq!(openapi(&index, "a.b", "v2"), None);
        assert_eq!(
            openapi(&json!({ "paths": { "apis/a.b/v1": { "serverRelativeURL": "//evil" } } }), "a.b", "v1"),
            None
        );
    }
}
