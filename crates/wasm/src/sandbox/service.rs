//! Serving a `wasi:http` component: the host listens, each request gets an instance.

mod instance;
mod listener;
mod response;

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use sampan_runtime::{ContainerPort, Exit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::WasiBody;

use super::container::Container;
use super::memory::Denied;
use super::outcome;
use instance::Instances;

pub(crate) use listener::{bind, supervise};

/// The port when the container names none.
const DEFAULT_PORT: u16 = 8080;

/// Requests that may wait for each one that is worked on.
const WAITING_FACTOR: usize = 8;

/// A serving container.
pub(crate) struct Service {
    container: Arc<Container>,
    instances: Instances,
    permits: Arc<Semaphore>,
    waiting: Semaphore,
    /// Told when a request broke the container's memory limit all by itself.
    broken: tokio::sync::mpsc::Sender<Exit>,
}

/// Why there is no response.
#[derive(Debug)]
enum Failure {
    /// The guest gave an error instead of a response.
    Refused(String),
    Trapped(String),
    OutOfMemory(Denied),
}

impl Service {
    fn new(container: Arc<Container>, broken: tokio::sync::mpsc::Sender<Exit>) -> Arc<Self> {
        let concurrency = container.options.concurrency;
        Arc::new(Service {
            instances: Instances::new(container.options.instance_reuse),
            permits: Arc::new(Semaphore::new(concurrency)),
            waiting: Semaphore::new(concurrency.saturating_mul(WAITING_FACTOR)),
            broken,
            container,
        })
    }

    /// Answers one request; never fails, because a connection carries more than one.
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<WasiBody> {
        if request.uri().authority().is_none() && !request.headers().contains_key(http::header::HOST) {
            return response::text(StatusCode::BAD_REQUEST, "the request names no host");
        }
        let deadline = Instant::now() + self.container.options.request_timeout;
        let Ok(waiting) = self.waiting.try_acquire() else {
            return response::text(StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting");
        };
        let Ok(Ok(permit)) = timeout_at(deadline, self.permits.clone().acquire_owned()).await else {
            return response::text(StatusCode::SERVICE_UNAVAILABLE, "no request was finished in time");
        };
        drop(waiting);
        let (path, method) = (request.uri().path().to_owned(), request.method().clone());
        let (sender, receiver) = oneshot::channel();
        let task = Task::spawn(self.clone(), permit, request, sender);
        match timeout_at(deadline, receiver).await {
            Ok(Ok(Ok(response))) => response.map(|body| response::guarded(body, task)),
            Ok(Ok(Err(failure))) => self.failed(&method, &path, failure),
            Ok(Err(_)) => response::text(StatusCode::SERVICE_UNAVAILABLE, "the container is being stopped"),
            Err(_) => {
                self.container.log.note(&format!(
                    "sampan: {method} {path}: no response within {} s",
                    self.container.options.request_timeout.as_secs()
                ));
                response::text(StatusCode::GATEWAY_TIMEOUT, "the component did not respond in time")
            }
        }
    }

    fn failed(&self, method: &http::Method, path: &str, failure: Failure) -> Response<WasiBody> {
        let log = &self.container.log;
        match failure {
            Failure::Refused(message) => {
                log.note(&format!("sampan: {method} {path}: the component returned an error: {message}"))
            }
            Failure::Trapped(message) => log.note(&format!("sampan: {method} {path}: {message}")),
            Failure::OutOfMemory(denied) => {
                let exit = outcome::out_of_memory(denied);
                log.note(&format!("sampan: {method} {path}: {}", exit.message));
                if !denied.alone() {
                    return response::text(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "the container's memory is in use by other requests",
                    );
                }
                // One is enough, and a second one changes nothing.
                let _ = self.broken.try_send(exit);
            }
        }
        response::text(StatusCode::INTERNAL_SERVER_ERROR, "the component failed; its log says why")
    }
}

/// The guest's side of a request: goes on after the response has begun, until its body is sent. Dropped before, it kills the guest:
/// nobody listens any more.
struct Task(Option<tokio::task::AbortHandle>);

type Responder = oneshot::Sender<Result<Response<WasiBody>, Failure>>;

impl Task {
    /// The permit is given back with the guest's end, not with the response's beginning.
    fn spawn(
        service: Arc<Service>,
        permit: OwnedSemaphorePermit,
        request: Request<Incoming>,
        responder: Responder,
    ) -> Self {
        let task = tokio::spawn(async move {
            let _permit = permit;
            let container = &service.container;
            tokio::select! {
                biased;
                () = container.share.run(service.instances.answer(container, request, responder)) => {}
                () = container.killed.cancelled() => {}
            }
        });
        Task(Some(task.abort_handle()))
    }

    /// Lets the guest finish by itself.
    fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Where the container listens: its first TCP port.
fn address(container: &Container, ports: &[ContainerPort]) -> SocketAddr {
    let port = ports
        .iter()
        .find(|port| port.protocol.is_empty() || port.protocol == "TCP")
        .map_or(DEFAULT_PORT, |port| port.port);
    container.pod.serves_on(port)
}
