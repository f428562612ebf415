//! What may change of a pod. Upstream: `ValidatePodUpdate`, `ValidatePodStatusUpdate`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use crate::validation::container::validate_image;

const CHANGEABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
    (allow it to be set to 1 if it was previously negative)";

pub(super) fn validate(object: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    if object.get("spec") == old.get("spec") {
        return errors;
    }
    for list in ["containers", "initContainers"] {
        let (now, before) = (containers(object, list), containers(old, list));
        if now.len() != before.len() {
            errors.push(field::forbidden(&path.child(list), "pod updates may not add or remove containers"));
            return errors;
        }
        for (index, container) in now.iter().enumerate() {
            validate_image(&mut errors, container, &path.child(list).index(index));
        }
    }
    validate_deadline(&mut errors, object, old, &path.child("activeDeadlineSeconds"));
    validate_tolerations(&mut errors, object, old, &path.child("tolerations"));
    if errors.is_empty() && without_changeable(object, old) != *old.get("spec").unwrap_or(&Value::Null) {
        errors.push(field::forbidden(&path, CHANGEABLE));
    }
    errors
}

fn containers<'a>(pod: &'a Value, list: &str) -> &'a [Value] {
    object::list_at(pod, &format!("/spec/{list}"))
}

/// It may be set and shortened.
fn validate_deadline(errors: &mut ErrorList, object: &Value, old: &Value, path: &Path) {
    let deadline = |pod| object::i64_at(pod, "/spec/activeDeadlineSeconds");
    match (deadline(object), deadline(old)) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.push(field::invalid(path, new, "must be between 0 and 2147483647, inclusive"));
        }
        (Some(new), Some(old)) if new > old => {
            errors.push(field::invalid(path, new, "must be less than or equal to previous value"));
        }
        (None, Some(_)) => {
            errors.push(field::invalid(path, Value::Null, "must not update from a positive integer to nil value"))
        }
        _ => (),
    }
}

/// Only additions. Upstream: `validateOnlyAddedTolerations`.
fn validate_tolerations(errors: &mut ErrorList, object: &Value, old: &Value, path: &Path) {
    let essence = |toleration: &Value| {
        let mut toleration = toleration.clone();
        object::remove(&mut toleration, &["tolerationSeconds"]);
        toleration
    };
    let now: Vec<Value> = object::list_at(object, "/spec/tolerations").iter().map(essence).collect();
    let kept = object::list_at(old, "/spec/tolerations").iter().all(|toleration| now.contains(&essence(toleration)));
    if !kept {
        errors.push(field::forbidden(path, "existing toleration can not be modified except its tolerationSeconds"));
    }
}

/// The new spec with all that may change put back to what it was.
fn without_changeable(object: &Value, old: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    let old_spec = old.get("spec").cloned().unwrap_or_default();
    for field in ["activeDeadlineSeconds", "tolerations"] {
        crate::verbs::update::keep(&mut spec, &old_spec, field);
    }
    let grace = |spec: &Value| object::i64_at(spec, "/terminationGracePeriodSeconds");
    if grace(&old_spec).is_some_and(|before| before < 0) && grace(&spec) == Some(1) {
        crate::verbs::update::keep(&mut spec, &old_spec, "terminationGracePeriodSeconds");
    }
    for list in ["containers", "initContainers"] {
        let now = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, before) in now.zip(containers(old, list)) {
            crate::verbs::update::keep(container, before, "image");
        }
    }
    spec
}

pub(super) fn validate_status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status");
    let nominated = object::str_at(object, "/status/nominatedNodeName").unwrap_or_default();
    let messages = sampan_meta::validation::dns1123_subdomain(nominated);
    if !nominated.is_empty() {
        crate::validation::invalid_all(&mut errors, &path.child("nominatedNodeName"), nominated, messages);
    }
    errors
}
