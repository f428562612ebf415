//! Not a timed test: `cargo test --profile fast -- --ignored --nocapture speed` prints figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Cluster, admin};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use tower::Service as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, asserts none"]
async fn creates_per_second_with_32_clients() {
    const COUNT: usize = 30_000;
    let cluster = Cluster::start().await;
    let next = Arc::new(AtomicUsize::new(0));
    let began = tokio::time::Instant::now();
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let (mut service, next) = (cluster.server.service_as(admin()), next.clone());
            tokio::spawn(async move {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= COUNT {
                        return;
                    }
                    let body = format!(
                        "{{\"metadata\":{{\"name\":\"c{index}\"}},\"data\":{{\"k\":\"{}\"}}}}",
                        "v".repeat(1000)
                    );
                    let request =
                        Request::post("/api/v1/namespaces/default/configmaps").body(Full::<Bytes>::from(body)).unwrap();
                    let response = service.call(request).await.unwrap();
                    assert_eq!(response.status(), 201);
                    response.into_body().collect().await.unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let took = began.elapsed();
    println!("{COUNT} creates in {took:?}: {:.0}/s", COUNT as f64 / took.as_secs_f64());
    let began = tokio::time::Instant::now();
    let reply = cluster.ask("GET /api/v1/namespaces/default/configmaps?resourceVersion=0").await;
    println!("a list of {} bytes in {:?}", reply.body.len(), began.elapsed());
    let began = tokio::time::Instant::now();
    let index = cluster.ask("GET /openapi/v3").await.json();
    let took = began.elapsed();
    let mut bytes = 0;
    for path in index["paths"].as_object().unwrap().keys() {
        bytes += cluster.ask(&format!("GET /openapi/v3/{path}")).await.body.len();
    }
    println!("{bytes} bytes of OpenAPI made in {took:?}");
}
