//! `kubectl get componentstatuses`: the store, which this server asks, and the parts that run in its process. One of them that ends takes the
//! process along, so that whoever is answered knows that they run.

use http::{Response, StatusCode};
use sampan_meta::Status;
use sampan_registry::{List, Resource};

use crate::body::Body;
use crate::pipeline::Call;
use crate::{encode, health, reply, verbs};

/// What upstream's components are called, the store among them.
const STORE: &str = "etcd-0";
const PARTS: [&str; 2] = ["controller-manager", "scheduler"];
const DEPRECATED: &str = "v1 ComponentStatus is deprecated in v1.19+";

/// Whether the resource is this one.
pub(crate) fn is(resource: &Resource) -> bool {
    (resource.names.group, resource.names.plural) == ("", "componentstatuses")
}

/// Answers get and list.
pub(crate) async fn answer(call: &mut Call, resource: &Resource) -> Result<Response<Body>, Status> {
    call.warnings.push(DEPRECATED.to_owned());
    let store = health::store(&call.server).await;
    let store = store.as_ref().map(drop).map_err(String::as_str);
    let known = PARTS.iter().map(|part| (*part, Ok(()))).chain([(STORE, store)]);
    let wanted = &call.attributes.name;
    let mut objects = Vec::new();
    for (name, health) in known.filter(|(name, _)| wanted.is_empty() || wanted == name) {
        objects.push(call.server.registry.component_status(resource, name, health)?);
    }
    if call.attributes.verb == "list" {
        let form = reply::list(&call.headers, resource)?;
        objects.sort_by(|one, other| one.name().cmp(other.name()));
        let list = List { objects, ..List::default() };
        return encode::list(form, &call.server.registry, resource, list, verbs::table_options(call)?);
    }
    let object = objects.pop().ok_or_else(|| Status::not_found(&resource.group_resource(), wanted))?;
    let form = reply::single(&call.headers, resource)?;
    verbs::answer(call, StatusCode::OK, form, resource, &object)
}
