//! One node: the true agent over a runtime that runs nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_api::request::User;
use sampan_client::Client;
use sampan_meta::{Clock, Entropy};
use sampan_node::{Agent, Capacity, Config, LogLimits, System};
use sampan_runtime::fake::{FakeImage, FakeRuntime, Program};
use sampan_runtime::{NetworkAttachment, PodNetwork, PodRef, Runtime};
use tokio_util::sync::CancellationToken;

use crate::Dice;
use crate::faults::Switch;

/// What the imagined registry holds: name, and how its program ends (code, seconds), if it does by itself.
const IMAGES: [(&str, Option<(i32, u64)>); 4] = [
    ("sim.test/serve:1", None),
    ("sim.test/serve:2", None),
    ("sim.test/work:1", Some((0, 7))),
    ("sim.test/fail:1", Some((1, 2))),
];

/// One node of a cluster.
pub struct SimulatedNode {
    name: String,
    number: u8,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    directory: PathBuf,
    runtime: FakeRuntime,
    network: Arc<Addresses>,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    switch: Switch,
}

impl SimulatedNode {
    /// A machine that is switched off.
    pub(super) fn new(name: &str, at: usize, seed: u64, clock: &Arc<dyn Clock>, directory: &Path) -> Self {
        let number = u8::try_from(at).unwrap_or(u8::MAX);
        Self {
            name: name.to_owned(),
            number,
            clock: clock.clone(),
            entropy: Dice::new(seed, name).entropy(),
            directory: directory.join(name),
            runtime: runtime(clock),
            network: Arc::new(Addresses::new(number)),
            running: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The agent hears nothing any more, says nothing any more and ends; all containers are gone.
    pub(super) fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.switch.set_down(true);
        running.stop.cancel();
        self.runtime = runtime(&self.clock);
        self.network = Arc::new(Addresses::new(self.number));
    }

    pub(super) fn cut_off(&mut self) {
        if let Some(running) = &self.running {
            running.switch.set_down(true);
        }
    }

    pub(super) fn bring_back(&mut self, connect: impl Fn(User, Switch) -> Client) {
        if let Some(running) = &self.running {
            running.switch.set_down(false);
            return;
        }
        let switch = Switch::default();
        let user = User::new(format!("system:node:{}", self.name), ["system:nodes"]);
        let stop = CancellationToken::new();
        let agent = Agent::new(self.config(connect(user, switch.clone()))).run(stop.clone());
        tokio::spawn(async move { agent.await.expect("the temporary directory can be written") });
        self.running = Some(Running { stop, switch });
    }

    fn config(&self, client: Client) -> Config {
        Config {
            node_name: self.name.clone(),
            client,
            runtimes: vec![Arc::new(self.runtime.clone()) as Arc<dyn Runtime>],
            network: self.network.clone(),
            data_dir: self.directory.clone(),
            address: [127, 64 + self.number, 0, 1].into(),
            api: None,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            labels: BTreeMap::new(),
            capacity: Capacity { cpu_millis: 1500, ..Capacity::default() },
            static_pod_dir: None,
            cluster_dns: Vec::new(),
            cluster_domain: "cluster.local".to_owned(),
            host_dns: sampan_runtime::DnsConfig::default(),
            plain_http_registries: Vec::new(),
            logs: LogLimits::default(),
            eviction: Default::default(),
            shutdown: Default::default(),
            system: System { operating_system: "linux".into(), architecture: "amd64".into(), ..System::default() },
        }
    }
}

fn runtime(clock: &Arc<dyn Clock>) -> FakeRuntime {
    let clock = clock.clone();
    let runtime = FakeRuntime::new("wasm", Arc::new(move || clock.now().as_nanosecond()));
    for (reference, end) in IMAGES {
        let program =
            end.map_or_else(Program::sleeps, |(code, after)| Program::exits(code, Duration::from_secs(after)));
        runtime.add_image(FakeImage::new(reference, program));
    }
    runtime
}

/// Gives out the addresses of one node in order.
struct Addresses {
    node: u8,
    given: Mutex<(u16, BTreeMap<String, IpAddr>)>,
}

impl Addresses {
    fn new(number: u8) -> Self {
        Self { node: 64 + number, given: Mutex::new((1, BTreeMap::new())) }
    }
}

impl PodNetwork for Addresses {
    fn attach(&self, pod: &PodRef) -> BoxFuture<'_, sampan_runtime::Result<NetworkAttachment>> {
        let (next, given) = &mut *self.given.lock();
        let ip = *given.entry(pod.uid.clone()).or_insert_with(|| {
            *next += 1;
            let [high, low] = next.to_be_bytes();
            [127, self.node, high, low].into()
        });
        Box::pin(async move { Ok(NetworkAttachment::Address { ip }) })
    }

    fn detach(&self, pod: &PodRef) -> BoxFuture<'_, sampan_runtime::Result<()>> {
        self.given.lock().1.remove(&pod.uid);
        Box::pin(async { Ok(()) })
    }
}
