//! For tests: a small server that speaks enough of the Kubernetes API for a client's machinery, with faults on command.
//!
//! It keeps any kind whatever it is told to keep, without schema, defaults or validation: what needs those is tested over the real
//! apiserver. Selectors are equality only, every patch is a merge patch.

mod path;
mod store;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::Client;
use path::{Path, Query};
use store::{Answer, Store};

/// The body of an answer.
type FakeBody = UnsyncBoxBody<Bytes, Infallible>;

/// The server. Cloning shares its state.
#[derive(Clone)]
pub struct FakeServer {
    store: Arc<Mutex<Store>>,
    /// The newest revision, or a request that all watches end (the second number counts those).
    changed: Arc<watch::Sender<(u64, u64)>>,
}

impl Default for FakeServer {
    fn default() -> Self {
        let (changed, _) = watch::channel((0, 0));
        Self { store: Arc::default(), changed: Arc::new(changed) }
    }
}

impl FakeServer {
    /// A server with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        let server = self.clone();
        let answer = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        crate::in_process(answer, "default")
    }

    /// Answers the next `requests` with this HTTP status.
    pub fn fail_next(&self, requests: usize, code: u16) {
        self.store.lock().faults.extend(std::iter::repeat_n(code, requests));
    }

    /// Ends every watch as a server does whose time is up.
    pub fn end_watches(&self) {
        self.changed.send_modify(|(_, ends)| *ends += 1);
    }

    /// Forgets the history up to now: who watches from an earlier version gets 410.
    pub fn compact(&self) {
        self.store.lock().compact();
    }

    /// How many requests whose method and path contain this text were answered.
    #[must_use]
    pub fn requests(&self, containing: &str) -> usize {
        self.store.lock().log.iter().filter(|line| line.contains(containing)).count()
    }

    /// All objects of a resource (`/pods`, `apps/deployments`), ordered by namespace and name.
    #[must_use]
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        self.store.lock().objects(resource)
    }

    /// Puts an object there as its creation by somebody else would.
    ///
    /// # Panics
    /// If there is one of that name already.
    pub fn create(&self, path: &str, object: Value) {
        let (code, answer) = self.write(&Method::POST, path, &object);
        assert!(code < 300, "{answer}");
    }

    /// Changes an object by a merge patch.
    ///
    /// # Panics
    /// If there is no such object.
    pub fn patch(&self, path: &str, patch: Value) {
        let (code, answer) = self.write(&Method::PATCH, path, &patch);
        assert!(code < 300, "{answer}");
    }

    /// Deletes an object.
    ///
    /// # Panics
    /// If there is no such object.
    pub fn delete(&self, path: &str) {
        let (code, answer) = self.write(&Method::DELETE, path, &Value::Null);
        assert!(code < 300, "{answer}");
    }

    fn write(&self, method: &Method, path: &str, body: &Value) -> Answer {
        let path = Path::parse(path).expect("a test names a resource's path");
        let mut store = self.store.lock();
        let answer = store.write(method, &path, body);
        let revision = store.revision();
        drop(store);
        self.changed.send_modify(|(newest, _)| *newest = revision);
        answer
    }

    async fn answer(&self, request: Request<Body>) -> Response<FakeBody> {
        let (parts, body) = request.into_parts();
        self.store.lock().log.push(format!("{} {}", parts.method, parts.uri));
        if let Some(code) = self.store.lock().faults.pop_front() {
            return whole(store::failure(code, "InternalError", "the test wants this request to fail"));
        }
        let Some(path) = Path::parse(parts.uri.path()) else {
            return whole(store::failure(404, "NotFound", "the server could not find the requested resource"));
        };
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        if parts.method != Method::GET {
            let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            return whole(self.write(&parts.method, &path.raw, &serde_json::from_slice(&bytes).unwrap_or_default()));
        }
        if query.is_watch() {
            return self.watch(path, query);
        }
        whole(self.store.lock().read(&path, &query))
    }

    fn watch(&self, path: Path, query: Query) -> Response<FakeBody> {
        let from = query.number("resourceVersion");
        if from < self.store.lock().compacted() {
            return whole(store::failure(410, "Expired", "too old resource version"));
        }
        let mut changed = self.changed.subscribe();
        changed.mark_unchanged();
        let ends = changed.borrow().1;
        let events = stream::unfold((self.clone(), changed, from), move |(server, mut changed, from)| {
            let (path, query) = (path.clone(), query.clone());
            async move {
                loop {
                    let (lines, newest) = server.store.lock().events(&path, &query, from);
                    if !lines.is_empty() {
                        return Some((lines, (server, changed, newest)));
                    }
                    if changed.borrow_and_update().1 != ends || changed.changed().await.is_err() {
                        return None;
                    }
                }
            }
        });
        let frames: BoxStream<'static, _> = events.map(|lines| Ok(http_body::Frame::data(Bytes::from(lines)))).boxed();
        Response::new(StreamBody::new(frames).boxed_unsync())
    }
}

fn whole((code, body): Answer) -> Response<FakeBody> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a test uses codes that exist");
    response
}

/// A pod for tests that need any object.
#[must_use]
pub fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "namespace": namespace, "name": name },
        "spec": { "containers": [{ "name": "main", "image": "example.test/main:1" }] },
    })
}
