//! ConfigMaps. Upstream: `pkg/registry/core/configmap`, `ValidateConfigMap`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::{Map, Value};

use crate::cell;
use crate::strategy::{Names, Strategy};

/// Bytes of all values together. Upstream: `MaxSecretSize`, for both kinds.
pub(super) const MAX_DATA_SIZE: usize = 1024 * 1024;

pub(crate) struct ConfigMapStrategy;

impl Strategy for ConfigMapStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("ConfigMap", "ConfigMapList"), ("configmaps", "configmap"), "core.v1.ConfigMap")
            .short(&["cm"])
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (data, binary) = (map(object, "data"), map(object, "binaryData"));
        let mut size = 0;
        for (key, value) in data.into_iter().flatten() {
            check_key(&mut errors, key, &Path::new("data"));
            if binary.is_some_and(|binary| binary.contains_key(key)) {
                let why = "duplicate of key present in data";
                errors.push(field::invalid(&Path::new("data").key(key), key.as_str(), why));
            }
            size += value.as_str().map_or(0, str::len);
        }
        for (key, value) in binary.into_iter().flatten() {
            check_key(&mut errors, key, &Path::new("binaryData"));
            size += value.as_str().map_or(0, decoded_length);
        }
        if size > MAX_DATA_SIZE {
            errors.push(field::too_long(&Path::new(""), MAX_DATA_SIZE));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        check_immutable(&mut errors, object, old, &["data", "binaryData"]);
        errors
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("Data", "Number of entries."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let entries = cell::count(object, "/data") + cell::count(object, "/binaryData");
        vec![cell::name(object), entries.to_string().into(), cell::age(object, now)]
    }
}

pub(super) fn map<'a>(object: &'a Value, member: &str) -> Option<&'a Map<String, Value>> {
    object.get(member).and_then(Value::as_object)
}

/// Bytes that a base64 text stands for.
pub(crate) fn decoded_length(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}

/// Upstream: `IsConfigMapKey`.
pub(crate) fn key_messages(key: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if key.len() > 253 {
        wrong.push("must be no more than 253 bytes".to_owned());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if key.is_empty() || !key.bytes().all(allowed) {
        let form = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        wrong.push(format!(
            "{form} (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        ));
    }
    match key {
        "." | ".." => wrong.push(format!("must not be '{key}'")),
        _ if key.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => (),
    }
    wrong
}

pub(super) fn check_key(errors: &mut ErrorList, key: &str, path: &Path) {
    errors.extend(key_messages(key).into_iter().map(|message| field::invalid(&path.key(key), key, message)));
}

/// What `immutable: true` forbids, for ConfigMaps and Secrets.
pub(super) fn check_immutable(errors: &mut ErrorList, object: &Value, old: &Value, members: &[&str]) {
    if object::bool_at(old, "/immutable") != Some(true) {
        return;
    }
    let why = "field is immutable when `immutable` is set";
    if object::bool_at(object, "/immutable") != Some(true) {
        errors.push(field::forbidden(&Path::new("immutable"), why));
    }
    for member in members.iter().filter(|member| object.get(**member) != old.get(**member)) {
        errors.push(field::forbidden(&Path::new(member), why));
    }
}
