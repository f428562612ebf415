//! Subresources that are no part of an object: logs, streams, proxies, tokens.

mod container;
mod log;
pub(crate) mod proxy;
mod stream;
mod token;
pub(crate) mod upgrade;

use std::sync::Arc;

use http::Response;
use sampan_api::request::Lister;
use sampan_meta::{GroupResource, Status, object};
use sampan_registry::Resource;
use serde_json::Value;

use crate::body::Body;
use crate::decode::RequestBody;
use crate::node_client::{Target, Tls};
use crate::pipeline::Call;

use container::container;

/// Port of a node's own API where its status names none.
const NODE_PORT: u16 = 10250;

/// Answers a subresource that the registry only declares.
pub(crate) async fn answer(call: &mut Call, resource: &Resource, body: RequestBody) -> Result<Response<Body>, Status> {
    let subresource = call.attributes.subresource.clone();
    match (resource.names.plural, &*subresource) {
        ("pods", "log") => log::log(call, resource).await,
        ("pods", "exec" | "attach" | "portforward") => stream::stream(call, resource).await,
        ("pods" | "services" | "nodes", "proxy") => proxy::proxy(call, resource, body).await,
        ("serviceaccounts", "token") => token::create(call, body).await,
        _ => Err(not_offered(&resource.group_resource(), &subresource)),
    }
}

/// 501 for what the registry declares and nobody answers.
fn not_offered(resource: &GroupResource, subresource: &str) -> Status {
    let mut status = Status::method_not_supported(resource, subresource);
    status.code = 501;
    status.reason = "NotImplemented".to_owned();
    status.message = format!("{resource}/{subresource} is not offered by this server");
    status
}

/// The object a request names.
async fn named(call: &Call, resource: &Resource, name: &str) -> Result<Value, Status> {
    let mut attributes = call.attributes.clone();
    attributes.subresource.clear();
    name.clone_into(&mut attributes.name);
    let context = sampan_registry::RequestContext::new(&attributes, &*call.server.admission);
    Ok(call.server.registry.get(&context, resource, "").await?.value())
}

/// Where a node's own API is: its InternalIP and the port it reports.
fn node_target(call: &Call, name: &str) -> Result<Target, Status> {
    let nodes = GroupResource::new("", "nodes");
    let node: Arc<Value> = call.server.registry.get_by_name(&nodes, "", name)?;
    let addresses = object::list_at(&node, "/status/addresses");
    let of_type = |wanted: &str| {
        let found = addresses.iter().find(|address| object::str_at(address, "/type") == Some(wanted));
        found.and_then(|address| object::str_at(address, "/address")).map(str::to_owned)
    };
    let host = of_type("InternalIP").or_else(|| of_type("Hostname")).ok_or_else(|| {
        Status::service_unavailable(format!(
            "node {name} has not reported an address yet; see kubectl describe node {name}"
        ))
    })?;
    let port = object::i64_at(&node, "/status/daemonEndpoints/kubeletEndpoint/Port");
    let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).unwrap_or(NODE_PORT);
    Ok(Target { host, port, tls: Tls::Cluster })
}

/// Looks an object up at hand.
trait ByName {
    fn get_by_name(&self, resource: &GroupResource, namespace: &str, name: &str) -> Result<Arc<Value>, Status>;
}

impl ByName for sampan_registry::Registry {
    fn get_by_name(&self, resource: &GroupResource, namespace: &str, name: &str) -> Result<Arc<Value>, Status> {
        Lister::get(self, resource, namespace, name).ok_or_else(|| Status::not_found(resource, name))
    }
}
