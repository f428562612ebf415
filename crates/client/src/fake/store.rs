//! The objects of the fake server and the history of their changes.

use std::collections::{BTreeMap, VecDeque};

use http::Method;
use serde_json::{Value, json};

use super::path::{Path, Query};

/// An HTTP status and a JSON body.
pub(super) type Answer = (u16, Value);

type Place = (String, String, String);

#[derive(Default)]
pub(super) struct Store {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<Place, Value>,
    history: Vec<(u64, &'static str, Place, Value)>,
    pub(super) faults: VecDeque<u16>,
    pub(super) log: Vec<String>,
}

impl Store {
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn compact(&mut self) {
        self.revision += 1;
        self.compacted = self.revision;
        self.history.clear();
    }

    pub(super) fn objects(&self, resource: &str) -> Vec<Value> {
        self.objects.iter().filter(|((of, _, _), _)| of == resource).map(|(_, object)| object.clone()).collect()
    }

    pub(super) fn read(&self, path: &Path, query: &Query) -> Answer {
        if path.name.is_some() {
            return self.objects.get(&place(path)).map_or_else(|| not_found(path), |object| (200, object.clone()));
        }
        let after = query.text("continue");
        let selected = self.objects.iter().filter(|((resource, namespace, name), object)| {
            *resource == path.resource && path.covers(namespace, name) && query.selects(object)
        });
        let mut items: Vec<_> = selected.filter(|(place, _)| after.is_empty() || key(place).as_str() > after).collect();
        let mut metadata = json!({ "resourceVersion": self.revision.to_string() });
        let limit = usize::try_from(query.number("limit")).unwrap_or(0);
        if limit > 0 && items.len() > limit {
            items.truncate(limit);
            metadata["continue"] = json!(items.last().map(|(place, _)| key(place)));
        }
        let items: Vec<&Value> = items.into_iter().map(|(_, object)| object).collect();
        (200, json!({ "apiVersion": path.api_version, "kind": "List", "metadata": metadata, "items": items }))
    }

    /// The watch lines after a revision, and the revision they reach.
    pub(super) fn events(&self, path: &Path, query: &Query, after: u64) -> (String, u64) {
        let mut lines = String::new();
        let later = self.history.iter().filter(|(revision, ..)| *revision > after);
        for (_, event, (resource, namespace, name), object) in later {
            if *resource == path.resource && path.covers(namespace, name) && query.selects(object) {
                lines += &json!({ "type": event, "object": object }).to_string();
                lines.push('\n');
            }
        }
        (lines, self.revision)
    }

    pub(super) fn write(&mut self, method: &Method, path: &Path, body: &Value) -> Answer {
        match (method, &path.name, &path.subresource) {
            (&Method::POST, None, None) => self.create(path, body.clone()),
            (&Method::PUT, Some(_), _) => self.replace(path, body.clone()),
            (&Method::PATCH, Some(_), _) => self.patch(path, body),
            (&Method::DELETE, Some(_), None) => self.delete(path),
            _ => failure(405, "MethodNotAllowed", "the fake server does not do that"),
        }
    }

    fn create(&mut self, path: &Path, mut object: Value) -> Answer {
        self.revision += 1;
        let suffix = self.revision;
        let metadata = &mut object["metadata"];
        if metadata["name"].as_str().unwrap_or_default().is_empty() {
            metadata["name"] = json!(format!("{}{suffix:05}", metadata["generateName"].as_str().unwrap_or_default()));
        }
        if let Some(namespace) = &path.namespace {
            metadata["namespace"] = json!(namespace);
        }
        metadata["uid"] = json!(format!("uid-{suffix}"));
        let path = Path { name: metadata["name"].as_str().map(str::to_owned), ..path.clone() };
        if self.objects.contains_key(&place(&path)) {
            return failure(409, "AlreadyExists", "already exists");
        }
        self.put(&path, "ADDED", object)
    }

    fn replace(&mut self, path: &Path, object: Value) -> Answer {
        let Some(current) = self.objects.get(&place(path)) else { return not_found(path) };
        let expected = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !expected.is_empty() && current["metadata"]["resourceVersion"] != expected {
            return failure(409, "Conflict", "the object has been modified");
        }
        self.revision += 1;
        self.put(path, "MODIFIED", object)
    }

    fn patch(&mut self, path: &Path, patch: &Value) -> Answer {
        let Some(mut object) = self.objects.get(&place(path)).cloned() else { return not_found(path) };
        merge(&mut object, patch);
        self.revision += 1;
        self.put(path, "MODIFIED", object)
    }

    fn put(&mut self, path: &Path, event: &'static str, mut object: Value) -> Answer {
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let finalizers = object["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
        if finalizers == 0 && object["metadata"]["deletionTimestamp"].is_string() {
            self.objects.insert(place(path), object);
            return self.delete(path);
        }
        self.history.push((self.revision, event, place(path), object.clone()));
        self.objects.insert(place(path), object.clone());
        (if event == "ADDED" { 201 } else { 200 }, object)
    }

    fn delete(&mut self, path: &Path) -> Answer {
        let Some(mut object) = self.objects.get(&place(path)).cloned() else { return not_found(path) };
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        if object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty()) {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
            return self.put(path, "MODIFIED", object);
        }
        self.objects.remove(&place(path));
        self.history.push((self.revision, "DELETED", place(path), object.clone()));
        (200, json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success" }))
    }
}

fn place(path: &Path) -> Place {
    (path.resource.clone(), path.namespace.clone().unwrap_or_default(), path.name.clone().unwrap_or_default())
}

fn key((_, namespace, name): &Place) -> String {
    format!("{namespace}:{name}")
}

fn not_found(path: &Path) -> Answer {
    failure(404, "NotFound", &format!("{} not found", path.raw))
}

pub(super) fn failure(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    (code, status)
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        match value {
            Value::Null => drop(target.as_object_mut().map(|target| target.remove(name))),
            value => merge(&mut target[name.as_str()], value),
        }
    }
}
