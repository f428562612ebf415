//! Health checks and metrics.

use crate::harness::Cluster;

#[tokio::test]
async fn health_is_ok_in_every_form() {
    let cluster = Cluster::start().await;
    for path in ["/healthz", "/livez", "/readyz", "/readyz/ping", "/readyz/store", "/livez/ping"] {
        let reply = cluster.ask(&format!("GET {path}")).await;
        assert_eq!((reply.code, &*reply.text()), (200, "ok"), "{path}");
    }
    let verbose = cluster.ask("GET /readyz?verbose").await;
    assert_eq!(verbose.text(), "[+]ping ok\n[+]store ok\nreadyz check passed\n");
    assert_eq!(cluster.ask("GET /readyz/nonsense").await.code, 404);
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let cluster = Cluster::start().await;
    cluster.ask("GET /api/v1/namespaces/default").await;
    cluster.ask("GET /api/v1/namespaces/none").await;
    let text = cluster.ask("GET /metrics").await.text();
    for code in [200, 404] {
        let line = format!("apiserver_request_total{{verb=\"GET\",group=\"\",version=\"v1\",resource=\"namespaces\",subresource=\"\",code=\"{code}\"}} 1\n");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(text.contains("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1\n"), "{text}");
}
