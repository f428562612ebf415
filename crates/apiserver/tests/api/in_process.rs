//! What other parts of the program get: the service for clients, and the Service `kubernetes`.

use std::net::SocketAddr;

use http::{Request, Response};
use sampan_apiserver::Address;
use serde_json::{Value, json};
use tower::Service;

use crate::harness::{Cluster, admin};

/// The bounds `kube::Client::new` puts on its service.
fn as_kube_wants<S, B>(service: S) -> S
where
    S: Service<Request<http_body_util::Full<bytes::Bytes>>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    service
}

#[tokio::test]
async fn the_service_is_a_transport_for_kube() {
    let cluster = Cluster::start().await;
    let mut service = as_kube_wants(cluster.server.service_as(admin()));
    let request = Request::get("/version").body(http_body_util::Full::default()).unwrap();
    let response = service.call(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

async fn all(cluster: &Cluster) -> Vec<Value> {
    let mut objects = Vec::new();
    for path in [
        "/api/v1/namespaces/default/services/kubernetes",
        "/api/v1/namespaces/default/endpoints/kubernetes",
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
    ] {
        let reply = cluster.ask(&format!("GET {path}")).await;
        assert_eq!(reply.code, 200, "{path}: {}", reply.text());
        objects.push(reply.json());
    }
    objects
}

#[tokio::test]
async fn the_service_kubernetes_follows_the_address_and_a_second_run_writes_nothing() {
    let cluster = Cluster::start().await;
    let at = |endpoint: &str| Address {
        cluster_ip: cluster.registry.api_service_address(),
        endpoint: endpoint.parse::<SocketAddr>().unwrap(),
    };
    sampan_apiserver::publish(&cluster.registry, at("127.0.0.1:6443")).await.unwrap();
    let first = all(&cluster).await;
    assert_eq!(first[0]["spec"]["clusterIP"], "127.150.0.1");
    assert_eq!(
        (&first[0]["spec"]["ports"][0]["port"], &first[0]["spec"]["ports"][0]["targetPort"]),
        (&json!(443), &json!(6443))
    );
    assert_eq!(first[1]["subsets"][0]["addresses"][0]["ip"], "127.0.0.1");
    assert_eq!(
        (&first[2]["endpoints"][0]["addresses"], &first[2]["ports"][0]["port"]),
        (&json!(["127.0.0.1"]), &json!(6443))
    );
    sampan_apiserver::publish(&cluster.registry, at("127.0.0.1:6443")).await.unwrap();
    assert_eq!(all(&cluster).await, first);
    sampan_apiserver::publish(&cluster.registry, at("127.0.0.2:7443")).await.unwrap();
    let moved = all(&cluster).await;
    assert_eq!(moved[0]["spec"]["ports"][0]["targetPort"], 7443);
    assert_eq!(moved[1]["subsets"][0]["addresses"][0]["ip"], "127.0.0.2");
    assert_eq!(moved[2]["endpoints"][0]["addresses"], json!(["127.0.0.2"]));
}
