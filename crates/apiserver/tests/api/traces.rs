//! Spans of requests, as a collector is told of them.

use std::sync::{Arc, Mutex};

use sampan_api::request::User;
use sampan_apiserver::{RequestSpan, Spans, Tracer};
use sampan_meta::SeededEntropy;

use crate::harness::{Cluster, admin};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<RequestSpan>>>);

impl Spans for Kept {
    fn ended(&self, span: RequestSpan) {
        self.0.lock().unwrap().push(span);
    }
}

async fn traced(per_million: u32) -> (Cluster, Kept) {
    let (cluster, kept) = (Cluster::start().await, Kept::default());
    cluster.server.trace(Tracer::new(Arc::new(kept.clone()), per_million, Arc::new(SeededEntropy::new(3))));
    (cluster, kept)
}

const PARENT: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_request_is_a_span_of_the_trace_it_came_with() {
    let (cluster, kept) = traced(1_000_000).await;
    let reply = cluster.ask(&format!("GET /api/v1/namespaces/default?pretty=true\n{PARENT}")).await;
    assert_eq!(reply.code, 200);
    cluster.ask("DELETE /api/v1/namespaces/default/configmaps/none").await;
    let spans = std::mem::take(&mut *kept.0.lock().unwrap());
    let told: Vec<_> = spans.iter().map(|span| (&*span.method, &*span.path, span.code)).collect();
    assert_eq!(
        told,
        [("GET", "/api/v1/namespaces/default", 200), ("DELETE", "/api/v1/namespaces/default/configmaps/none", 404)]
    );
    assert_eq!(spans[0].trace[..2], [0x0a, 0xf7]);
    assert_eq!(spans[0].parent, Some([0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]));
    assert_eq!(spans[0].audit_id, reply.header("audit-id"));
    assert!(spans[1].parent.is_none() && spans[1].trace != spans[0].trace && spans[1].id != spans[0].id);
    assert!(spans[0].begin <= spans[0].end);
}

#[tokio::test]
async fn who_is_no_administrator_cannot_have_its_requests_told() {
    let (cluster, kept) = traced(0).await;
    let request = format!("GET /api\n{PARENT}");
    cluster.ask_as(&User::new("mallory", ["system:authenticated"]), &request).await;
    assert_eq!(kept.0.lock().unwrap().len(), 0);
    cluster.ask_as(&admin(), &request).await;
    assert_eq!(kept.0.lock().unwrap().len(), 1);
}
