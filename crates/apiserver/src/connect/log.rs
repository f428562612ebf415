//! `pods/log`: the node's own stream, passed on while the client listens.

mod options;

#[cfg(test)]
mod tests;

use futures::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use sampan_meta::{Status, object};
use sampan_registry::Resource;
use serde_json::Value;

use super::{container, named, node_target};
use crate::body::Body;
use crate::decode::RequestBody;
use crate::pipeline::Call;
use crate::reply;

/// What a node may say at most when it refuses.
const REFUSAL_BYTES: usize = 16 * 1024;

pub(super) async fn log(call: &Call, resource: &Resource) -> Result<Response<Body>, Status> {
    if call.attributes.verb != "get" {
        return Err(Status::method_not_supported(&resource.group_resource(), &call.attributes.verb));
    }
    let parameters = options::parameters(&call.query)?;
    let pod = named(call, resource, &call.attributes.name).await?;
    let container = container(&pod, call.query.get("container"))?;
    check_started(&pod, &container, call.query.flag("previous"))?;
    let node = object::str_at(&pod, "/spec/nodeName").unwrap_or_default();
    let target = node_target(call, node)?;
    let (namespace, name) = (object::namespace(&pod), object::name(&pod));
    let mut path = format!("/containerLogs/{namespace}/{name}/{container}");
    if !parameters.is_empty() {
        path = format!("{path}?{parameters}");
    }
    let request = Request::get(path)
        .header(http::header::HOST, target.authority())
        .body(RequestBody::new(http_body_util::Empty::new().map_err(|never| match never {})))
        .map_err(Status::internal)?;
    let answer = call.server.nodes.send(&target, request).await.map_err(|error| {
        Status::service_unavailable(format!(
            "the log of pod {namespace}/{name} lies on node {node}, which cannot be reached: {error}"
        ))
    })?;
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer).await);
    }
    Ok(reply::with_type(StatusCode::OK, "text/plain", until_closing(call, answer.into_body())))
}

/// A log that is followed ends with the server.
fn until_closing(call: &Call, body: Body) -> Body {
    let closing = call.caller.closing.clone().cancelled_owned();
    let chunks = http_body_util::BodyDataStream::new(body);
    Body::stream(chunks.take_until(Box::pin(closing)))
}

/// What a node says when it will not: a Status, or text.
async fn refusal(answer: Response<Body>) -> Status {
    let code = answer.status().as_u16();
    let body = http_body_util::Limited::new(answer.into_body(), REFUSAL_BYTES).collect().await;
    let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
    if let Some(status) = serde_json::from_slice::<Value>(&bytes).ok().and_then(|value| Status::from_value(&value)) {
        return status;
    }
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    let mut status = match code {
        400..=499 => Status::bad_request(text),
        _ => Status::internal(format!("the node answered {code}: {text}")),
    };
    status.code = code;
    if code == 404 {
        status.reason = "NotFound".to_owned();
    }
    status
}

/// Says why there is nothing to read yet, in the kubelet's words (`validateContainerLogStatus`).
fn check_started(pod: &Value, container: &str, previous: bool) -> Result<(), Status> {
    let name = object::name(pod);
    let waiting = |why: &str| {
        Err(Status::bad_request(format!("container {container:?} in pod {name:?} is waiting to start: {why}")))
    };
    if object::str_at(pod, "/spec/nodeName").is_none_or(str::is_empty) {
        return waiting("the pod is not yet scheduled to a node");
    }
    let lists = ["/status/containerStatuses", "/status/initContainerStatuses", "/status/ephemeralContainerStatuses"];
    let mut statuses = lists.iter().flat_map(|list| object::list_at(pod, list));
    let Some(status) = statuses.find(|status| object::str_at(status, "/name") == Some(container)) else {
        return Ok(());
    };
    let ended_before = status.pointer("/lastState/terminated").is_some();
    if previous && !ended_before {
        let message = format!("previous terminated container {container:?} in pod {name:?} not found");
        return Err(Status::bad_request(message));
    }
    let reason = object::str_at(status, "/state/waiting/reason");
    match reason {
        Some(reason) if !ended_before => match reason {
            "ErrImagePull" => waiting("image can't be pulled"),
            "ImagePullBackOff" => waiting("trying and failing to pull image"),
            other => waiting(other),
        },
        _ => Ok(()),
    }
}
