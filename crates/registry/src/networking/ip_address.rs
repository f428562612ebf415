//! IPAddresses. Upstream: `pkg/registry/networking/ipaddress`, `ValidateIPAddress`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::dns1123_subdomain;
use sampan_meta::{new_uid, object};
use sampan_store::Key;
use serde_json::{Value, json};

use super::reference;
use crate::allocator::Claimant;
use crate::cell;
use crate::registry::Registry;
use crate::strategy::{Names, Scope, SelectableField, Strategy};
use crate::validation::{NameRule, immutable, invalid_all, path_segment};

/// Where they lie in the store: the allocator of Services writes them by itself.
pub(crate) const STORAGE: &str = "networking.k8s.io/ipaddresses";

const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";
const MANAGED: &str = "ipaddress.kubernetes.io/managed-by";
const ALLOCATOR: &str = "ipallocator.k8s.io";

pub(crate) struct IpAddressStrategy;

impl Strategy for IpAddressStrategy {
    fn names(&self) -> Names {
        let kind = ("IPAddress", "IPAddressList");
        let plural = ("ipaddresses", "ipaddress");
        Names::new(("networking.k8s.io", "v1"), kind, plural, "networking.v1.IPAddress").short(&["ip"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec").child("parentRef");
        let Some(parent) = object.pointer("/spec/parentRef").filter(|parent| parent.is_object()) else {
            errors.push(field::required(&path, ""));
            return errors;
        };
        if let Some(group) = object::str_at(parent, "/group") {
            invalid_all(&mut errors, &path.child("group"), group, dns1123_subdomain(group));
        }
        reference::segments(&mut errors, parent, &["resource", "name"], &path);
        if let Some(namespace) = object::str_at(parent, "/namespace") {
            invalid_all(&mut errors, &path.child("namespace"), namespace, path_segment(namespace));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        immutable(&mut errors, object, old, "/spec/parentRef", &Path::new("spec").child("parentRef"));
        errors
    }

    fn name_rule(&self) -> NameRule {
        NameRule::IpAddress
    }

    fn columns(&self) -> Vec<Column> {
        let parent = cell::text_column("ParentRef", "The object that has the address.");
        vec![Column::name(), parent, cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), parent(object).into(), cell::age(object, now)]
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const {
            &[
                SelectableField::new("spec.parentRef.group", &["spec.parentRef.group"]),
                SelectableField::new("spec.parentRef.resource", &["spec.parentRef.resource"]),
                SelectableField::new("spec.parentRef.name", &["spec.parentRef.name"]),
                SelectableField::new("spec.parentRef.namespace", &["spec.parentRef.namespace"]),
            ]
        }
    }
}

impl Registry {
    /// The object that says which Service has an address. Upstream: `pkg/registry/core/service/ipallocator`.
    pub(crate) fn ip_address(&self, address: &str, claimant: Claimant<'_>) -> Value {
        let family = if address.contains(':') { "IPv6" } else { "IPv4" };
        let mut made = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IPAddress",
            "metadata": {"name": address, "uid": new_uid(&*self.entropy), "labels": {FAMILY: family, MANAGED: ALLOCATOR}},
            "spec": {"parentRef": {"group": "", "resource": "services", "namespace": claimant.namespace, "name": claimant.name}},
        });
        object::set_creation_timestamp(&mut made, self.clock.now());
        made
    }
}

/// The key of the Service an address was allocated for; `None` for one that was made otherwise.
pub(crate) fn service_of(ip_address: &Value) -> Option<Key> {
    let text = |name: &str| object::str_at(ip_address, &format!("/spec/parentRef/{name}")).unwrap_or_default();
    let allocated = object::label(ip_address, MANAGED) == Some(ALLOCATOR) && text("resource") == "services";
    allocated.then(|| Key::new("/services", text("namespace"), text("name")))
}

/// `services/default/web`.
fn parent(object: &Value) -> String {
    let text = |name: &str| object::str_at(object, &format!("/spec/parentRef/{name}"));
    if object.pointer("/spec/parentRef").is_none_or(|parent| !parent.is_object()) {
        return cell::NONE.to_owned();
    }
    let mut shown = text("resource").unwrap_or_default().to_lowercase();
    if let Some(group) = text("group") {
        shown = format!("{shown}.{}", group.to_lowercase());
    }
    let below = [text("namespace"), text("name")].into_iter().flatten();
    below.fold(shown, |shown, part| format!("{shown}/{part}"))
}
