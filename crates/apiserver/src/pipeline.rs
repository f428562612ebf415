//! The way of every request, outermost first: panic guard, meaning, identity, audit, place, deadline, permission, answer.
//!
//! The order follows upstream's `DefaultBuildHandlerChain` (apiserver/pkg/server/config.go).

mod deadline;
mod seat;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyDataStream;
use hyper::upgrade::OnUpgrade;
use jiff::Timestamp;
use sampan_access::Decision;
use sampan_access::authz::forbidden;
use sampan_api::request::{Attributes, User};
use sampan_meta::Status;
use sampan_registry::Resource;
use tokio::time::Instant;

use crate::audit::{self, Heard, Trail};
use crate::body::Body;
use crate::caller::Caller;
use crate::decode::RequestBody;
use crate::flow_control::Classified;
use crate::metrics::{Asked, InProgress, Sort};
use crate::path::{self, RequestInfo};
use crate::query::Query;
use crate::server::ApiServer;
use crate::{aggregation, encode, gzip, impersonate, pretty, reply, trace, verbs};
use deadline::deadline;
use seat::seat;

/// One request that may be answered: who asks for what, and with which words.
pub(crate) struct Call {
    pub(crate) server: Arc<ApiServer>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) attributes: Attributes,
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    /// The path behind `/proxy`.
    pub(crate) remainder: String,
    /// For the client; each becomes a header.
    pub(crate) warnings: Vec<String>,
    /// For the audit log, from admission.
    pub(crate) annotations: BTreeMap<String, String>,
    /// For the audit log.
    pub(crate) target: audit::Target,
    /// The client's connection, for who turns it into one of another protocol.
    pub(crate) upgrade: Option<OnUpgrade>,
    /// Counts the request as one in progress, for who goes on with it after its answer.
    pub(crate) counted: Option<InProgress>,
}

/// What a request says beside its body.
struct Head {
    method: Method,
    path: String,
    uri: Uri,
    query: Query,
    headers: HeaderMap,
    audit_id: String,
    received: Timestamp,
    upgrade: Option<OnUpgrade>,
}

/// What a request leaves beside its answer, even if it ends in a panic.
#[derive(Default)]
struct Aside {
    warnings: Vec<String>,
    classified: Classified,
    trail: Option<Trail>,
    /// Whether who asks may have its own trace told.
    trusted: bool,
}

/// Answers a request, whatever happens.
pub(crate) async fn handle(
    server: Arc<ApiServer>,
    caller: Arc<Caller>,
    request: Request<RequestBody>,
) -> Response<Body> {
    let began = Instant::now();
    let (mut parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let head = Head {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        uri: parts.uri,
        query,
        audit_id: audit_id(&server, &parts.headers),
        headers: parts.headers,
        received: server.clock.now(),
        upgrade: parts.extensions.remove(),
    };
    let audit_id = head.audit_id.clone();
    let span = server
        .tracer
        .get()
        .map(|tracer| trace::Open::new(tracer.begin(&head.headers), (&head.method, head.path.as_str()), head.received));
    let context = span.as_ref().map(|span| span.context);
    let accepts_gzip = gzip::accepted(&head.headers);
    let wants_indent = pretty::wanted(&head.query, &head.headers);
    let failure_media = reply::failure_media(&head.headers);
    let mut aside = Aside::default();
    let mut panic = None;
    let mut asked = Asked::default();
    let mut sort = Sort::Reading;
    let outcome = match path::parse(&head.method, &head.path, &head.query) {
        None => Err(Status::path_not_found()),
        Some(info) => {
            let resource = server.registry.find(&info.group, &info.version, &info.resource);
            asked = asked_for(&info, resource.as_deref(), &head);
            sort = sort_of(&info, &head.query);
            let answer = answer(&server, caller, info, head, body, (sort, asked), &mut aside);
            guarded(trace::within(context, answer), &mut panic).await
        }
    };
    let (mut response, failure) = match outcome {
        Ok(response) => (response, None),
        Err(status) => (reply::failure(&status, failure_media), Some(status)),
    };
    if wants_indent && encode::is_json(response.headers()) {
        response = encode::prettify(response);
    }
    if let Some(trail) = aside.trail.take() {
        response = trail.answered(response, failure.as_ref(), panic.as_deref()).await;
    }
    if let (Some(span), Some(tracer)) = (span, server.tracer.get()) {
        let end = || span.end(server.clock.now(), response.status().as_u16(), &audit_id);
        tracer.end(&span.context, aside.trusted, end);
    }
    server.metrics.end(asked, response.status().as_u16(), (sort != Sort::LongRunning).then(|| began.elapsed()));
    reply::dress(&mut response, &audit_id, &aside.warnings);
    aside.classified.tell(response.headers_mut());
    let (mut head, body) = response.into_parts();
    let body = gzip::compress(body, accepts_gzip && sort != Sort::LongRunning, &mut head.headers);
    Response::from_parts(head, body)
}

/// Turns a panic into a 500; the process and every other request live on.
async fn guarded(
    answer: impl Future<Output = Result<Response<Body>, Status>>,
    panic_text: &mut Option<String>,
) -> Result<Response<Body>, Status> {
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let what = what.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(panic = what, "a request panicked");
        *panic_text = Some(what);
        Err(Status::internal("this request caused apiserver to panic. Look in the logs for details."))
    })
}

async fn answer(
    server: &Arc<ApiServer>,
    caller: Arc<Caller>,
    info: RequestInfo,
    head: Head,
    body: RequestBody,
    (sort, asked): (Sort, Asked),
    aside: &mut Aside,
) -> Result<Response<Body>, Status> {
    let Aside { warnings, classified, trail, trusted } = aside;
    server.provider_keys.prepare(&head.headers).await;
    let user = log_who(server, &caller, &info, &head, sort, trail).await?;
    *trusted = trace::is_trusted(&user);
    let Head { method, path, query, headers, upgrade, .. } = head;
    let user = impersonate::resolve(server, user, &headers)?;
    if let Some(trail) = trail.as_mut().filter(|_| headers.contains_key("impersonate-user")) {
        trail.impersonated(&user);
    }
    let limit = deadline(&query, server.limits.request, sort)?;
    let counted = InProgress::new(server, sort, asked);
    let remainder = info.remainder.clone();
    let attributes = attributes(user, info, path, &query);
    let _seat = seat(server, &attributes, &query, sort, classified).await?;
    authorize(server, &attributes, trail)?;
    let target = trail.as_ref().map(Trail::target).unwrap_or_default();
    let body = match trail {
        Some(trail) => trail.listen(body, server.limits.body),
        None => body,
    };
    let server = Arc::clone(server);
    let (warned, annotations) = (Vec::new(), BTreeMap::new());
    let counted = Some(counted);
    let mut call = Call {
        server,
        caller,
        attributes,
        method,
        query,
        headers,
        remainder,
        warnings: warned,
        annotations,
        target,
        upgrade,
        counted,
    };
    let answer = dispatch(&mut call, body);
    let outcome = match limit {
        None => answer.await,
        Some(limit) => tokio::time::timeout(limit, answer)
            .await
            .unwrap_or_else(|_| Err(Status::timeout("request did not complete within the allotted timeout", 0))),
    };
    warnings.append(&mut call.warnings);
    if let Some(trail) = trail {
        trail.annotate(std::mem::take(&mut call.annotations));
    }
    let counted = call.counted.take().filter(|_| sort == Sort::LongRunning);
    outcome.map(|response| match counted {
        Some(counted) => response.map(|body| counting(body, counted)),
        None => response,
    })
}

/// A body that counts as a request in progress until its end.
fn counting(body: Body, counted: InProgress) -> Body {
    if body.length().is_some() {
        return body;
    }
    Body::stream(BodyDataStream::new(body).inspect(move |_| {
        let _in_progress = &counted;
    }))
}

/// Finds out who asks, and begins what the audit log tells of it.
async fn log_who(
    server: &ApiServer,
    caller: &Caller,
    info: &RequestInfo,
    head: &Head,
    sort: Sort,
    trail: &mut Option<Trail>,
) -> Result<User, Status> {
    let identified = identify(server, caller, &head.headers);
    let Some(audit) = &server.audit else { return identified };
    let Head { uri, headers, audit_id, received, .. } = head;
    let long_running = sort == Sort::LongRunning;
    let heard = Heard { caller, info, uri, headers, audit_id, received: *received, long_running };
    match identified {
        Ok(user) => {
            *trail = Trail::begin(audit, &server.clock, &user, heard);
            if let Some(trail) = trail {
                trail.received().await;
            }
            Ok(user)
        }
        Err(status) => {
            if let Some(trail) = Trail::begin(audit, &server.clock, &User::default(), heard) {
                trail.refused(if headers.contains_key(header::AUTHORIZATION) { "bearer" } else { "x509" }).await;
            }
            Err(status)
        }
    }
}

fn authorize(server: &ApiServer, attributes: &Attributes, trail: &mut Option<Trail>) -> Result<(), Status> {
    let decision = server.authorizer.authorize(attributes);
    if let Some(trail) = trail {
        trail.decided(&decision);
    }
    match decision {
        Decision::Allowed { .. } => Ok(()),
        Decision::Denied { reason } => Err(forbidden(attributes, &reason)),
    }
}

/// Boxed, so that the state of the largest verb is no part of every request's.
fn dispatch(call: &mut Call, body: RequestBody) -> BoxFuture<'_, Result<Response<Body>, Status>> {
    if let Some(remote) = call.server.aggregation.find(&call.server.registry, &call.attributes.path) {
        return Box::pin(async move { aggregation::answer(call, &remote, body).await });
    }
    if call.attributes.resource_request {
        Box::pin(verbs::resource(call, body))
    } else {
        Box::pin(crate::discovery::path(call))
    }
}

fn identify(server: &ApiServer, caller: &Caller, headers: &HeaderMap) -> Result<User, Status> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    caller.identify(&server.authenticator, authorization, server.clock.now()).map_err(|refusal| {
        tracing::info!(%refusal, "credentials refused");
        Status::unauthorized()
    })
}

fn attributes(user: User, info: RequestInfo, path: String, query: &Query) -> Attributes {
    let field_selector = query.get("fieldSelector").unwrap_or_default().to_owned();
    let RequestInfo { verb, group, version, resource, subresource, namespace, name, resource_request, remainder: _ } =
        info;
    Attributes {
        user,
        verb,
        group,
        version,
        resource,
        subresource,
        namespace,
        name,
        field_selector,
        resource_request,
        path,
    }
}

/// The id the client gave, if it is one, else a new one.
fn audit_id(server: &ApiServer, headers: &HeaderMap) -> String {
    let given = headers.get(reply::AUDIT_ID).and_then(|value| value.to_str().ok());
    match given.filter(|id| !id.is_empty() && id.len() <= 64) {
        Some(id) => id.to_owned(),
        None => sampan_meta::new_uid(&*server.entropy),
    }
}

/// What takes no place and has no deadline: upstream's `BasicLongRunningRequestCheck`.
fn sort_of(info: &RequestInfo, query: &Query) -> Sort {
    let long = info.resource_request
        && (info.verb == "watch"
            || matches!(&*info.subresource, "attach" | "exec" | "proxy" | "portforward")
            || (info.subresource == "log" && query.flag("follow")));
    match &*info.verb {
        _ if long => Sort::LongRunning,
        "get" | "list" | "head" | "options" => Sort::Reading,
        _ => Sort::Mutating,
    }
}

/// The static words of what was asked for; unknown resources count as none, so that clients cannot make new series.
fn asked_for(info: &RequestInfo, resource: Option<&Resource>, head: &Head) -> Asked {
    let verb = reported_verb(info, head);
    let Some(resource) = resource.filter(|_| info.resource_request) else { return Asked { verb, ..Asked::default() } };
    let scope = match (&*info.name, &*info.namespace) {
        ("", "") => "cluster",
        ("", _) if info.verb != "create" => "namespace",
        _ => "resource",
    };
    Asked {
        verb,
        group: resource.names.group,
        version: resource.names.version,
        resource: resource.names.plural,
        subresource: resource.subresource(&info.subresource).map_or("", |subresource| subresource.name),
        scope,
        dry_run: if head.query.has("dryRun") { "All" } else { "" },
    }
}

/// The verb in upstream's metrics (`cleanVerb`): HTTP's where that says as much, and `APPLY` for patches that apply.
fn reported_verb(info: &RequestInfo, head: &Head) -> &'static str {
    let media = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match &*info.verb {
        "get" | "head" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" if media.starts_with("application/apply-patch") => "APPLY",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "connect" => "CONNECT",
        _ => "other",
    }
}

/// An empty answer with a code; what HEAD and OPTIONS get at most.
pub(crate) fn bare(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500() {
        let mut panic = None;
        let status = guarded(async { panic!("boom") }, &mut panic).await.unwrap_err();
        assert_eq!(panic.as_deref(), Some("boom"));
        assert_eq!((status.code, &*status.reason), (500, "InternalError"));
    }
}
