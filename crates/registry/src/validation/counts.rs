//! Numbers in a spec or status that may not be negative, nor greater than one another.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

/// Numbers of a ReplicaSet's or ReplicationController's status.
const REPLICAS: [&str; 5] =
    ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];

/// None of these members of `part` may be negative.
pub(crate) fn not_negative(errors: &mut ErrorList, part: &Value, names: &[&str], path: &Path) {
    for name in names {
        super::not_negative(errors, part, &format!("/{name}"), &path.child(name));
    }
}

/// One member of `part` may not be greater than another, which errors call `limit.1`.
pub(crate) fn at_most(errors: &mut ErrorList, part: &Value, name: &str, limit: (&str, &str), path: &Path) {
    let number = |name: &str| part.get(name).and_then(Value::as_i64).unwrap_or(0);
    if number(name) > number(limit.0) {
        errors.push(field::invalid(&path.child(name), number(name), format!("cannot be greater than {}", limit.1)));
    }
}

/// `status.collisionCount` only grows. Upstream: `IsDecremented`.
pub(crate) fn not_decremented(errors: &mut ErrorList, object: &Value, old: &Value) {
    let count = |object: &Value| object::i64_at(object, "/status/collisionCount");
    let Some(before) = count(old) else { return };
    let now = count(object).unwrap_or(0);
    if now < before || count(object).is_none() {
        errors.push(field::invalid(&Path::new("status").child("collisionCount"), now, "cannot be decremented"));
    }
}

/// Upstream: `ValidateReplicaSetStatus`, `ValidateReplicationControllerStatus`.
pub(crate) fn validate_replicas(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let (status, path) = (object.get("status").unwrap_or(&Value::Null), Path::new("status"));
    not_negative(&mut errors, status, &REPLICAS, &path);
    for name in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
        at_most(&mut errors, status, name, ("replicas", "status.replicas"), &path);
    }
    at_most(&mut errors, status, "availableReplicas", ("readyReplicas", "readyReplicas"), &path);
    errors
}
