//! Labels, label selectors and annotations.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{label_value, qualified_name};
use serde_json::{Map, Value};

use super::invalid_all;

/// Bytes of all annotations of an object together. Upstream: `TotalAnnotationSizeLimitB`.
const ANNOTATIONS_SIZE: usize = 256 * 1024;

/// Upstream: `ValidateLabels`.
pub(crate) fn validate(errors: &mut ErrorList, labels: Option<&Map<String, Value>>, path: &Path) {
    for (key, value) in labels.into_iter().flatten() {
        invalid_all(errors, path, key, qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        invalid_all(errors, path, value, label_value(value));
    }
}

/// Upstream: `ValidateAnnotations`.
pub(crate) fn validate_annotations(errors: &mut ErrorList, annotations: Option<&Map<String, Value>>, path: &Path) {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        // Upstream is case-insensitive here and only here.
        invalid_all(errors, path, key, qualified_name(&key.to_lowercase()));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_SIZE {
        errors.push(field::too_long(path, ANNOTATIONS_SIZE));
    }
}

/// A `LabelSelector`. Upstream: `metav1validation.ValidateLabelSelector`.
pub(crate) fn validate_selector(errors: &mut ErrorList, selector: Option<&Value>, path: &Path) {
    let Some(selector) = selector else { return };
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    validate(errors, labels, &path.child("matchLabels"));
    for (index, expression) in object::list_at(selector, "/matchExpressions").iter().enumerate() {
        validate_expression(errors, expression, &path.child("matchExpressions").index(index));
    }
}

fn validate_expression(errors: &mut ErrorList, expression: &Value, path: &Path) {
    let values = object::list_at(expression, "/values");
    match object::str_at(expression, "/operator").unwrap_or_default() {
        "In" | "NotIn" if values.is_empty() => {
            let why = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(field::required(&path.child("values"), why));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(field::forbidden(&path.child("values"), why));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => (),
        other => errors.push(field::invalid(&path.child("operator"), other, "not a valid selector operator")),
    }
    let key = object::str_at(expression, "/key").unwrap_or_default();
    invalid_all(errors, &path.child("key"), key, qualified_name(key));
    for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
        invalid_all(errors, &path.child("values").index(index), value, label_value(value));
    }
}

/// Whether a selector has no requirement at all.
pub(crate) fn is_empty_selector(selector: &Value) -> bool {
    let no_labels = selector.get("matchLabels").and_then(Value::as_object).is_none_or(Map::is_empty);
    no_labels && object::list_at(selector, "/matchExpressions").is_empty()
}
