//! Secrets. Upstream: `pkg/registry/core/secret`, `ValidateSecret`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::config_map::{MAX_DATA_SIZE, check_immutable, check_key, decoded_length, map};
use crate::cell;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation::immutable;

pub(crate) struct SecretStrategy;

impl Strategy for SecretStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("Secret", "SecretList"), ("secrets", "secret"), "core.v1.Secret")
    }

    /// `stringData` is for writing only: its values go into `data`, encoded.
    fn prepare_create(&self, object: &mut Value) {
        take_string_data(object);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        take_string_data(object);
        // An empty type means the one it had. Upstream: the strategy's `PrepareForUpdate`.
        if object::str_at(object, "/type").is_none() {
            crate::verbs::update::keep(object, old, "type");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("data");
        let mut size = 0;
        for (key, value) in map(object, "data").into_iter().flatten() {
            check_key(&mut errors, key, &path);
            size += value.as_str().map_or(0, decoded_length);
        }
        if size > MAX_DATA_SIZE {
            errors.push(field::too_long(&path, MAX_DATA_SIZE));
        }
        check_type(&mut errors, object, &path);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/type", &Path::new("type"));
        check_immutable(&mut errors, object, old, &["data"]);
        errors
    }

    fn columns(&self) -> Vec<Column> {
        let type_ = cell::text_column("Type", "What the secret is for.");
        vec![Column::name(), type_, cell::text_column("Data", "Number of entries."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let entries = cell::count(object, "/data").to_string();
        vec![cell::name(object), cell::text(object, "/type", ""), entries.into(), cell::age(object, now)]
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const { &[SelectableField::new("type", &["type"])] }
    }
}

fn take_string_data(object: &mut Value) {
    use base64::Engine;
    let Some(Value::Object(strings)) = object::remove(object, &["stringData"]) else { return };
    for (key, value) in strings {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        object::set(object, &["data", &key], encoded.into());
    }
}

/// Keys that a type requires.
fn check_type(errors: &mut ErrorList, object: &Value, path: &Path) {
    let required: &[&str] = match object::str_at(object, "/type").unwrap_or_default() {
        "kubernetes.io/service-account-token" => return check_token(errors, object),
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/basic-auth" => {
            let has = |key| object.get("data").and_then(|data| data.get(key)).is_some();
            if !has("username") && !has("password") {
                errors.push(field::required(&path.key("username"), ""));
                errors.push(field::required(&path.key("password"), ""));
            }
            &[]
        }
        _ => &[],
    };
    for key in required.iter().filter(|key| object.get("data").and_then(|data| data.get(**key)).is_none()) {
        errors.push(field::required(&path.key(key), ""));
    }
}

fn check_token(errors: &mut ErrorList, object: &Value) {
    let annotation = "kubernetes.io/service-account.name";
    if object::annotation(object, annotation).is_none_or(str::is_empty) {
        let path = Path::new("metadata").child("annotations").key(annotation);
        errors.push(field::required(&path, ""));
    }
}
