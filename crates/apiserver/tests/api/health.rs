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
    assert!(ready.text().contains("[-]store failed: the store is unavailable: it is gone\n"), "{}", ready.text());
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
    assert_eq!(cluster.ask("GET /readyz/nonsense").await.code, 404);
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let cluster = Cluster::start().await;
    cluster.ask("GET /api/v1/namespaces/default").await;
    cluster.ask("GET /api/v1/namespaces/none").await;
    let text = cluster.ask("GET /metrics").await.text();
    for code in [200, 404] {
        let line = format!(
            "apiserver_request_total{{verb=\"GET\",group=\"\",version=\"v1\",resource=\"namespaces\",subresource=\"\",code=\"{code}\"}} 1\n"
        );
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(text.contains("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1\n"), "{text}");
}
