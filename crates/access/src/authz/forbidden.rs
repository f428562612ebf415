//! The message of a 403, as upstream words it (`apiserver/pkg/endpoints/handlers/responsewriters/errors.go`).

use sampan_api::request::Attributes;
use sampan_meta::{GroupResource, Status};

/// 403 for a request that no rule allows: `pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the
/// namespace "default"`.
pub fn forbidden(attributes: &Attributes, reason: &str) -> Status {
    let mut why = message(attributes);
    if !reason.is_empty() {
        why = format!("{why}: {reason}");
    }
    let resource = match attributes.resource_request {
        true => GroupResource::new(attributes.group.clone(), attributes.resource.clone()),
        false => GroupResource::default(),
    };
    Status::forbidden(&resource, &attributes.name, &why)
}

fn message(attributes: &Attributes) -> String {
    let Attributes { user, verb, group, resource, subresource, namespace, .. } = attributes;
    let user = &user.name;
    if !attributes.resource_request {
        return format!("User {user:?} cannot {verb} path {:?}", attributes.path);
    }
    let resource = match subresource.as_str() {
        "" => resource.clone(),
        subresource => format!("{resource}/{subresource}"),
    };
    let whole = format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?}");
    match namespace.as_str() {
        "" => format!("{whole} at the cluster scope"),
        namespace => format!("{whole} in the namespace {namespace:?}"),
    }
}
