//! What the status of a claim may say. Upstream: `ValidatePersistentVolumeClaimStatusUpdate`.

use sampan_meta::Quantity;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::qualified_name;
use serde_json::Value;

use crate::validation::invalid_all;

const RESIZE: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

pub(super) fn validate(object: &Value) -> ErrorList {
    let (mut errors, path) = (ErrorList::new(), Path::new("status"));
    if object::list_at(object, "/spec/accessModes").is_empty() {
        errors.push(field::required(&Path::new("Spec").child("accessModes"), ""));
    }
    for (name, amount) in entries(object, "capacity") {
        not_negative(&mut errors, amount, &path.child("capacity").key(name));
    }
    for (name, state) in entries(object, "allocatedResourceStatuses") {
        let path = path.child("allocatedResourceStatus");
        validate_key(&mut errors, name, &path.key(name));
        let state = state.as_str().unwrap_or_default();
        if !RESIZE.contains(&state) {
            errors.push(field::not_supported(&path, state, &RESIZE));
        }
    }
    for (name, amount) in entries(object, "allocatedResources") {
        let path = path.child("allocatedResources").key(name);
        validate_key(&mut errors, name, &path);
        not_negative(&mut errors, amount, &path);
    }
    errors
}

fn entries<'a>(object: &'a Value, member: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let map = object.pointer(&format!("/status/{member}")).and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn not_negative(errors: &mut ErrorList, amount: &Value, path: &Path) {
    let parsed = amount.as_str().and_then(|text| Quantity::parse(text).ok());
    if parsed.is_some_and(|amount| amount.is_negative()) {
        errors.push(field::invalid(path, amount.clone(), "must be greater than or equal to 0"));
    }
}

/// `storage`, or a name of somebody else's.
fn validate_key(errors: &mut ErrorList, name: &str, path: &Path) {
    invalid_all(errors, path, name, qualified_name(name));
    let own = name.split_once('/').is_some_and(|(domain, _)| !domain.ends_with("kubernetes.io"));
    if name != "storage" && !own {
        errors.push(field::not_supported(path, name, &["storage"]));
    }
}
