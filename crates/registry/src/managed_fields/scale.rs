//! Who owns the replicas, seen as a Scale. Upstream: `managedfields/scalehandler.go`.

use std::sync::LazyLock;

use sampan_meta::apply::{FieldSet, Managed, Manager, PathElement};
use sampan_meta::object;
use serde_json::Value;

use super::entries;
use super::versions::ObjectVersions;
use crate::verbs::scale::TYPE_NAME;

pub(super) const API_VERSION: &str = "autoscaling/v1";
const PATH: [&str; 2] = ["metadata", "managedFields"];

/// `spec.replicas`, in a Scale and in everything that has one.
fn replicas() -> &'static FieldSet<'static> {
    static REPLICAS: LazyLock<FieldSet<'static>> = LazyLock::new(|| FieldSet::of_fields(&[&["spec", "replicas"]]));
    &REPLICAS
}

fn has_replicas(managed: &Managed<'_>) -> bool {
    managed.fields.has(&[PathElement::field("spec"), PathElement::field("replicas")])
}

fn managers(object: &Value) -> Vec<Managed<'_>> {
    let versions = ObjectVersions::alone(API_VERSION, TYPE_NAME);
    entries::decode(object::get(object, &PATH), &versions).unwrap_or_default()
}

fn in_version(managed: &Managed<'_>, api_version: &str) -> Managed<'static> {
    let manager = Manager { api_version: api_version.to_owned(), ..managed.manager.clone() };
    Managed { manager, fields: replicas().clone(), time: managed.time.clone() }
}

/// Tells the Scale of an object who owns its replicas.
pub(crate) fn show(parent: &Value, parent_version: &str, scale: &mut Value) {
    let owners = managers(parent);
    let owners = owners.iter().filter(|owner| owner.manager.api_version == parent_version && has_replicas(owner));
    if let Some(entries) = entries::encode(owners.map(|owner| in_version(owner, API_VERSION)).collect()) {
        object::set(scale, &PATH, entries);
    }
}

/// Tells the object who owns its replicas by what its Scale says now. Managers of versions that are not served any more are gone.
pub(crate) fn settle(scale: &Value, parent_version: &str, parent: &mut Value) {
    let mut owners: Vec<Managed<'_>> = managers(scale).into_iter().filter(has_replicas).collect();
    let before = object::remove(parent, &PATH);
    let unserved = ObjectVersions::alone(API_VERSION, TYPE_NAME);
    let mut after = Vec::new();
    for mut managed in entries::decode(before.as_ref(), &unserved).unwrap_or_default() {
        if managed.manager.api_version != parent_version {
            continue;
        }
        if has_replicas(&managed) {
            let same = in_version(&managed, API_VERSION).manager;
            match owners.iter().position(|owner| owner.manager.is(&same)) {
                Some(at) => drop(owners.remove(at)),
                None => managed.fields = managed.fields.difference(replicas()),
            }
        }
        after.extend((!managed.fields.is_empty()).then_some(managed));
    }
    after.extend(owners.iter().map(|owner| in_version(owner, parent_version)));
    if let Some(entries) = entries::encode(after) {
        object::set(parent, &PATH, entries);
    }
}
