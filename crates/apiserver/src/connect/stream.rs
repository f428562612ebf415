//! `pods/exec`, `pods/attach`, `pods/portforward`: the client's upgraded connection, passed on to the pod's node byte by byte.

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sampan_access::Decision;
use sampan_access::authz::forbidden;
use sampan_api::request::Attributes;
use sampan_meta::{Status, object};
use sampan_registry::Resource;
use serde_json::Value;

use super::{container, named, node_target, upgrade};
use crate::body::Body;
use crate::decode::RequestBody;
use crate::pipeline::Call;

/// What the two ends agree on by.
const PASSED: [HeaderName; 8] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
    header::USER_AGENT,
    HeaderName::from_static("x-stream-protocol-version"),
    HeaderName::from_static("sec-websocket-extensions"),
];

pub(super) async fn stream(call: &mut Call, resource: &Resource) -> Result<Response<Body>, Status> {
    if !matches!(call.attributes.verb.as_str(), "get" | "create") {
        return Err(Status::method_not_supported(&resource.group_resource(), &call.attributes.verb));
    }
    may_create(call)?;
    let pod = named(call, resource, &call.attributes.name).await?;
    let path = path(call, &pod)?;
    let node = object::str_at(&pod, "/spec/nodeName").unwrap_or_default();
    if node.is_empty() {
        let message = format!("pod {} does not have a host assigned", object::name(&pod));
        return Err(Status::bad_request(message));
    }
    if !call.headers.contains_key(header::UPGRADE) {
        return Err(Status::bad_request("Upgrade request required"));
    }
    let target = node_target(call, node)?;
    let request = request(&call.method, &path, &call.headers, &target.authority())?;
    upgrade::pass_on(call, &target, request)
        .await
        .map_err(|error| Status::internal(format!("error dialing backend: node {node} cannot be reached: {error}")))
}

/// A websocket begins with a GET; whoever may only read must not get into a pod that way (upstream's gate
/// `AuthorizePodWebsocketUpgradeCreatePermission`, on since 1.35).
fn may_create(call: &Call) -> Result<(), Status> {
    if call.attributes.verb == "create" {
        return Ok(());
    }
    let attributes = Attributes { verb: "create".to_owned(), ..call.attributes.clone() };
    match call.server.authorizer.authorize(&attributes) {
        Decision::Allowed { .. } => Ok(()),
        Decision::Denied { reason } => Err(forbidden(&attributes, &reason)),
    }
}

/// Path and query at the node, as upstream's `streamLocation` and `PortForwardLocation` (pkg/registry/core/pod/strategy.go).
fn path(call: &Call, pod: &Value) -> Result<String, Status> {
    let (namespace, name) = (object::namespace(pod), object::name(pod));
    let mut query = Vec::new();
    let (verb, container) = match call.attributes.subresource.as_str() {
        "portforward" => {
            query.extend(call.query.all("ports").map(|ports| ("port", ports.to_owned())));
            return Ok(with_query(format!("/portForward/{namespace}/{name}"), &query));
        }
        subresource => (subresource, container(pod, call.query.get("container"))?),
    };
    let flags = [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")];
    query.extend(flags.iter().filter(|(name, _)| call.query.flag(name)).map(|(_, name)| (*name, "1".to_owned())));
    if verb == "exec" {
        query.extend(call.query.all("command").map(|word| ("command", word.to_owned())));
    }
    Ok(with_query(format!("/{verb}/{namespace}/{name}/{container}"), &query))
}

fn with_query(path: String, query: &[(&str, String)]) -> String {
    let pairs = query.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    let query = pairs.collect::<Vec<_>>().join("&");
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn request(method: &Method, path: &str, headers: &HeaderMap, authority: &str) -> Result<Request<RequestBody>, Status> {
    let mut request = Request::builder().method(method.clone()).uri(path);
    if let Some(passed) = request.headers_mut() {
        let wanted = headers.iter().filter(|(name, _)| PASSED.contains(name));
        passed.extend(wanted.map(|(name, value)| (name.clone(), value.clone())));
    }
    let body = RequestBody::new(http_body_util::Empty::new().map_err(|never| match never {}));
    request.header(header::HOST, authority).body(body).map_err(Status::internal)
}
