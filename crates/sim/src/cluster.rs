//! The cluster: all parts, joined by lines, watched by an observer.

mod control_plane;
mod node;
mod observer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sampan_api::k8s::api::apps::v1::Deployment;
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_api::request::{MASTERS, User};
use sampan_client::{Client, Informers};
use sampan_controllers::{Controllers, INFORMERS, Settings};
use sampan_meta::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::VirtualClock;
use crate::faults::{Line, Switch};
use crate::invariants::{self, Informed};
use crate::{Dice, Faults, Rates};
use control_plane::ControlPlane;
pub use node::SimulatedNode;
pub use observer::Observed;

/// A cluster that runs. Dropping it together with its tokio runtime ends everything.
pub struct Cluster {
    seed: u64,
    began: Instant,
    clock: Arc<dyn Clock>,
    faults: Arc<Faults>,
    control_plane: ControlPlane,
    observed: Arc<Mutex<Observed>>,
    nodes: BTreeMap<String, SimulatedNode>,
    /// Watches of a bystander, to be compared with the store at the end.
    informers: Informers,
    directory: tempfile::TempDir,
    stop: CancellationToken,
    _controllers: Controllers,
}

impl Cluster {
    /// Starts the control plane of a cluster whose chance comes from `seed`. It has no nodes yet.
    ///
    /// # Panics
    /// Outside a tokio runtime of one thread with paused time, and when the control plane does not come up: nothing fails yet then.
    pub async fn new(seed: u64) -> Self {
        let (began, clock): (_, Arc<dyn Clock>) = (Instant::now(), Arc::new(VirtualClock::start()));
        let directory = tempfile::tempdir().expect("the machine has room for temporary files");
        let control_plane = ControlPlane::prepare(seed, &clock, directory.path());
        let observed = observer::start(&control_plane.store, began, directory.path());
        let control_plane = control_plane.open(seed, &clock).await;
        let faults = Faults::new(Dice::new(seed, "faults"));
        let line = {
            let (server, faults) = (control_plane.server.clone(), faults.clone());
            move |user| connect(Line::new(server.service_as(user), faults.clone(), Switch::default()))
        };
        let stop = CancellationToken::new();
        let controllers = start_parts(seed, &clock, line.clone(), &stop).await;
        let informers = Informers::new(line(admin()), Dice::new(seed, "bystander").entropy());
        let cluster = Self {
            seed,
            began,
            clock,
            faults,
            control_plane,
            observed,
            nodes: BTreeMap::new(),
            informers,
            directory,
            stop,
            _controllers: controllers,
        };
        // Asking starts the watches.
        drop(cluster.informed());
        cluster
    }

    /// Adds nodes until there are this many, and starts them.
    #[must_use]
    pub fn nodes(mut self, count: usize) -> Self {
        for at in self.nodes.len()..count {
            let node = SimulatedNode::new(&format!("node-{at}"), at, self.seed, &self.clock, self.directory.path());
            self.nodes.insert(node.name().to_owned(), node);
        }
        self.return_all();
        self
    }

    /// Changes what goes wrong from here on.
    pub fn faults(&self, rates: Rates) {
        self.note(&format!("faults {rates:?}"));
        self.faults.set(rates);
    }

    /// A client under the user's identity, over a line as bad as everybody's.
    #[must_use]
    pub fn user(&self) -> Client {
        connect(Line::new(self.control_plane.server.service_as(admin()), self.faults.clone(), Switch::default()))
    }

    /// The nodes' names.
    #[must_use]
    pub fn node_names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// Cuts a node's power: its containers are gone, and the API hears nothing of it.
    pub fn crash(&mut self, node: &str) {
        self.on_node(node, "crash", SimulatedNode::crash);
    }

    /// Cuts a node's line; its containers run on.
    pub fn cut_off(&mut self, node: &str) {
        self.on_node(node, "cut off", SimulatedNode::cut_off);
    }

    /// Brings a node back to a good line, and starts it if it does not run.
    pub fn bring_back(&mut self, node: &str) {
        let server = self.control_plane.server.clone();
        let faults = self.faults.clone();
        let connect = move |user, switch| connect(Line::new(server.service_as(user), faults.clone(), switch));
        self.on_node(node, "bring back", |node| node.bring_back(connect));
    }

    /// Brings all nodes back.
    pub fn return_all(&mut self) {
        self.node_names().iter().for_each(|node| self.bring_back(node));
    }

    fn on_node(&mut self, name: &str, what: &str, act: impl FnOnce(&mut SimulatedNode)) {
        self.note(&format!("{what} {name}"));
        if let Some(node) = self.nodes.get_mut(name) {
            act(node);
        }
    }

    /// Writes into the trace.
    pub fn note(&self, what: &str) {
        self.observed.lock().trace.note(self.elapsed(), what);
    }

    /// Virtual time since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What happened so far. Hold it for a moment only.
    #[must_use]
    pub fn observed(&self) -> &Mutex<Observed> {
        &self.observed
    }

    /// What the bystander's informers believe.
    #[must_use]
    pub fn informed(&self) -> Vec<Informed> {
        vec![
            invariants::informed("pods", &self.informers.of::<Pod>()),
            invariants::informed("nodes", &self.informers.of::<Node>()),
            invariants::informed("apps/deployments", &self.informers.of::<Deployment>()),
        ]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn admin() -> User {
    User::new("admin", [MASTERS])
}

fn connect(line: Line) -> Client {
    sampan_client::in_process(line, "default")
}

/// Scheduler and controllers, each with its own identity, its own line and its own chance.
async fn start_parts(
    seed: u64,
    clock: &Arc<dyn Clock>,
    line: impl Fn(User) -> Client + Send + Sync + 'static,
    stop: &CancellationToken,
) -> Controllers {
    let scheduler = sampan_scheduler::Options {
        client: line(User::new("system:kube-scheduler", [""; 0])),
        profiles: vec![sampan_scheduler::Profile::new("default-scheduler")],
        clock: clock.clone(),
        entropy: Dice::new(seed, "scheduler").entropy(),
    };
    tokio::spawn(sampan_scheduler::Scheduler::run(scheduler, stop.clone()));
    let table = sampan_controllers::served(&line(admin()), sampan_controllers::all()).await;
    let identity = |name: &str| match name {
        INFORMERS => User::new(format!("system:{INFORMERS}"), [""; 0]),
        controller => User::service_account("kube-system", controller),
    };
    let options = sampan_controllers::Options {
        client: Arc::new(move |name| line(identity(name))),
        clock: clock.clone(),
        entropy: Dice::new(seed, "controllers").entropy(),
        // A real authority's keys would not come from the seed.
        settings: Settings { root_ca: "the simulation's authority".to_owned(), ..Settings::default() },
    };
    Controllers::start(&options, &table.expect("discovery works while nothing fails"))
}
