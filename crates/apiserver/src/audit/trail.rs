//! One request on its way through the server, as the log will tell of it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, Response, StatusCode, Uri};
use http_body::Body as _;
use jiff::Timestamp;
use sampan_access::Decision;
use sampan_api::request::User;
use sampan_meta::{Clock, Status};
use serde_json::Value;

use super::body::{self, Copy};
use super::event::{self, Annotations, Line, ObjectReference, ResponseStatus, UserInfo};
use super::policy::Stages;
use super::{Audit, Level, Stage};
use crate::body::{Body, BodyError};
use crate::caller::Caller;
use crate::decode::RequestBody;
use crate::path::RequestInfo;

/// What a request says beside its body.
#[derive(Clone, Copy)]
pub(crate) struct Heard<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) info: &'a RequestInfo,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) audit_id: &'a str,
    pub(crate) received: Timestamp,
    pub(crate) long_running: bool,
}

/// The object of a request, of which the path of a creation does not tell the name.
#[derive(Clone, Default)]
pub(crate) struct Target(Option<Arc<Mutex<ObjectReference>>>);

impl Target {
    /// Learns from the object that was sent.
    pub(crate) fn is(&self, object: &Value) {
        if let Some(reference) = &self.0 {
            reference.lock().unwrap_or_else(PoisonError::into_inner).complete(object);
        }
    }

    fn write(&self, line: &mut Line) {
        if let Some(reference) = &self.0 {
            line.member("objectRef", &*reference.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// What is known of a request that is logged.
pub(crate) struct Trail {
    audit: Arc<Audit>,
    clock: Arc<dyn Clock>,
    level: Level,
    stages: Stages,
    omit_managed_fields: bool,
    long_running: bool,
    received: Timestamp,
    /// What no later stage changes.
    line: Line,
    target: Target,
    annotations: Option<Annotations>,
    request_headers: HeaderMap,
    sent: Option<Copy>,
    state: State,
}

/// How far the log is.
enum State {
    /// There is no answer yet.
    Open,
    /// The answer has begun, with this code.
    Streaming(u16),
    /// The last line is on its way.
    Telling(Vec<u8>),
    /// Nothing is left to tell.
    Told,
}

impl Trail {
    /// Begins with who asks for what; `None`: the policy does not want it.
    pub(crate) fn begin(audit: &Arc<Audit>, clock: &Arc<dyn Clock>, user: &User, heard: Heard<'_>) -> Option<Self> {
        let Heard { info, uri, headers, received, long_running, .. } = heard;
        let treatment = audit.policy.evaluate(user, info, uri.path());
        audit.count(treatment.level);
        if treatment.level == Level::None {
            return None;
        }
        let wants_body = treatment.level >= Level::Request;
        Some(Self {
            level: treatment.level,
            stages: treatment.stages(),
            omit_managed_fields: treatment.omit_managed_fields,
            long_running,
            received,
            line: line(treatment.level.name(), user, heard),
            target: Target(info.resource_request.then(|| Arc::new(Mutex::new(reference(info))))),
            annotations: None,
            request_headers: if wants_body { headers.clone() } else { HeaderMap::new() },
            sent: None,
            state: State::Open,
            clock: clock.clone(),
            audit: audit.clone(),
        })
    }

    pub(crate) fn target(&self) -> Target {
        self.target.clone()
    }

    /// Tells that it came.
    pub(crate) async fn received(&mut self) {
        if self.stages.contains(Stage::RequestReceived) {
            let line = self.stage(Stage::RequestReceived, None, None, self.received);
            self.audit.add(&line).await;
        }
    }

    pub(crate) fn impersonated(&mut self, user: &User) {
        self.line.member("impersonatedUser", &UserInfo::from(user));
    }

    pub(crate) fn decided(&mut self, decision: &Decision) {
        let (decision, reason) = match decision {
            Decision::Allowed { reason } => ("allow", reason.clone()),
            Decision::Denied { reason } => ("forbid", reason.clone()),
        };
        self.annotations = Some(Annotations { decision, reason, admission: BTreeMap::new() });
    }

    /// What admission has to add.
    pub(crate) fn annotate(&mut self, admission: BTreeMap<String, String>) {
        if let Some(annotations) = &mut self.annotations {
            annotations.admission = admission;
        }
    }

    /// The body, to be read in place of the one that came.
    pub(crate) fn listen(&mut self, body: RequestBody, limit: usize) -> RequestBody {
        if self.level < Level::Request || self.long_running {
            return body;
        }
        let (body, copy) = body::copied(body, limit);
        self.sent = Some(copy);
        body
    }

    /// Tells that credentials were shown that do not hold (apiserver/pkg/endpoints/filters/authn_audit.go).
    pub(crate) async fn refused(mut self, attempted: &str) {
        let message = format!("Authentication failed, attempted: {attempted}");
        let status = ResponseStatus::message(StatusCode::UNAUTHORIZED.as_u16(), &message);
        self.tell_last(Stage::ResponseStarted, status, None).await;
    }

    /// Tells what came of it: now, or of what runs long once its answer has ended.
    pub(crate) async fn answered(
        mut self,
        response: Response<Body>,
        failure: Option<&Status>,
        panic: Option<&str>,
    ) -> Response<Body> {
        let code = response.status().as_u16();
        if let Some(panic) = panic {
            let message = format!("APIServer panic'd: {panic}");
            self.tell_last(Stage::Panic, ResponseStatus::panic(&message), None).await;
            return response;
        }
        if self.long_running {
            self.tell(Stage::ResponseStarted, ResponseStatus::of(code, failure)).await;
            if response.body().length().is_none() {
                self.state = State::Streaming(code);
                return response.map(|body| Body::stream(Followed { body, _trail: self }));
            }
        }
        let (response, object) = self.answer_object(response);
        self.tell_last(Stage::ResponseComplete, ResponseStatus::of(code, failure), object).await;
        response
    }

    /// The body of the answer as an object, where the level wants it.
    fn answer_object(&self, response: Response<Body>) -> (Response<Body>, Option<Value>) {
        if self.level < Level::RequestResponse {
            return (response, None);
        }
        let (head, body) = response.into_parts();
        match body.into_blocks() {
            Err(endless) => (Response::from_parts(head, endless), None),
            Ok(blocks) => {
                let bytes: Bytes = blocks.flat_map(|block| block.to_vec()).collect::<Vec<u8>>().into();
                let object = body::object(&head.headers, &bytes, self.omit_managed_fields);
                (Response::from_parts(head, bytes.into()), object)
            }
        }
    }

    async fn tell(&mut self, stage: Stage, status: ResponseStatus<'_>) {
        if self.stages.contains(stage) {
            let line = self.stage(stage, Some(status), None, self.clock.now());
            self.audit.add(&line).await;
        }
    }

    /// The last that is told. Who does not wait for room in the log leaves the line to be told later.
    async fn tell_last(&mut self, stage: Stage, status: ResponseStatus<'_>, answer: Option<Value>) {
        if self.stages.contains(stage) {
            let line = self.stage(stage, Some(status), answer, self.clock.now());
            self.state = State::Telling(line);
        }
        if let State::Telling(line) = &self.state {
            self.audit.add(line).await;
        }
        self.state = State::Told;
    }

    fn stage(
        &mut self,
        stage: Stage,
        status: Option<ResponseStatus<'_>>,
        answer: Option<Value>,
        at: Timestamp,
    ) -> Vec<u8> {
        let mut line = match stage {
            Stage::ResponseComplete | Stage::Panic => std::mem::take(&mut self.line),
            Stage::RequestReceived | Stage::ResponseStarted => self.line.copy(),
        };
        line.member("stage", stage.name());
        self.target.write(&mut line);
        if let Some(status) = status {
            line.member("responseStatus", &status);
        }
        if let Some(object) = self.sent.as_ref().and_then(|sent| self.sent_object(sent)) {
            line.member("requestObject", &object);
        }
        if let Some(object) = answer {
            line.member("responseObject", &object);
        }
        line.time("stageTimestamp", at);
        if let Some(annotations) = &self.annotations {
            line.member("annotations", annotations);
        }
        line.finish()
    }

    fn sent_object(&self, sent: &Copy) -> Option<Value> {
        body::object(&self.request_headers, &sent.take(), self.omit_managed_fields)
    }
}

fn line(level: &str, user: &User, heard: Heard<'_>) -> Line {
    let Heard { caller, info, uri, headers, audit_id, received, .. } = heard;
    let mut line = Line::new(level);
    line.member("auditID", audit_id);
    line.member("requestURI", uri.path_and_query().map_or("/", |path| path.as_str()));
    line.member("verb", &info.verb);
    line.member("user", &UserInfo::from(user));
    line.member("sourceIPs", &event::source_ips(headers, caller.address()));
    line.member("userAgent", &event::user_agent(headers));
    line.time("requestReceivedTimestamp", received);
    line
}

fn reference(info: &RequestInfo) -> ObjectReference {
    ObjectReference {
        resource: info.resource.clone(),
        namespace: info.namespace.clone(),
        name: info.name.clone(),
        api_group: info.group.clone(),
        api_version: info.version.clone(),
        subresource: info.subresource.clone(),
        ..ObjectReference::default()
    }
}

/// However a request ends, and if its maker only hangs up, the log hears of it: what it asked for may have happened.
impl Drop for Trail {
    fn drop(&mut self) {
        let status = match std::mem::replace(&mut self.state, State::Told) {
            State::Told => return,
            State::Telling(line) => return self.audit.add_later(line),
            State::Streaming(code) => ResponseStatus::of(code, None),
            State::Open => ResponseStatus::hung_up(),
        };
        if self.stages.contains(Stage::ResponseComplete) {
            let line = self.stage(Stage::ResponseComplete, Some(status), None, self.clock.now());
            self.audit.add_later(line);
        }
    }
}

/// An answer without an end of its own.
struct Followed {
    body: Body,
    _trail: Trail,
}

impl Stream for Followed {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(next.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
    }
}
