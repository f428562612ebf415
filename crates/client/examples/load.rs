//! Loads any server of the Kubernetes API through its kubeconfig, as `benches/run` does with Sampan's own.
//!
//! ```text
//! load KUBECONFIG creates CONNECTIONS SECONDS      ConfigMaps of 256 bytes, each connection with its own TLS session
//! load KUBECONFIG running IMAGE COUNT              from sending a pod's creation to seeing it Running on a watch, one after another
//! ```

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a measuring program")]

use std::path::Path;
use std::time::{Duration, Instant};

use futures::{StreamExt, pin_mut};
use sampan_api::k8s::api::core::v1::{ConfigMap, Namespace, Pod};
use sampan_client::{Api, Client, DeleteParams, PostParams, ResourceExt, WatchEvent, WatchParams, from_kubeconfig};
use serde_json::{Value, json};

const NAMESPACE: &str = "load";

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [kubeconfig, what, rest @ ..] = &words[..] else { panic!("usage: load KUBECONFIG creates|running ...") };
    let kubeconfig = Path::new(kubeconfig);
    let namespaces: Api<Namespace> = Api::all(from_kubeconfig(kubeconfig).await.unwrap());
    namespaces.create(&PostParams::default(), &object(json!({"metadata": {"name": NAMESPACE}}))).await.unwrap();
    match (*what, rest) {
        ("creates", [connections, seconds]) => {
            creates(kubeconfig, connections.parse().unwrap(), Duration::from_secs(seconds.parse().unwrap())).await;
        }
        ("running", [image, count]) => running(kubeconfig, image, count.parse().unwrap()).await,
        _ => panic!("usage: load KUBECONFIG creates CONNECTIONS SECONDS | running IMAGE COUNT"),
    }
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await.unwrap();
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

async fn creates(kubeconfig: &Path, connections: usize, duration: Duration) {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(from_kubeconfig(kubeconfig).await.unwrap());
    }
    let end = Instant::now() + duration;
    let workers: Vec<_> =
        clients.into_iter().enumerate().map(|(worker, client)| tokio::spawn(create(client, worker, end))).collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await.unwrap());
    }
    let rate = times.len() as f64 / duration.as_secs_f64();
    println!("creates/s, {connections} connections: {rate:.0}; {}", spread(times));
}

async fn create(client: Client, worker: usize, end: Instant) -> Vec<Duration> {
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let mut times = Vec::new();
    while Instant::now() < end {
        let map = json!({"metadata": {"name": format!("c-{worker}-{}", times.len())}, "data": {"a": "x".repeat(256)}});
        let began = Instant::now();
        api.create(&PostParams::default(), &object(map)).await.unwrap();
        times.push(began.elapsed());
    }
    times
}

async fn running(kubeconfig: &Path, image: &str, count: usize) {
    let api: Api<Pod> = Api::namespaced(from_kubeconfig(kubeconfig).await.unwrap(), NAMESPACE);
    let watching: Api<Pod> = Api::namespaced(from_kubeconfig(kubeconfig).await.unwrap(), NAMESPACE);
    let events = watching.watch(&WatchParams::default(), "0").await.unwrap();
    pin_mut!(events);
    let mut times = Vec::new();
    for number in 0..=count {
        let name = format!("p-{number}");
        let spec = json!({"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": image}]});
        let began = Instant::now();
        api.create(&PostParams::default(), &object(json!({"metadata": {"name": name}, "spec": spec}))).await.unwrap();
        while let Some(event) = events.next().await {
            let (WatchEvent::Added(pod) | WatchEvent::Modified(pod)) = event.unwrap() else { continue };
            if pod.name_any() == name && pod.status.is_some_and(|status| status.phase.as_deref() == Some("Running")) {
                break;
            }
        }
        // The first one pulls and compiles.
        if number > 0 {
            times.push(began.elapsed());
        }
    }
    println!("create to Running on a watch, {count} pods: {}", spread(times));
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.99), at(1.0))
}
