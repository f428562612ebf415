use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::fake::{FakeServer, pod};
use sampan_client::{Api, Informer};
use sampan_meta::{ManualClock, SeededEntropy};
use tokio::time::{Instant, sleep};

use super::*;
use crate::controller::Watch;

const PODS: &str = "/api/v1/namespaces/default/pods";

/// Notes when each key was reconciled, and does what the key's name says.
struct Probe {
    pods: Informer<Pod>,
    seen: Arc<Mutex<Vec<(String, u64)>>>,
    at_work: AtomicUsize,
    start: Instant,
}

impl Probe {
    async fn act(&self, key: &Key) -> Result<Next, Failure> {
        assert_eq!(self.at_work.fetch_add(1, Ordering::SeqCst), 0, "one key, two workers");
        let earlier = self.seen.lock().iter().filter(|(name, _)| name == &key.name).count();
        self.seen.lock().push((key.name.clone(), self.start.elapsed().as_secs()));
        let result = match (key.name.as_str(), earlier) {
            ("panics", 0) => {
                self.at_work.store(0, Ordering::SeqCst);
                panic!("on purpose");
            }
            ("fails", 0..3) => Err(Failure::Object("not yet".to_owned())),
            ("returns", 0..2) => Ok(Next::After(Duration::from_secs(60))),
            _ => Ok(Next::Settled),
        };
        sleep(Duration::from_millis(1)).await;
        self.at_work.store(0, Ordering::SeqCst);
        result
    }
}

impl Controller for Probe {
    fn watches(&self) -> Vec<Watch> {
        vec![Watch::each(&self.pods)]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.act(key).boxed()
    }

    fn workers(&self) -> usize {
        3
    }
}

/// Runs a probe over one pod of this name; returns when its key was reconciled, in seconds.
async fn check(name: &str, expected: &[u64]) {
    let server = FakeServer::new();
    server.create(PODS, pod("default", name));
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
    let pods = Informer::builder(Api::all(server.client())).start(entropy.clone());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let probe = Probe { pods, seen: seen.clone(), at_work: AtomicUsize::new(0), start: Instant::now() };
    let mut controllers = Controllers { queues: Vec::new(), tasks: JoinSet::new(), pumps: JoinSet::new() };
    controllers.add("probe", Arc::new(probe), &entropy);
    sleep(Duration::from_secs(600)).await;
    assert!(controllers.is_idle());
    let times: Vec<u64> = seen.lock().iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(times, expected, "{name}");
    controllers.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_is_reconciled_once_per_change_and_comes_back_when_it_asked_to() {
    check("settles", &[0]).await;
    check("returns", &[0, 60, 120]).await;
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_are_tried_again_by_the_driver() {
    check("fails", &[0, 0, 0, 0]).await;
    check("panics", &[0, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn each_controller_acts_as_itself_and_the_watches_as_one() {
    let server = FakeServer::new();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let client = {
        let (server, asked) = (server.clone(), asked.clone());
        move |identity: &str| {
            asked.lock().push(identity.to_owned());
            server.client()
        }
    };
    let options = Options {
        client: Arc::new(client),
        clock: Arc::new(ManualClock::default()),
        entropy: Arc::new(SeededEntropy::new(1)),
        settings: Settings::default(),
    };
    let table: Vec<_> = crate::all()
        .into_iter()
        .filter(|entry| matches!(entry.name, "replicaset-controller" | "taint-eviction-controller"))
        .collect();
    let controllers = Controllers::start(&options, &table);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(*asked.lock(), ["kube-controller-manager", "replicaset-controller", "node-controller"]);
    let watches = server.requests("watch=true");
    assert_eq!(watches, 3, "replica sets, pods and nodes: one watch each");
    controllers.stop().await;
}

#[test]
fn the_table_names_each_controller_once_with_rights_it_can_use() {
    let mut names: Vec<_> = crate::all().iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for entry in crate::all() {
        assert!(!entry.permissions.is_empty(), "{}", entry.name);
    }
}

#[test]
fn a_key_rests_in_proportion_to_its_cost_but_never_long() {
    assert_eq!(rest(Duration::ZERO), Duration::ZERO);
    assert_eq!(rest(Duration::from_millis(5)), Duration::from_millis(15));
    assert_eq!(rest(Duration::from_secs(5)), Duration::from_millis(200));
}
