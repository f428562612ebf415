//! Health checks and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sampan_store::{Batch, Durability, Error, Key, Load, MemoryStore, Page, Record, Revision, Store, Write};

use crate::harness::{Cluster, Setup, WallClock};

/// A store that can go away and come back.
struct Fragile {
    store: MemoryStore,
    gone: AtomicBool,
}

impl Fragile {
    fn check(&self) -> Result<(), Error> {
        if self.gone.load(Ordering::SeqCst) { Err(Error::Unavailable("it is gone".into())) } else { Ok(()) }
    }
}

impl Store for Fragile {
    fn write(&self, key: Key, write: Write, durability: Durability) -> BoxFuture<'_, Result<Revision, Error>> {
        Box::pin(async move {
            self.check()?;
            self.store.write(key, write, durability).await
        })
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        self.store.get(key)
    }

    fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        self.store.list(resource, namespace, after, limit)
    }

    fn load(&self) -> BoxFuture<'_, Result<Load, Error>> {
        self.store.load()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        Box::pin(async move {
            self.check()?;
            self.store.current().await
        })
    }

    fn changes(&self, after: Revision) -> BoxStream<'static, Result<Batch, Error>> {
        self.store.changes(after)
    }

    fn compacted(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.store.compacted()
    }

    fn compact(&self, to: Revision) -> BoxFuture<'_, Result<Revision, Error>> {
        self.store.compact(to)
    }

    fn epoch(&self) -> BoxFuture<'_, Result<u64, Error>> {
        self.store.epoch()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.store.close()
    }
}

#[tokio::test]
async fn without_its_store_a_server_lives_is_not_ready_and_recovers() {
    let store = Arc::new(Fragile { store: MemoryStore::new(Arc::new(WallClock)), gone: AtomicBool::new(false) });
    let cluster = Cluster::with(Setup { store: store.clone(), ..Setup::default() }).await;
    assert_eq!(cluster.ask("GET /readyz").await.code, 200);
    store.gone.store(true, Ordering::SeqCst);
    let ready = cluster.ask("GET /readyz").await;
    assert_eq!(ready.code, 500);
    assert_eq!(ready.text(), "[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n");
    let single = cluster.ask("GET /readyz/store").await;
    assert_eq!((single.code, &*single.text()), (500, "internal server error: the store is unavailable: it is gone\n"));
    assert_eq!(cluster.ask("GET /readyz?exclude=store").await.code, 200);
    assert_eq!(cluster.ask("GET /livez").await.code, 200);
    let create = cluster.ask("POST /api/v1/namespaces\n\n{\"metadata\":{\"name\":\"n\"}}").await;
    assert!(create.code >= 500, "{}", create.text());
    let stale = cluster.ask("GET /api/v1/namespaces?resourceVersion=0").await;
    assert_eq!(stale.code, 200, "what is at hand is still told to those who take it");
    store.gone.store(false, Ordering::SeqCst);
    assert_eq!(cluster.ask("GET /readyz").await.code, 200);
}

#[tokio::test]
async fn health_is_ok_in_every_form() {
    let cluster = Cluster::start().await;
    for path in ["/healthz", "/livez", "/readyz", "/readyz/ping", "/readyz/store", "/livez/ping"] {
        let reply = cluster.ask(&format!("GET {path}")).await;
        assert_eq!((reply.code, &*reply.text()), (200, "ok"), "{path}");
    }
    let verbose = cluster.ask("GET /readyz?verbose").await;
    assert_eq!(verbose.text(), "[+]ping ok\n[+]store ok\nreadyz check passed\n");
    let excluded = cluster.ask("GET /livez?verbose&exclude=ping&exclude=moon").await;
    let warning = "warn: some health checks cannot be excluded: no matches for \"moon\"\n";
    assert_eq!(excluded.text(), format!("[+]ping excluded: ok\n{warning}livez check passed\n"));
    for path in ["/readyz/nonsense", "/livez/store"] {
        assert_eq!(cluster.ask(&format!("GET {path}")).await.code, 404, "{path}");
    }
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let cluster = Cluster::start().await;
    cluster.ask("GET /api/v1/namespaces/default").await;
    cluster.ask("GET /api/v1/namespaces/none").await;
    let text = cluster.ask("GET /metrics").await.text();
    for code in [200, 404] {
        let line = format!(
            "apiserver_request_total{{verb=\"GET\",dry_run=\"\",group=\"\",version=\"v1\",resource=\"namespaces\",subresource=\"\",scope=\"resource\",component=\"apiserver\",code=\"{code}\"}} 1\n"
        );
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    for line in [
        "apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1\n",
        "apiserver_resource_objects{group=\"\",resource=\"namespaces\"} 4\n",
        "apiserver_storage_objects{resource=\"clusterroles.rbac.authorization.k8s.io\"} ",
        "apiserver_flowcontrol_dispatched_requests_total{priority_level=\"exempt\",flow_schema=\"exempt\"} 3\n",
        "apiserver_flowcontrol_nominal_limit_seats{priority_level=\"workload-low\"} 245\n",
        "kubernetes_build_info{",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let anybody = sampan_api::request::User::new("alice", ["people"]);
    assert_eq!(cluster.ask_as(&anybody, "GET /metrics").await.code, 403);
}

#[tokio::test]
async fn watches_are_counted_while_they_run_and_so_are_their_events() {
    let cluster = Cluster::start().await;
    let mut watch = cluster.open("/api/v1/namespaces?watch=1").await;
    assert!(watch.told().await.starts_with("ADDED"));
    let running = "apiserver_longrunning_requests{verb=\"WATCH\",group=\"\",version=\"v1\",resource=\"namespaces\",subresource=\"\",scope=\"cluster\",component=\"apiserver\"}";
    let text = cluster.ask("GET /metrics").await.text();
    assert!(text.contains(&format!("{running} 1\n")), "{text}");
    assert!(
        text.contains("apiserver_watch_events_total{group=\"\",version=\"v1\",resource=\"namespaces\"} "),
        "{text}"
    );
    drop(watch);
    let text = cluster.ask("GET /metrics").await.text();
    assert!(text.contains(&format!("{running} 0\n")), "{text}");
}

#[tokio::test]
async fn component_statuses_tell_of_the_store_and_of_what_runs_beside() {
    let cluster = Cluster::start().await;
    let table =
        cluster.ask("GET /api/v1/componentstatuses\nAccept: application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!(table.warnings(), [r#"299 - "v1 ComponentStatus is deprecated in v1.19+""#]);
    let rows: Vec<String> =
        table.json()["rows"].as_array().unwrap().iter().map(|row| row["cells"].to_string()).collect();
    expect_test::expect![[r#"
        ["controller-manager","Healthy","ok",""]
        ["etcd-0","Healthy","ok",""]
        ["scheduler","Healthy","ok",""]"#]]
    .assert_eq(&rows.join("\n"));
    let one = cluster.ask("GET /api/v1/componentstatuses/etcd-0").await.json();
    assert_eq!(
        (&one["kind"], &one["conditions"][0]["status"]),
        (&serde_json::json!("ComponentStatus"), &serde_json::json!("True"))
    );
    assert_eq!(cluster.ask("GET /api/v1/componentstatuses/other").await.code, 404);
    assert_eq!(cluster.ask("DELETE /api/v1/componentstatuses/etcd-0").await.code, 405);
}
