//! Not a timed test: `cargo test --profile fast -- --ignored --nocapture speed` prints figures.
//! `what_the_audit_log_and_encryption_cost` does so for one server with and without them, in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Cluster, Setup, WallClock, admin};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use sampan_apiserver::{Audit, FileOptions, Log, LogFile, Mode, Policy};
use sampan_meta::SeededEntropy;
use sampan_store::{
    Cipher, MemoryStore, Provider, Resources, Rule, SealKey, SealedStore, Sealing, SqliteOptions, SqliteStore, Store,
};
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

/// Requests of 32 clients, each second: `path` is posted to with objects of a kilobyte, or read.
async fn rate(cluster: &Cluster, count: usize, path: &'static str, write: bool) -> f64 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let left = Arc::new(AtomicUsize::new(count));
    let began = tokio::time::Instant::now();
    let clients = (0..32).map(|_| {
        let (mut service, left) = (cluster.server.service_as(admin()), left.clone());
        tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let name = NEXT.fetch_add(1, Ordering::Relaxed);
                let body = format!(r#"{{"metadata":{{"name":"c{name}"}},"data":{{"k":"{}"}}}}"#, "YmJi".repeat(256));
                let request = match write {
                    true => Request::post(path).body(Full::<Bytes>::from(body)),
                    false => Request::get(path).body(Full::default()),
                };
                let response = service.call(request.unwrap()).await.unwrap();
                assert!(response.status().is_success());
                response.into_body().collect().await.unwrap();
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    count as f64 / began.elapsed().as_secs_f64()
}

fn audit(directory: &std::path::Path) -> Arc<Audit> {
    let options = FileOptions {
        path: directory.join("audit.log"),
        max_size: 100 << 20,
        max_backups: 10,
        max_age: std::time::Duration::from_secs(30 * 24 * 3600),
    };
    let file = LogFile::open(options, Arc::new(WallClock)).unwrap();
    Audit::new(Policy::default(), Log::start(file, Mode::Blocking).unwrap())
}

fn sealed(below: Arc<dyn Store>) -> Arc<dyn Store> {
    let key = Provider::Key(Arc::new(SealKey::new("key", Cipher::Aes256Gcm, &[1; 32]).unwrap()));
    let rule = Rule { resources: vec![Resources::One("/secrets".into())], providers: vec![key] };
    let sealing = Sealing::new(vec![rule], vec![], "file");
    Arc::new(SealedStore::new(below, sealing, Arc::new(SeededEntropy::new(1))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures, asserts none"]
async fn what_the_audit_log_and_encryption_cost() {
    const ROUNDS: usize = 7;
    const SECRETS: &str = "/api/v1/namespaces/default/secrets";
    for on_disk in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let mut clusters = Vec::new();
        for (name, logs, seals) in [("neither", false, false), ("audit log", true, false), ("encryption", false, true)]
        {
            let here = directory.path().join(name);
            std::fs::create_dir(&here).unwrap();
            let store: Arc<dyn Store> = match on_disk {
                true => Arc::new(
                    SqliteStore::open(&here.join("state.db"), SqliteOptions::new(Arc::new(WallClock))).unwrap(),
                ),
                false => Arc::new(MemoryStore::new(Arc::new(WallClock))),
            };
            let store = if seals { sealed(store) } else { store };
            let audit = logs.then(|| audit(&here));
            let cluster = Cluster::with(Setup { store, audit: audit.clone(), ..Setup::default() }).await;
            clusters.push((name, cluster, audit));
        }
        for (what, path, count, write) in
            [("creates", SECRETS, 4_000, true), ("reads", "/api/v1/namespaces/default", 20_000, false)]
        {
            let mut rates = vec![Vec::new(); clusters.len()];
            for _ in 0..ROUNDS {
                for ((_, cluster, audit), rates) in clusters.iter().zip(&mut rates) {
                    rates.push(rate(cluster, count, path, write).await);
                    if let Some(audit) = audit {
                        audit.flush().await;
                    }
                }
            }
            let medians: Vec<f64> = rates
                .iter_mut()
                .map(|rates| {
                    rates.sort_by(f64::total_cmp);
                    rates[ROUNDS / 2]
                })
                .collect();
            for ((name, ..), (median, rates)) in clusters.iter().zip(medians.iter().zip(&rates)) {
                let store = if on_disk { "sqlite" } else { "memory" };
                let (least, most) = (rates[0], rates[ROUNDS - 1]);
                let ratio = median / medians[0];
                println!("{store} {what:8} {name:11} {median:7.0}/s ({least:.0}..{most:.0}) {ratio:.3}");
            }
        }
    }
}
