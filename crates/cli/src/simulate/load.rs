//! What the cluster is given to do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Request;
use sampan_client::{Client, Error};
use sampan_meta::Quantity;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use super::observer::SharedTimeline;
use crate::arguments::Simulate;
use crate::cluster::{self, Stored};

/// Pods of one Deployment, and of one namespace's share of bare pods.
const REPLICAS: usize = 1000;
/// Deployments (or a thousand pods each) in one namespace.
const A_NAMESPACE: usize = 5;
/// Requests in flight.
const AT_ONCE: usize = 64;
/// Pods are sent in slices of this length.
const SLICE: Duration = Duration::from_millis(10);
/// How long a namespace may take to get what every namespace has.
const PATIENCE: Duration = Duration::from_secs(30);

/// Remembers the first request that failed.
#[derive(Clone)]
pub(super) struct Sent(Arc<watch::Sender<Option<String>>>);

impl Sent {
    fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Why a request failed, once one does.
    pub(super) async fn failed(&self) -> String {
        let mut failure = self.0.subscribe();
        match failure.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // Nobody is left who could fail.
            Err(_) => std::future::pending().await,
        }
    }

    fn note(&self, result: Result<()>) {
        if let Err(error) = result {
            self.0.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert_with(|| format!("{error:#}"));
                is_first
            });
        }
    }
}

/// Makes the namespaces. Returns how many pods there will be, where that is known.
pub(super) async fn prepare(client: &Client, options: &Simulate) -> Result<Option<usize>> {
    if options.manifest.is_some() {
        return Ok(None);
    }
    for (flag, amount) in [("--pod-cpu", &options.pod_cpu), ("--pod-memory", &options.pod_memory)] {
        if Quantity::parse(amount).is_err() {
            bail!("{flag} {amount:?} is no quantity; give one as in 10m, 16Mi");
        }
    }
    let pods = options.pods as usize;
    for at in 0..pods.div_ceil(REPLICAS * A_NAMESPACE) {
        let namespace = namespace(at * REPLICAS * A_NAMESPACE);
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster::apply(client, &object).await?;
        cluster::appears(client, &Stored::named("v1", "ServiceAccount", &namespace, "default")?, PATIENCE).await?;
    }
    Ok(Some(pods))
}

/// Begins to create what was asked for.
pub(super) fn start(client: &Client, options: &Simulate, timeline: SharedTimeline) -> Sent {
    let (sent, client) = (Sent::new(), client.clone());
    let pod = template(options);
    let pods = options.pods as usize;
    let result = sent.clone();
    match (options.manifest.clone(), options.rate) {
        (Some(path), _) => drop(tokio::spawn(async move { result.note(apply(&client, &path).await) })),
        (None, Some(rate)) => drop(tokio::spawn(send_pods(client, pod, pods, rate, timeline, result))),
        (None, None) => drop(tokio::spawn(async move { result.note(send_deployments(&client, &pod, pods).await) })),
    }
    sent
}

async fn apply(client: &Client, path: &std::path::Path) -> Result<()> {
    for object in crate::demo::manifest(path)? {
        cluster::apply(client, &object).await?;
    }
    Ok(())
}

async fn send_deployments(client: &Client, pod: &Value, pods: usize) -> Result<()> {
    for first in (0..pods).step_by(REPLICAS) {
        let name = format!("load-{}", first / REPLICAS);
        let labels = json!({"app": name});
        let mut template = pod.clone();
        template["metadata"] = json!({"labels": labels});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace(first)},
            "spec": {"replicas": REPLICAS.min(pods - first), "selector": {"matchLabels": labels}, "template": template},
        });
        cluster::apply(client, &deployment).await?;
    }
    Ok(())
}

/// `rate` pods a second, or as many as go with so many requests in flight when it is 0.
async fn send_pods(client: Client, pod: Value, pods: usize, rate: u32, timeline: SharedTimeline, sent: Sent) {
    // A server that does not keep up shows in the latencies, not in fewer requests; but not without any bound.
    let slots = Arc::new(Semaphore::new(if rate == 0 { AT_ONCE } else { 64 * AT_ONCE }));
    let began = Instant::now();
    for number in 0..pods {
        if let Some(slices) = due(number, rate) {
            sleep_until(began + slices).await;
        }
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let (client, timeline, sent, pod) = (client.clone(), timeline.clone(), sent.clone(), pod.clone());
        tokio::spawn(async move {
            sent.note(send_pod(&client, pod, number, &timeline).await);
            drop(slot);
        });
    }
}

/// When a pod is sent: at the beginning of the slice it falls into. `None`: at once.
fn due(number: usize, rate: u32) -> Option<Duration> {
    let number = u32::try_from(number).ok()?;
    let exact = Duration::from_secs(1).checked_mul(number)?.checked_div(rate)?;
    Some(SLICE * u32::try_from(exact.as_millis() / SLICE.as_millis()).ok()?)
}

async fn send_pod(client: &Client, mut pod: Value, number: usize, timeline: &SharedTimeline) -> Result<()> {
    let (namespace, name) = (namespace(number), format!("load-{number:06}"));
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"] = json!({"name": name, "labels": {"app": "load"}});
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let request = Request::post(path).header("content-type", "application/json").body(pod.to_string().into_bytes());
    timeline.lock().sends(&namespace, &name, timeline.now());
    let made: Result<String, Error> = client.request_text(request.expect("paths are made of names")).await;
    made.with_context(|| format!("failed to create pod {namespace}/{name}")).map(drop)
}

/// Where the pod of that number is: upstream tests no more than some thousand pods in one.
fn namespace(number: usize) -> String {
    format!("load-{}", number / (REPLICAS * A_NAMESPACE))
}

fn template(options: &Simulate) -> Value {
    let requests = json!({"cpu": options.pod_cpu, "memory": options.pod_memory});
    json!({"spec": {"containers": [{"name": "main", "image": "simulated.test/nothing:1", "resources": {"requests": requests}}]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_sent_evenly_in_slices_and_at_once_without_a_rate() {
        let at = |number, rate| due(number, rate).map(|time| time.as_millis());
        assert_eq!([at(0, 1000), at(9, 1000), at(10, 1000), at(1234, 1000)], [0, 0, 10, 1230].map(Some));
        assert_eq!(at(7, 2), Some(3500));
        assert_eq!(at(7, 0), None);
    }

    #[test]
    fn no_namespace_has_more_than_some_thousand_pods() {
        assert_eq!([namespace(0), namespace(4999), namespace(5000)], ["load-0", "load-0", "load-1"]);
    }
}
