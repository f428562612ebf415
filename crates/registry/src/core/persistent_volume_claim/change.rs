//! What may change of a claim. Upstream: `ValidatePersistentVolumeClaimUpdate`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::{amount, forbidden};
use crate::core::persistent_volume::CLASS_ANNOTATION;
use crate::validation::immutable;

const REQUEST: &str = "/spec/resources/requests/storage";

pub(super) fn validate(errors: &mut ErrorList, object: &Value, old: &Value) {
    let spec = Path::new("spec");
    let expected = what_may_be(errors, object, old);
    if expected != object.get("spec").cloned().unwrap_or_default() {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        forbidden(errors, &spec, why);
    }
    let (now, before, has) = (amount(object, REQUEST), amount(old, REQUEST), amount(old, "/status/capacity/storage"));
    if now < before && now <= has {
        let path = spec.child("resources").child("requests").child("storage");
        forbidden(errors, &path, "field can not be less than status.capacity");
    }
    immutable(errors, object, old, "/spec/volumeMode", &Path::new("volumeMode"));
    validate_attributes_class(errors, object, old, &spec.child("volumeAttributesClassName"));
}

/// The old spec with the changes made that are allowed.
fn what_may_be(errors: &mut ErrorList, object: &Value, old: &Value) -> Value {
    let mut spec = old.get("spec").cloned().unwrap_or_default();
    let now = |member: &str| object.get("spec").and_then(|spec| spec.get(member)).filter(|value| !value.is_null());
    if object::str_at(old, "/spec/volumeName").is_none() {
        take(&mut spec, "volumeName", now("volumeName"));
    }
    if gets_class(object, old) {
        take(&mut spec, "storageClassName", now("storageClassName"));
    } else {
        validate_annotation(errors, object, old);
    }
    if object::str_at(object, "/status/phase") == Some("Bound") {
        if let Some(request) = object.pointer(REQUEST) {
            object::set(&mut spec, &["resources", "requests", "storage"], request.clone());
        }
        take(&mut spec, "volumeAttributesClassName", now("volumeAttributesClassName"));
    }
    spec
}

fn take(spec: &mut Value, member: &str, value: Option<&Value>) {
    match value {
        Some(value) => object::set(spec, &[member], value.clone()),
        None => drop(object::remove(spec, &[member])),
    }
}

/// A claim without a class may get the one its annotation named, or (if it named none) a default that came later.
fn gets_class(object: &Value, old: &Value) -> bool {
    let class = |value: &Value| value.pointer("/spec/storageClassName").and_then(Value::as_str).map(str::to_owned);
    let (Some(now), None) = (class(object), class(old)) else { return false };
    match object::annotation(old, CLASS_ANNOTATION) {
        Some(before) => {
            now == before && object::annotation(object, CLASS_ANNOTATION).is_none_or(|annotation| annotation == before)
        }
        None => true,
    }
}

fn validate_annotation(errors: &mut ErrorList, object: &Value, old: &Value) {
    let class = |value: &Value| object::annotation(value, CLASS_ANNOTATION).unwrap_or_default().to_owned();
    if class(object) != class(old) {
        let path = Path::new("metadata").child("annotations").child(CLASS_ANNOTATION);
        errors.push(field::immutable(&path, class(object)));
    }
}

fn validate_attributes_class(errors: &mut ErrorList, object: &Value, old: &Value, path: &Path) {
    let class =
        |value: &Value| value.pointer("/spec/volumeAttributesClassName").and_then(Value::as_str).map(str::to_owned);
    match (class(old), class(object)) {
        (Some(_), None) => forbidden(errors, path, "update from non-nil value to nil is forbidden"),
        (Some(before), Some(now)) if now.is_empty() && !before.is_empty() => {
            forbidden(errors, path, "update from non-nil value to an empty string is forbidden");
        }
        _ => (),
    }
}
