//! Logs and proxies: a stand-in for a node that speaks TLS, asked through the API.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sampan_access::pki::{Clients, LiveCertificate, Purpose, Subject, server_config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::harness::Cluster;

type Lines = mpsc::UnboundedReceiver<Result<Frame<Bytes>, std::io::Error>>;

/// What the stand-in does with a request: answers its path, or sends lines until they end.
async fn serve_node(cluster: &Cluster, lines: Option<Lines>) -> u16 {
    let lines = Arc::new(tokio::sync::Mutex::new(lines));
    serve(cluster, move |request| answer(request, lines.clone())).await
}

/// A node `n1` that speaks TLS, and its port.
pub async fn serve<F, B>(cluster: &Cluster, answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> u16
where
    F: Future<Output = Result<Response<B>, std::io::Error>> + Send + 'static,
    B: hyper::body::Body<Data = Bytes, Error = std::io::Error> + Send + 'static,
{
    let subject =
        Subject { alternative_names: vec!["127.0.0.1".into()], purpose: Purpose::Server, ..Subject::node("n1") };
    let identity = cluster.authority.issue(&subject).unwrap();
    let config =
        server_config(LiveCertificate::new(&identity).unwrap(), &Clients::NotAsked, Arc::clone(&cluster.clock))
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (TlsAcceptor::from(config.clone()), answer.clone());
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                let service = service_fn(answer);
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    port
}

async fn answer(
    request: Request<Incoming>,
    lines: Arc<tokio::sync::Mutex<Option<Lines>>>,
) -> Result<Response<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>>, std::io::Error> {
    let path = request.uri().to_string();
    let whole = |code: StatusCode, text: String| {
        let body = http_body_util::Full::from(text).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = code;
        response
    };
    if path.contains("previous=true") {
        return Ok(whole(StatusCode::BAD_REQUEST, "previous terminated container \"c\" in pod \"p\" not found".into()));
    }
    match lines.lock().await.take() {
        None => Ok(whole(StatusCode::OK, format!("{} {path}\n", request.method()))),
        Some(mut lines) => {
            let stream = futures::stream::poll_fn(move |context| lines.poll_recv(context));
            Ok(Response::new(StreamBody::new(stream).boxed_unsync()))
        }
    }
}

pub async fn with_pod(cluster: &Cluster, port: u16) {
    cluster.create("/api/v1/nodes", json!({"metadata": {"name": "n1"}})).await;
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }});
    patch(cluster, "/api/v1/nodes/n1/status", &status).await;
    cluster.create("/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "default"}})).await;
    let containers = json!([{"name": "c", "image": "i"}]);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": containers, "nodeName": "n1"}});
    cluster.create("/api/v1/namespaces/default/pods", pod).await;
}

async fn patch(cluster: &Cluster, path: &str, patch: &Value) {
    let reply = cluster.ask(&format!("PATCH {path}\nContent-Type: application/merge-patch+json\n\n{patch}")).await;
    assert_eq!(reply.code, 200, "{}", reply.text());
}

const LOG: &str = "/api/v1/namespaces/default/pods/p/log";

#[tokio::test]
async fn a_log_comes_from_the_pod_s_node() {
    let cluster = Cluster::start().await;
    let port = serve_node(&cluster, None).await;
    with_pod(&cluster, port).await;
    let reply = cluster.ask(&format!("GET {LOG}?container=c&tailLines=5&timestamps=true")).await;
    assert_eq!(reply.code, 200, "{}", reply.text());
    assert_eq!(reply.text(), "GET /containerLogs/default/p/c?timestamps=true&tailLines=5\n");
    assert_eq!(reply.header("content-type"), "text/plain");
    let unknown = cluster.ask(&format!("GET {LOG}?container=x")).await;
    assert_eq!(unknown.failure(), "400 BadRequest container x is not valid for pod p, choose one of: [c]");
    let refused = cluster.ask(&format!("GET {LOG}?previous=true")).await;
    assert_eq!(refused.failure(), "400 BadRequest previous terminated container \"c\" in pod \"p\" not found");
    let bad = cluster.ask(&format!("GET {LOG}?tailLines=-3")).await;
    assert_eq!(bad.code, 422);
    assert_eq!(cluster.ask("GET /api/v1/namespaces/default/pods/none/log").await.code, 404);
}

#[tokio::test]
async fn a_followed_log_flows_and_stops_when_the_client_leaves() {
    let cluster = Cluster::start().await;
    let (sender, lines) = mpsc::unbounded_channel();
    let port = serve_node(&cluster, Some(lines)).await;
    with_pod(&cluster, port).await;
    let line = |text: &'static str| Ok(Frame::data(Bytes::from_static(text.as_bytes())));
    sender.send(line("one\n")).unwrap();
    let mut log = cluster.open(&format!("{LOG}?follow=true")).await;
    assert_eq!(log.piece().await.unwrap(), "one\n");
    sender.send(line("two\n")).unwrap();
    assert_eq!(log.piece().await.unwrap(), "two\n");
    drop(log);
    let gone = tokio::time::timeout(std::time::Duration::from_secs(10), sender.closed()).await;
    gone.expect("the node's stream is dropped once the client has left");
}

#[tokio::test]
async fn a_log_that_cannot_be_had_says_why() {
    let cluster = Cluster::start().await;
    // A port that was free a moment ago: nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    with_pod(&cluster, port).await;
    let unreachable = cluster.ask(&format!("GET {LOG}")).await;
    assert!(
        unreachable
            .failure()
            .starts_with("503 ServiceUnavailable the log of pod default/p lies on node n1, which cannot be reached"),
        "{}",
        unreachable.text()
    );
    let containers = json!([{"name": "c", "image": "i"}]);
    cluster
        .create(
            "/api/v1/namespaces/default/pods",
            json!({"metadata": {"name": "q"}, "spec": {"containers": containers}}),
        )
        .await;
    let unscheduled = cluster.ask("GET /api/v1/namespaces/default/pods/q/log").await;
    assert_eq!(
        unscheduled.failure(),
        "400 BadRequest container \"c\" in pod \"q\" is waiting to start: the pod is not yet scheduled to a node"
    );
}

#[tokio::test]
async fn a_node_is_proxied_to() {
    let cluster = Cluster::start().await;
    let port = serve_node(&cluster, None).await;
    with_pod(&cluster, port).await;
    let reply = cluster.ask("GET /api/v1/nodes/n1/proxy/stats/summary?only=x%20y").await;
    assert_eq!((reply.code, &*reply.text()), (200, "GET /stats/summary?only=x%20y\n"));
}

/// A plain HTTP server, as a container would be.
async fn serve_container() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async move {
                let authorized = request.headers().contains_key("authorization");
                let (method, path) = (request.method().clone(), request.uri().to_string());
                let body = request.into_body().collect().await?.to_bytes();
                let text = format!("{method} {path} {} authorized={authorized}", String::from_utf8_lossy(&body));
                Ok::<_, hyper::Error>(Response::new(http_body_util::Full::<Bytes>::from(text)))
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    port
}

#[tokio::test]
async fn pods_and_services_are_proxied_to_without_the_caller_s_credentials() {
    let cluster = Cluster::start().await;
    let port = serve_container().await;
    with_pod(&cluster, 1).await;
    let path = "/api/v1/namespaces/default";
    let early = cluster.ask(&format!("GET {path}/pods/p:{port}/proxy/")).await;
    assert!(early.failure().starts_with("503 ServiceUnavailable pod p has no address yet"), "{}", early.text());
    patch(&cluster, &format!("{path}/pods/p/status"), &json!({"status": {"podIP": "127.0.0.1"}})).await;
    let reply =
        cluster.ask(&format!("POST {path}/pods/p:{port}/proxy/a/?x=1\nAuthorization: Bearer secret\n\nhello")).await;
    assert_eq!((reply.code, &*reply.text()), (200, "POST /a/?x=1 hello authorized=false"));
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "web", "port": 80}]}});
    cluster.create(&format!("{path}/services"), service).await;
    let none = cluster.ask(&format!("GET {path}/services/s:web/proxy/")).await;
    assert_eq!(none.failure(), "503 ServiceUnavailable no endpoints available for service \"s\"");
    let slice = json!({
        "metadata": {"name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}],
        "ports": [{"name": "web", "port": port, "protocol": "TCP"}],
    });
    cluster.create("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice).await;
    let reply = cluster.ask(&format!("GET {path}/services/s:80/proxy/b")).await;
    assert_eq!((reply.code, &*reply.text()), (200, "GET /b  authorized=false"));
}
