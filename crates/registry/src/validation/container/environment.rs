//! Environment variables. Upstream: `ValidateEnv`, `ValidateEnvFrom`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use crate::core::config_map::key_messages;
use crate::validation::invalid_all;

const SOURCES: [&str; 4] = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"];
/// Fields of the pod that variables may take. Labels and annotations come with a key.
const FIELDS: [&str; 8] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
    "status.podIPs",
];

pub(super) fn validate(errors: &mut ErrorList, container: &Value, path: &Path) {
    for (index, variable) in object::list_at(container, "/env").iter().enumerate() {
        let path = path.child("env").index(index);
        match object::str_at(variable, "/name") {
            None => errors.push(field::required(&path.child("name"), "")),
            Some(name) => invalid_all(errors, &path.child("name"), name, name_messages(name)),
        }
        validate_source(errors, variable, &path.child("valueFrom"));
    }
    for (index, source) in object::list_at(container, "/envFrom").iter().enumerate() {
        validate_env_from(errors, source, &path.child("envFrom").index(index));
    }
}

/// Upstream: `IsRelaxedEnvVarName`.
fn name_messages(name: &str) -> Vec<String> {
    let printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    let form = "a valid environment variable name must consist only of printable ASCII characters other than '='";
    if printable { Vec::new() } else { vec![form.to_owned()] }
}

fn validate_source(errors: &mut ErrorList, variable: &Value, path: &Path) {
    let Some(source) = variable.get("valueFrom").filter(|source| source.is_object()) else { return };
    let given: Vec<&str> = SOURCES.into_iter().filter(|name| source.get(*name).is_some_and(Value::is_object)).collect();
    if given.is_empty() {
        let why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        errors.push(field::invalid(path, "", why));
        return;
    }
    if object::str_at(variable, "/value").is_some() {
        errors.push(field::invalid(path, "", "may not be specified when `value` is not empty"));
    }
    if given.len() > 1 {
        errors.push(field::invalid(path, "", "may not have more than one field specified at a time"));
    }
    for name in given {
        validate_reference(errors, name, &source[name], &path.child(name));
    }
}

fn validate_reference(errors: &mut ErrorList, kind: &str, reference: &Value, path: &Path) {
    match kind {
        "fieldRef" => validate_field_path(errors, reference, path),
        "resourceFieldRef" => {
            if object::str_at(reference, "/resource").is_none() {
                errors.push(field::required(&path.child("resource"), ""));
            }
        }
        _ => {
            if object::str_at(reference, "/name").is_none() {
                errors.push(field::required(&path.child("name"), ""));
            }
            match object::str_at(reference, "/key") {
                None => errors.push(field::required(&path.child("key"), "")),
                Some(key) => invalid_all(errors, &path.child("key"), key, key_messages(key)),
            }
        }
    }
}

fn validate_field_path(errors: &mut ErrorList, reference: &Value, path: &Path) {
    let path = path.child("fieldPath");
    let Some(wanted) = object::str_at(reference, "/fieldPath") else {
        errors.push(field::required(&path, ""));
        return;
    };
    let with_key = ["metadata.labels['", "metadata.annotations['"].iter().any(|start| wanted.starts_with(start));
    let known = FIELDS.contains(&wanted) || wanted == "status.hostIPs" || (with_key && wanted.ends_with("']"));
    if !known {
        let why = format!("error converting fieldPath: field label not supported: {wanted}");
        errors.push(field::invalid(&path, wanted, why));
    }
}

fn validate_env_from(errors: &mut ErrorList, source: &Value, path: &Path) {
    let given: Vec<&str> = ["configMapRef", "secretRef"]
        .into_iter()
        .filter(|name| source.get(*name).is_some_and(Value::is_object))
        .collect();
    match given[..] {
        [] => errors.push(field::invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")),
        [name] if object::str_at(&source[name], "/name").is_none() => {
            errors.push(field::required(&path.child(name).child("name"), ""));
        }
        [_] => (),
        _ => errors.push(field::invalid(path, "", "may not have more than one field specified at a time")),
    }
}
