//! The node's own API, as the kubelet's on :10250: TLS always, every request authorized.

pub(crate) mod authorize;
mod figures;
mod logs;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::context::Context;
use crate::pod::workers::Workers;
use crate::{Api, Caller, NodeAuthorizer};

/// How long a client may take to speak TLS.
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(10);

/// What requests are answered from.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) context: Arc<Context>,
    pub(crate) workers: Workers,
    pub(crate) authorizer: Arc<dyn NodeAuthorizer>,
    pub(crate) stop: CancellationToken,
}

/// Serves until stopped; streams end with it.
pub(crate) async fn run(api: Api, context: Arc<Context>, workers: Workers, stop: CancellationToken) {
    let Api { listener, tls, authorizer } = api;
    let router = router(Server { context, workers, authorizer, stop: stop.clone() });
    let acceptor = TlsAcceptor::from(tls);
    let connections = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
                connections.spawn(async move {
                    stop.run_until_cancelled(Box::pin(connection(stream, acceptor, router))).await
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others have to close theirs first.
                tracing::warn!(%error, "the node's API takes no connection now");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    let _latency_only = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let caller = authorize::caller(stream.get_ref().1.peer_certificates());
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        if let Some(caller) = &caller {
            request.extensions_mut().insert(caller.clone());
        }
        let mut router = router.clone();
        async move { router.call(request).await }
    });
    let served =
        auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(error, "a connection to the node's API broke off");
    }
}

pub(crate) fn router(server: Server) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/pods", get(pods))
        .route("/containerLogs/{namespace}/{pod}/{container}", get(logs::logs))
        .route("/exec/{namespace}/{pod}/{container}", get(streams::exec).post(streams::exec))
        .route("/attach/{namespace}/{pod}/{container}", get(streams::attach).post(streams::attach))
        .route("/portForward/{namespace}/{pod}", get(streams::port_forward).post(streams::port_forward))
        .route("/stats/summary", get(figures::summary))
        .route("/metrics", get(figures::metrics))
        .route("/metrics/resource", get(figures::resource))
        .route("/metrics/cadvisor", get(figures::cadvisor))
        .layer(middleware::from_fn_with_state(server.clone(), admit))
        .with_state(server)
}

/// Nobody is answered who did not prove who they are and may do what they ask.
async fn admit(State(server): State<Server>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return (StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    };
    let verb = authorize::verb(request.method());
    let path = request.uri().path().to_owned();
    if server.authorizer.allowed(&caller, verb, &path).await {
        return next.run(request).await;
    }
    let subresource = authorize::subresource(&path);
    let message = format!("Forbidden (user={}, verb={verb}, resource=nodes, subresource={subresource})", caller.name);
    (StatusCode::FORBIDDEN, message).into_response()
}

async fn pods(State(server): State<Server>) -> Response {
    let pods = server.workers.views().into_iter().map(|view| {
        let mut pod = (*view.pod).clone();
        pod.status = Some((*view.status).clone());
        pod
    });
    let list =
        serde_json::json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods.collect::<Vec<_>>()});
    json(&list)
}

fn json(value: &serde_json::Value) -> Response {
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(value.to_string()))
        .expect("the header is one")
}
