//! For the agent's tests: a small apiserver, a clock that follows tokio's (paused or not), a network, and all of them around an agent.

mod api;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use sampan_meta::{Clock, SeededEntropy};
use sampan_runtime::fake::{FakeImage, FakeRuntime, Program};
use sampan_runtime::{NetworkAttachment, PodNetwork, PodRef, Runtime};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use api::TestApi;

use crate::{Agent, Capacity, Config, Eviction, LogLimits, Shutdown, System};

/// Wall time that passes as tokio's does.
pub(crate) struct TokioClock(tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::constant(1_767_323_045, 0).checked_add(self.0.elapsed()).expect("tests are short")
    }
}

/// Gives out 127.70.0.2 and on.
#[derive(Default)]
pub(crate) struct TestNetwork {
    pub(crate) given: Mutex<BTreeMap<String, IpAddr>>,
    next: Mutex<u16>,
}

impl PodNetwork for TestNetwork {
    fn attach(&self, pod: &PodRef) -> BoxFuture<'_, sampan_runtime::Result<NetworkAttachment>> {
        let ip = *self.given.lock().entry(pod.uid.clone()).or_insert_with(|| {
            let mut next = self.next.lock();
            *next += 1;
            let [high, low] = (*next + 1).to_be_bytes();
            [127, 70, high, low].into()
        });
        Box::pin(async move { Ok(NetworkAttachment::Address { ip }) })
    }

    fn detach(&self, pod: &PodRef) -> BoxFuture<'_, sampan_runtime::Result<()>> {
        self.given.lock().remove(&pod.uid);
        Box::pin(async { Ok(()) })
    }
}

/// A node under test.
pub(crate) struct Bed {
    pub(crate) api: TestApi,
    pub(crate) runtime: FakeRuntime,
    pub(crate) network: Arc<TestNetwork>,
    pub(crate) directory: tempfile::TempDir,
    clock: Arc<TokioClock>,
    running: Option<(CancellationToken, tokio::task::JoinHandle<()>)>,
}

impl Bed {
    /// With the images `sleeps`, `succeeds`, `fails` and `deaf` in the imagined registry.
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TokioClock(tokio::time::Instant::now()));
        let now = clock.clone();
        let runtime = FakeRuntime::new("wasm", Arc::new(move || now.now().as_nanosecond()));
        runtime.add_image(FakeImage::new("r.test/sleeps:1", Program::sleeps()));
        runtime.add_image(FakeImage::new("r.test/succeeds:1", Program::exits(0, Duration::from_secs(2))));
        runtime.add_image(FakeImage::new("r.test/fails:1", Program::exits(3, Duration::from_secs(1))));
        runtime.add_image(FakeImage::new("r.test/deaf:1", Program { ignores_stop: true, ..Program::default() }));
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { api: TestApi::default(), runtime, network: Arc::default(), directory, clock, running: None }
    }

    /// With an agent that runs.
    pub(crate) async fn started() -> Self {
        let mut bed = Self::new();
        bed.start().await;
        bed
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            node_name: "edge-1".to_owned(),
            client: self.api.client(),
            runtimes: vec![Arc::new(self.runtime.clone()) as Arc<dyn Runtime>],
            network: self.network.clone(),
            data_dir: self.directory.path().join("node"),
            address: [127, 70, 0, 1].into(),
            api: None,
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(7)),
            labels: [("zone".to_owned(), "harbour".to_owned())].into(),
            capacity: Capacity::default(),
            static_pod_dir: Some(self.directory.path().join("static")),
            cluster_dns: vec![[127, 80, 0, 10].into()],
            cluster_domain: "cluster.local".to_owned(),
            host_dns: sampan_runtime::DnsConfig::default(),
            plain_http_registries: Vec::new(),
            logs: LogLimits::default(),
            eviction: Eviction::default(),
            shutdown: Shutdown::default(),
            system: System { operating_system: "linux".into(), architecture: "amd64".into(), ..System::default() },
        }
    }

    pub(crate) async fn start(&mut self) {
        let config = self.config();
        self.start_with(config).await;
    }

    pub(crate) async fn start_with(&mut self, config: Config) {
        let stop = CancellationToken::new();
        let agent = Agent::new(config).run(stop.clone());
        let task = tokio::spawn(async move { agent.await.expect("the agent runs") });
        self.running = Some((stop, task));
    }

    /// Stops the agent alone, as for an upgrade.
    pub(crate) async fn stop(&mut self) {
        let (stop, task) = self.running.take().expect("it runs");
        stop.cancel();
        task.await.expect("it ends well");
    }

    /// Creates a pod bound to the node and answers its UID.
    pub(crate) fn create(&self, name: &str, spec: Value) -> String {
        let mut spec = spec;
        spec["nodeName"] = json!("edge-1");
        let pod = json!({"metadata": {"name": name, "namespace": "default", "generation": 1}, "spec": spec, "status": {"phase": "Pending"}});
        let pod = self.api.create("/api/v1/namespaces/default/pods", pod);
        pod["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    pub(crate) fn simple(&self, name: &str, image: &str) -> String {
        self.create(name, one(image))
    }

    pub(crate) fn pod(&self, name: &str) -> Value {
        self.api.get("pods", "default", name).unwrap_or(Value::Null)
    }

    /// Waits until the pod is as the question wants it.
    pub(crate) async fn until(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.api
            .until(&format!("pod {name}: {what}"), |api| {
                Some(api.get("pods", "default", name).unwrap_or(Value::Null)).filter(&is)
            })
            .await
    }

    pub(crate) async fn until_ready(&self, name: &str) -> Value {
        self.until(name, "ready", |pod| condition(pod, "Ready") == "True").await
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        self.until(name, "gone", Value::is_null).await;
    }

    /// Reasons of events about the pod, in order, repeats counted once.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        let events = self.api.list("events").into_iter().filter(|event| event["involvedObject"]["name"] == name);
        events.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) async fn until_event(&self, name: &str, reason: &str) -> Value {
        let about = |event: &Value| event["involvedObject"]["name"] == name && event["reason"] == reason;
        self.api.until(&format!("event {reason} about {name}"), |api| api.list("events").into_iter().find(&about)).await
    }
}

/// The specification of a pod with one container.
pub(crate) fn one(image: &str) -> Value {
    json!({"containers": [{"name": "main", "image": image}]})
}

pub(crate) fn condition(pod: &Value, kind: &str) -> String {
    let conditions = pod["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// The state of the first container.
pub(crate) fn container(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}
