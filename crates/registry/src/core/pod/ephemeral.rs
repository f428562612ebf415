//! Ephemeral containers: added through a subresource of their own, never changed, never removed. Upstream: `podEphemeralContainersStrategy`
//! (pkg/registry/core/pod/strategy.go), `ValidatePodEphemeralContainersUpdate`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use crate::validation;

/// Marks the copy of a pod that a node runs by itself.
const MIRROR: &str = "kubernetes.io/config.mirror";

fn containers(pod: &Value) -> &[Value] {
    object::list_at(pod, "/spec/ephemeralContainers")
}

fn name(container: &Value) -> &str {
    object::str_at(container, "/name").unwrap_or_default()
}

/// Only the containers are written.
pub(super) fn prepare(object: &mut Value, old: &Value) {
    let mut pod = old.clone();
    let wanted = object::get(object, &["spec", "ephemeralContainers"]).cloned();
    match wanted {
        Some(wanted) => object::set(&mut pod, &["spec", "ephemeralContainers"], wanted),
        None => drop(object::remove(&mut pod, &["spec", "ephemeralContainers"])),
    }
    if containers(&pod) != containers(old) {
        object::set_generation(&mut pod, object::generation(old) + 1);
    }
    for field in ["managedFields", "resourceVersion"] {
        crate::verbs::update::keep_metadata(&mut pod, object, field);
    }
    *object = pod;
}

pub(super) fn validate(object: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec").child("ephemeralContainers");
    if object::annotation(old, MIRROR).is_some() {
        errors.push(field::forbidden(&Path::new(""), "static pods do not support ephemeral containers"));
    }
    validation::container::validate_ephemeral(&mut errors, object.get("spec").unwrap_or(&Value::Null), &path);
    for before in containers(old) {
        let name = name(before);
        match containers(object).iter().find(|now| self::name(now) == name) {
            None => errors.push(field::forbidden(
                &path,
                format!("existing ephemeral containers \"{name}\" may not be removed\n"),
            )),
            Some(now) if now != before => errors.push(field::forbidden(
                &path,
                format!("existing ephemeral containers \"{name}\" may not be changed\n"),
            )),
            Some(_) => {}
        }
    }
    errors
}
