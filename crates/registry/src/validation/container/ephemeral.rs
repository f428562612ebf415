//! Ephemeral containers. Upstream: `validateEphemeralContainers`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

/// What an ephemeral container cannot have. Upstream: `allowedEphemeralContainerFields`.
const NOT_THERE: [&str; 8] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];
const WHY: &str = "cannot be set for an Ephemeral Container";

/// The ephemeral containers of a pod's spec.
pub(crate) fn validate_ephemeral(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let names = |list: &str| {
        let all = object::list_at(spec, list).iter();
        all.filter_map(|item| object::str_at(item, "/name")).collect::<BTreeSet<_>>()
    };
    let (containers, volumes) = (names("/containers"), names("/volumes"));
    let mut taken: BTreeSet<&str> = containers.union(&names("/initContainers")).copied().collect();
    for (index, container) in object::list_at(spec, "/ephemeralContainers").iter().enumerate() {
        let path = path.index(index);
        super::validate_name(errors, container, &mut taken, &path.child("name"));
        super::validate(errors, container, &volumes, &path);
        let target = object::str_at(container, "/targetContainerName");
        if let Some(target) = target.filter(|target| !target.is_empty() && !containers.contains(target)) {
            errors.push(field::not_found(&path.child("targetContainerName"), target));
        }
        validate_fields(errors, container, &path);
    }
}

fn validate_fields(errors: &mut ErrorList, container: &Value, path: &Path) {
    for name in NOT_THERE {
        let is_set = match container.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Object(members)) => !members.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(_) => true,
        };
        if is_set {
            errors.push(field::forbidden(&path.child(name), WHY));
        }
    }
    for (index, mount) in object::list_at(container, "/volumeMounts").iter().enumerate() {
        for name in ["subPath", "subPathExpr"] {
            if object::str_at(mount, &format!("/{name}")).is_some_and(|text| !text.is_empty()) {
                errors.push(field::forbidden(&path.child("volumeMounts").index(index).child(name), WHY));
            }
        }
    }
}
