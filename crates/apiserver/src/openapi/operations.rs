//! Paths and what may be done with them.

use sampan_api::openapi::component_name;
use serde_json::{Map, Value, json};

use super::{custom, parameters};
use crate::discovery::{Served, ServedSubresource};

/// The media types of patches this server takes.
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// A resource and where it is.
pub(super) struct Place<'a> {
    /// `api/v1`, `apis/apps/v1`.
    pub(super) path: &'a str,
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) served: &'a Served,
}

/// A verb of the API as a method of HTTP.
struct Method {
    verb: &'static str,
    http: &'static str,
    action: &'static str,
    /// What operation ids begin with.
    word: &'static str,
}

const COLLECTION: [Method; 3] = [
    Method { verb: "list", http: "get", action: "list", word: "list" },
    Method { verb: "create", http: "post", action: "post", word: "create" },
    Method { verb: "deletecollection", http: "delete", action: "deletecollection", word: "deleteCollection" },
];

const ITEM: [Method; 5] = [
    Method { verb: "get", http: "get", action: "get", word: "read" },
    Method { verb: "create", http: "post", action: "post", word: "create" },
    Method { verb: "update", http: "put", action: "put", word: "replace" },
    Method { verb: "patch", http: "patch", action: "patch", word: "patch" },
    Method { verb: "delete", http: "delete", action: "delete", word: "delete" },
];

impl Place<'_> {
    /// The type of the list, if the kind has one in the schema.
    pub(super) fn list_type(&self) -> Option<String> {
        if let Some(resource) = &self.served.custom {
            return Some(custom::name(self.group, self.version, resource.names.list_kind));
        }
        let name = format!("{}List", self.served.type_name);
        sampan_api::schema().get(&name).map(|_| name)
    }

    /// The type a subresource takes and answers.
    pub(super) fn type_of(&self, (group, version, kind): (&str, &str, &str)) -> String {
        let package = self.served.type_name.rsplit_once('.').map_or("core.v1", |(package, _)| package);
        match version {
            "" if self.served.custom.is_some() => self.own_type(),
            "" => format!("{package}.{kind}"),
            version => format!("{}.{version}.{kind}", group.split('.').next().unwrap_or_default()),
        }
    }

    /// The type of the objects.
    fn own_type(&self) -> String {
        match self.served.custom {
            Some(_) => custom::name(self.group, self.version, self.served.kind),
            None => self.served.type_name.to_owned(),
        }
    }

    /// A reference to a type; one that nobody describes is any object.
    fn reference(&self, type_name: &str) -> Value {
        if self.served.custom.is_some()
            && (type_name == self.own_type() || Some(type_name) == self.list_type().as_deref())
        {
            return json!({ "$ref": format!("#/components/schemas/{type_name}") });
        }
        match sampan_api::schema().get(type_name) {
            Some(_) => json!({ "$ref": format!("#/components/schemas/{}", component_name(type_name)) }),
            None => json!({ "type": "object" }),
        }
    }

    fn collection_path(&self, namespaced: bool) -> String {
        let namespace = if namespaced { "namespaces/{namespace}/" } else { "" };
        format!("/{}/{namespace}{}", self.path, self.served.plural)
    }

    /// `readAppsV1NamespacedDeploymentStatus`.
    fn operation_id(&self, word: &str, suffix: &str) -> String {
        let group = if self.group.is_empty() { "core" } else { self.group.split('.').next().unwrap_or_default() };
        let scope = if self.served.namespaced { "Namespaced" } else { "" };
        format!(
            "{word}{}{}{scope}{}{}",
            capitalized(group),
            capitalized(self.version),
            self.served.kind,
            capitalized(suffix)
        )
    }

    fn tag(&self) -> String {
        let group = if self.group.is_empty() { "core" } else { self.group.trim_end_matches(".k8s.io") };
        format!("{}_{}", group.replace(['.', '-'], "_"), self.version)
    }
}

/// Adds every path of a resource.
pub(super) fn add(paths: &mut Map<String, Value>, place: &Place<'_>) {
    let served = place.served;
    let own_type = place.own_type();
    let own_kind = (place.group, place.version, served.kind);
    let mut collection = path_item(served.namespaced, false);
    for method in COLLECTION.iter().filter(|method| served.verbs.contains(&method.verb)) {
        let answers = if method.verb == "list" { place.list_type() } else { None };
        let answers = answers.unwrap_or_else(|| answered(method, &own_type));
        collection.insert(method.http.into(), operation(place, method, own_kind, &own_type, &answers, ""));
    }
    if served.namespaced && served.verbs.contains(&"list") {
        let mut across = path_item(false, false);
        let list = place.list_type().unwrap_or_default();
        let mut everywhere = operation(place, &COLLECTION[0], own_kind, &own_type, &list, "");
        everywhere["operationId"] = place.operation_id("list", "ForAllNamespaces").replace("Namespaced", "").into();
        across.insert("get".into(), everywhere);
        paths.insert(place.collection_path(false), across.into());
    }
    paths.insert(place.collection_path(served.namespaced), collection.into());
    let item_path = format!("{}/{{name}}", place.collection_path(served.namespaced));
    let mut item = path_item(served.namespaced, true);
    for method in ITEM.iter().filter(|method| method.verb != "create" && served.verbs.contains(&method.verb)) {
        let answers = answered(method, &own_type);
        item.insert(method.http.into(), operation(place, method, own_kind, &own_type, &answers, ""));
    }
    if item.len() > 1 {
        paths.insert(item_path.clone(), item.into());
    }
    for subresource in &served.subresources {
        paths.insert(format!("{item_path}/{}", subresource.name), subresource_item(place, subresource).into());
    }
}

fn subresource_item(place: &Place<'_>, subresource: &ServedSubresource) -> Map<String, Value> {
    let type_name = place.type_of(subresource.kind);
    let kind = match subresource.kind {
        ("", "", kind) => (place.group, place.version, kind),
        kind => kind,
    };
    let mut item = path_item(place.served.namespaced, true);
    for method in ITEM.iter().filter(|method| subresource.verbs.contains(&method.verb)) {
        item.insert(method.http.into(), operation(place, method, kind, &type_name, &type_name, subresource.name));
    }
    item
}

fn path_item(namespaced: bool, named: bool) -> Map<String, Value> {
    Map::from_iter([("parameters".to_owned(), parameters::of_path(namespaced, named))])
}

/// What a method answers: the object, or the outcome of a deletion.
fn answered(method: &Method, type_name: &str) -> String {
    if method.http == "delete" { "apis.meta.v1.Status".to_owned() } else { type_name.to_owned() }
}

fn operation(
    place: &Place<'_>,
    method: &Method,
    (group, version, kind): (&str, &str, &str),
    takes: &str,
    answers: &str,
    suffix: &str,
) -> Value {
    let code = if method.http == "post" { "201" } else { "200" };
    let mut responses = Map::new();
    responses.insert("401".into(), json!({ "description": "Unauthorized" }));
    responses.insert(
        code.into(),
        json!({ "description": "OK", "content": contents(&["application/json"], place.reference(answers)) }),
    );
    let mut operation = json!({
        "tags": [place.tag()],
        "operationId": place.operation_id(method.word, suffix),
        "parameters": parameters::of_action(method.action),
        "responses": responses,
        "x-kubernetes-action": method.action,
        "x-kubernetes-group-version-kind": { "group": group, "version": version, "kind": kind },
    });
    let body = match method.http {
        "post" | "put" => Some((vec!["*/*"], takes)),
        "patch" => {
            let strategic = "application/strategic-merge-patch+json";
            let custom = place.served.custom.is_some();
            let media = PATCHES.iter().copied().filter(|media| !custom || *media != strategic);
            Some((media.collect(), "apis.meta.v1.Patch"))
        }
        "delete" => Some((vec!["*/*"], "apis.meta.v1.DeleteOptions")),
        _ => None,
    };
    if let Some((media, takes)) = body {
        let required = method.http != "delete";
        operation["requestBody"] = json!({ "content": contents(&media, place.reference(takes)), "required": required });
    }
    operation
}

fn contents(media: &[&str], schema: Value) -> Value {
    media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
