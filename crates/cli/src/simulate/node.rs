//! A node that only says that it runs pods: everything an agent tells the API, and nothing of what it does.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, pin_mut};
use http::{Method, Request};
use sampan_client::{Client, Error, WatchEvent};
use sampan_meta::{Clock, Quantity, time::format_time};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::pod::Pod;
use crate::arguments::Simulate;

/// As agents do: a lease every ten seconds.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Between attempts at something that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What all nodes have in common.
pub(super) struct Shape {
    cpu: String,
    memory: String,
    pods: u32,
    zones: u32,
    start: Duration,
}

impl Shape {
    pub(super) fn new(options: &Simulate) -> Result<Self> {
        for (flag, amount) in [("--node-cpu", &options.node_cpu), ("--node-memory", &options.node_memory)] {
            if Quantity::parse(amount).is_err() {
                bail!("{flag} {amount:?} is no quantity; give one as in 8 or 500m, 32Gi");
            }
        }
        Ok(Self {
            cpu: options.node_cpu.clone(),
            memory: options.node_memory.clone(),
            pods: options.node_pods,
            zones: options.zones.max(1),
            start: Duration::from_millis(options.start_millis),
        })
    }
}

/// One node.
#[derive(Clone)]
pub(super) struct SimulatedNode {
    client: Client,
    at: u32,
    name: String,
    shape: Arc<Shape>,
    clock: Arc<dyn Clock>,
}

impl SimulatedNode {
    /// Makes the Node and its lease.
    pub(super) async fn register(
        client: Client,
        at: u32,
        name: String,
        shape: Arc<Shape>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let node = Self { client, at, name, shape, clock };
        let made: Result<Value, Error> = node.ask(Method::POST, "/api/v1/nodes", Some(&node.object())).await;
        let made = made.with_context(|| format!("failed to register node {}", node.name))?;
        let lease = node.lease(made["metadata"]["uid"].as_str().unwrap_or_default());
        let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        let made: Result<Value, Error> = node.ask(Method::POST, path, Some(&lease)).await;
        made.with_context(|| format!("failed to make the lease of node {}", node.name))?;
        Ok(node)
    }

    /// Renews the lease and says of each pod that it runs, for ever.
    pub(super) async fn live(self) {
        let (node, mut tasks) = (self.clone(), JoinSet::new());
        tasks.spawn(async move { node.renew().await });
        let mut known = HashSet::new();
        loop {
            if let Err(error) = self.follow(&mut known, &mut tasks).await {
                tracing::debug!(node = self.name, %error, "watch of pods ended");
            }
            sleep(PAUSE).await;
        }
    }

    async fn renew(&self) {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{}", self.name);
        // Nodes do not start all at once either.
        let mut next = Instant::now() + HEARTBEAT.mul_f64(f64::from(self.at % 1000) / 1000.0);
        loop {
            sleep_until(next).await;
            next += HEARTBEAT;
            let patch = json!({"spec": {"renewTime": micro_time(&self.clock)}});
            if let Err(error) = self.patch(&path, &patch, "merge").await {
                tracing::debug!(node = self.name, %error, "failed to renew the lease");
            }
        }
    }

    async fn follow(&self, known: &mut HashSet<String>, tasks: &mut JoinSet<()>) -> Result<(), Error> {
        let path = format!("/api/v1/pods?watch=true&resourceVersion=0&fieldSelector=spec.nodeName%3D{}", self.name);
        let request = Request::get(path).body(Vec::new()).expect("node names are made of letters and digits");
        let events = self.client.request_events::<Pod>(request).await?;
        pin_mut!(events);
        while let Some(event) = events.next().await {
            while tasks.try_join_next().is_some() {}
            match event? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => self.sees(pod, known, tasks),
                WatchEvent::Deleted(pod) => drop(known.remove(&pod.metadata.uid)),
                WatchEvent::Error(status) => return Err(Error::Api(status)),
                WatchEvent::Bookmark(_) => {}
            }
        }
        Ok(())
    }

    fn sees(&self, pod: Pod, known: &mut HashSet<String>, tasks: &mut JoinSet<()>) {
        let node = self.clone();
        if pod.is_ending() {
            tasks.spawn(async move { node.end(&pod).await });
        } else if known.insert(pod.metadata.uid.clone()) && !pod.runs() {
            let number = known.len();
            tasks.spawn(async move { node.start(&pod, number).await });
        }
    }

    /// The pod runs, after as long as starting takes.
    async fn start(&self, pod: &Pod, number: usize) {
        if !self.shape.start.is_zero() {
            sleep(self.shape.start).await;
        }
        let status = self.running(pod, number);
        let path = format!("{}/status", pod.path());
        self.persist(&path, || self.patch(&path, &status, "strategic-merge")).await;
    }

    /// Its containers have ended: there is nothing that keeps it.
    async fn end(&self, pod: &Pod) {
        let options = json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": pod.metadata.uid},
        });
        let path = pod.path();
        self.persist(&path, || async { self.ask(Method::DELETE, &path, Some(&options)).await.map(drop) }).await;
    }

    /// Tries again until it is done, or cannot be done any more.
    async fn persist<F: Future<Output = Result<(), Error>>>(&self, path: &str, act: impl Fn() -> F) {
        while let Err(error) = act().await {
            match error {
                Error::Api(status) if matches!(status.code, 404 | 409) => return,
                error => tracing::debug!(node = self.name, path, %error, "tried in vain"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn patch(&self, path: &str, patch: &Value, kind: &str) -> Result<(), Error> {
        let request = Request::patch(path).header("content-type", format!("application/{kind}-patch+json"));
        self.client
            .request_text(request.body(patch.to_string().into_bytes()).expect("paths are made of names"))
            .await
            .map(drop)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json").body(body);
        self.client.request(request.expect("paths are made of names")).await
    }

    fn object(&self) -> Value {
        let Shape { cpu, memory, pods, zones, .. } = &*self.shape;
        let zone = format!("zone-{}", self.at % zones);
        let resources = json!({"cpu": cpu, "memory": memory, "pods": pods.to_string(), "ephemeral-storage": "100Gi"});
        let now = format_time(self.clock.now());
        let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastHeartbeatTime": now, "lastTransitionTime": now});
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name, "labels": {
                "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": zone,
            }},
            "status": {
                "capacity": resources, "allocatable": resources,
                "addresses": [{"type": "InternalIP", "address": self.address()}, {"type": "Hostname", "address": self.name}],
                "conditions": [
                    condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                    condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                    condition("PIDPressure", "False", "KubeletHasSufficientPID"),
                    condition("Ready", "True", "KubeletReady"),
                ],
            },
        })
    }

    fn lease(&self, uid: &str) -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.name, "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": uid}]},
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": micro_time(&self.clock)},
        })
    }

    /// 100.64.0.0/10 belongs to nobody's hosts (RFC 6598), and nothing ever connects to it.
    fn address(&self) -> String {
        std::net::Ipv4Addr::from(0x6440_0000 + self.at).to_string()
    }

    fn running(&self, pod: &Pod, number: usize) -> Value {
        let now = format_time(self.clock.now());
        let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
        let conditions = ["PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"].map(condition);
        let containers = pod.spec.containers.iter().map(|container| {
            json!({
                "name": container.name, "image": container.image, "imageID": container.image, "restartCount": 0, "ready": true,
                "started": true, "containerID": format!("simulated://{}/{}", pod.metadata.uid, container.name),
                "state": {"running": {"startedAt": now}},
            })
        });
        let ip = if pod.spec.host_network { self.address() } else { self.pod_address(number) };
        json!({"metadata": {"uid": pod.metadata.uid}, "status": {
            "phase": "Running", "conditions": conditions, "startTime": now, "hostIP": self.address(), "hostIPs": [{"ip": self.address()}],
            "podIP": ip, "podIPs": [{"ip": ip}], "containerStatuses": containers.collect::<Vec<_>>(),
        }})
    }

    /// Of the node's own piece of 10.0.0.0/8; addresses may repeat once a node has had more than 1,000 pods.
    fn pod_address(&self, number: usize) -> String {
        let number = u32::try_from(number % 1000).unwrap_or(0);
        std::net::Ipv4Addr::from(0x0a00_0000 + (self.at % 16_000) * 1024 + 1 + number).to_string()
    }
}

fn micro_time(clock: &Arc<dyn Clock>) -> Value {
    let now = sampan_api::k8s::apimachinery::pkg::apis::meta::v1::MicroTime(clock.now());
    serde_json::to_value(now).unwrap_or_default()
}
