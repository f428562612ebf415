use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use sampan_client::Body;
use sampan_client::fake::FakeServer;
use sampan_meta::{ManualClock, SeededEntropy};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::plugins::Sifted;
use crate::profile::{Choice, Point};
use crate::testing::{merge, node};
use crate::{Extended, Extension, NodeState};

const PODS: &str = "/api/v1/namespaces/default/pods";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";

/// A scheduler over a server that binds; bindings of pods named `slow…` take a minute.
struct World {
    server: FakeServer,
    stop: CancellationToken,
}

impl World {
    fn start() -> Self {
        Self::start_with(vec![Profile::new("default-scheduler"), Profile::new("other")])
    }

    fn start_with(profiles: Vec<Profile>) -> Self {
        let (server, stop) = (FakeServer::new(), CancellationToken::new());
        let options = Options {
            client: binding(&server),
            profiles,
            clock: Arc::new(ManualClock::default()),
            entropy: Arc::new(SeededEntropy::new(1)),
        };
        tokio::spawn(Scheduler::run(options, stop.clone()));
        Self { server, stop }
    }

    fn node(&self, name: &str, extra: Value) {
        self.server.create("/api/v1/nodes", node(name, extra));
    }

    fn pod(&self, name: &str, cpu: &str, extra: Value) {
        let mut pod = json!({"metadata": {"name": name}, "spec": {
            "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}});
        merge(&mut pod, extra);
        self.server.create(PODS, pod);
    }

    fn get(&self, pod: &str) -> Value {
        let pods = self.server.objects("/pods");
        pods.into_iter().find(|object| object["metadata"]["name"] == pod).unwrap_or_default()
    }

    fn node_of(&self, pod: &str) -> String {
        self.get(pod)["spec"]["nodeName"].as_str().unwrap_or("none").to_owned()
    }

    /// Reasons and messages of all events, in the order of their objects' names.
    fn events(&self) -> Vec<String> {
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let events = self.server.objects("/events");
        events.iter().map(|event| format!("{}: {}", text(event, "reason"), text(event, "message"))).collect()
    }

    fn writes(&self) -> usize {
        ["POST", "PATCH", "PUT", "DELETE"].iter().map(|verb| self.server.requests(verb)).sum()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A client of the fake server that knows `pods/binding` as well.
fn binding(server: &FakeServer) -> Client {
    let (server, inner) = (server.clone(), server.client());
    let answer = tower::service_fn(move |request: http::Request<Body>| {
        let (server, inner) = (server.clone(), inner.clone());
        async move {
            let path = request.uri().path().to_owned();
            let Some(pod) = path.strip_suffix("/binding").filter(|_| request.method() == Method::POST) else {
                return inner.send(request).await;
            };
            if pod.contains("/slow") {
                sleep(Duration::from_secs(60)).await;
            }
            let body = request.into_body().collect_bytes().await?;
            let binding: Value = serde_json::from_slice(&body).unwrap();
            server.patch(pod, json!({"spec": {"nodeName": binding["target"]["name"]}}));
            let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
            Ok(http::Response::new(Body::from(answer.to_string().into_bytes())))
        }
    });
    sampan_client::in_process(answer, "default")
}

async fn settle() {
    sleep(Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_bound_and_told_of() {
    let world = World::start();
    world.node("n1", json!({}));
    world.pod("a", "1", json!({}));
    world.pod("theirs", "1", json!({"spec": {"schedulerName": "somebody"}}));
    world.pod("ours-too", "1", json!({"spec": {"schedulerName": "other"}}));
    settle().await;
    assert_eq!([world.node_of("a"), world.node_of("theirs"), world.node_of("ours-too")], ["n1", "none", "n1"]);
    assert!(world.events().contains(&"Scheduled: Successfully assigned default/a to n1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_binding_holds_no_other_and_its_room_is_not_given_away() {
    let world = World::start();
    world.node("n1", json!({}));
    world.pod("slow", "1500m", json!({"spec": {"priority": 10}}));
    world.pod("quick", "100m", json!({}));
    world.pod("late", "1", json!({}));
    sleep(Duration::from_secs(5)).await;
    assert_eq!([world.node_of("slow"), world.node_of("quick"), world.node_of("late")], ["none", "n1", "none"]);
    sleep(Duration::from_secs(120)).await;
    assert_eq!([world.node_of("slow"), world.node_of("late")], ["n1", "none"]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_nowhere_says_why_once_and_is_tried_when_something_helps() {
    let world = World::start();
    world.node("n1", json!({}));
    world.pod("big", "3", json!({}));
    settle().await;
    let why = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
               1 Preemption is not helpful for scheduling.";
    let condition = &world.get("big")["status"]["conditions"][0];
    assert_eq!(
        [&condition["type"], &condition["status"], &condition["reason"], &condition["message"]],
        ["PodScheduled", "False", "Unschedulable", why]
    );
    assert_eq!(world.events(), [format!("FailedScheduling: {why}")]);
    let writes = world.writes();
    sleep(Duration::from_secs(3600)).await;
    world.server.patch("/api/v1/nodes/n1", json!({"metadata": {"labels": {"helps": "not"}}}));
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(world.writes(), writes, "nothing is tried, nothing is written");
    world.node("n2", json!({"status": {"allocatable": {"cpu": "4"}}}));
    settle().await;
    assert_eq!(world.node_of("big"), "n2");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_came_before_any_node_goes_to_the_first() {
    let world = World::start();
    world.pod("early", "1", json!({}));
    settle().await;
    assert_eq!(world.events(), ["FailedScheduling: no nodes available to schedule pods"]);
    world.node("n1", json!({}));
    settle().await;
    assert_eq!(world.node_of("early"), "n1");
}

#[tokio::test(start_paused = true)]
async fn a_gated_pod_waits_for_its_gates() {
    let world = World::start();
    world.node("n1", json!({}));
    world.pod("gated", "1", json!({"spec": {"schedulingGates": [{"name": "example.com/quota"}]}}));
    settle().await;
    assert_eq!(world.node_of("gated"), "none");
    world.server.patch(&format!("{PODS}/gated"), json!({"spec": {"schedulingGates": []}}));
    settle().await;
    assert_eq!(world.node_of("gated"), "n1");
}

#[tokio::test(start_paused = true)]
async fn a_more_important_pod_has_room_made_for_it() {
    let world = World::start();
    world.node("n1", json!({}));
    let lasting = json!({"metadata": {"finalizers": ["example.com/grace"]}});
    world.pod("low", "1500m", lasting);
    settle().await;
    world.pod("high", "1", json!({"spec": {"priority": 100}}));
    settle().await;
    let victim = world.get("low");
    assert!(victim["metadata"]["deletionTimestamp"].is_string());
    let condition = &victim["status"]["conditions"][0];
    assert_eq!(
        [&condition["type"], &condition["status"], &condition["reason"], &condition["message"]],
        [
            "DisruptionTarget",
            "True",
            "PreemptionByScheduler",
            "default-scheduler: preempting to accommodate a higher priority pod",
        ]
    );
    let uid = world.get("high")["metadata"]["uid"].as_str().unwrap().to_owned();
    assert!(world.events().contains(&format!("Preempted: Preempted by pod {uid} on node n1")));
    assert_eq!(
        (world.get("high")["status"]["nominatedNodeName"].as_str(), world.node_of("high")),
        (Some("n1"), "none".into())
    );
    // The room is kept for it: an equal one that comes meanwhile does not take it.
    world.pod("equal", "1", json!({"spec": {"priority": 100, "preemptionPolicy": "Never"}}));
    world.server.patch(&format!("{PODS}/low"), json!({"metadata": {"finalizers": []}}));
    settle().await;
    assert_eq!([world.node_of("high"), world.node_of("equal")], ["n1", "n1"]);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_waits_for_its_pod_is_provisioned_where_the_pod_goes_before_it_is_bound() {
    let world = World::start();
    world.node("n1", json!({}));
    let class = json!({"metadata": {"name": "made"}, "provisioner": "example.com/disk", "volumeBindingMode": "WaitForFirstConsumer"});
    world.server.create("/apis/storage.k8s.io/v1/storageclasses", class);
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    world.pod("a", "1", json!({"spec": {"volumes": volumes}}));
    settle().await;
    let why = world.get("a")["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(why.starts_with("0/1 nodes are available: persistentvolumeclaim \"data\" not found."), "{why}");
    let spec = json!({"storageClassName": "made", "resources": {"requests": {"storage": "1Gi"}}});
    world.server.create(CLAIMS, json!({"metadata": {"name": "data"}, "spec": spec}));
    settle().await;
    let claim = &world.server.objects("/persistentvolumeclaims")[0];
    assert_eq!(claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"], "n1");
    assert_eq!(world.node_of("a"), "none");
    let bound = json!({"spec": {"volumeName": "v"}, "status": {"phase": "Bound"}});
    world.server.patch(&format!("{CLAIMS}/data"), bound);
    settle().await;
    assert_eq!(world.node_of("a"), "n1");
}

#[tokio::test(start_paused = true)]
async fn a_provisioner_that_gives_up_makes_the_pod_look_again() {
    let world = World::start();
    world.node("n1", json!({}));
    let class = json!({"metadata": {"name": "made"}, "provisioner": "example.com/disk", "volumeBindingMode": "WaitForFirstConsumer"});
    world.server.create("/apis/storage.k8s.io/v1/storageclasses", class);
    let spec = json!({"storageClassName": "made", "resources": {"requests": {"storage": "1Gi"}}});
    world.server.create(CLAIMS, json!({"metadata": {"name": "data"}, "spec": spec}));
    let volumes = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    world.pod("a", "1", json!({"spec": {"volumes": volumes}}));
    settle().await;
    let no_node = json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": null}}});
    world.server.patch(&format!("{CLAIMS}/data"), no_node);
    settle().await;
    let claim = &world.server.objects("/persistentvolumeclaims")[0];
    assert_eq!(claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"], "n1", "asked for once more");
    assert!(world.events().iter().any(|event| event.contains("provisioning failed for PVC \"data\"")));
}

/// Fails until told otherwise; counts how often it is asked.
#[derive(Clone, Default)]
struct Failing(Arc<(AtomicBool, AtomicUsize)>);

impl Extension for Failing {
    fn start(&mut self) -> Result<bool, String> {
        Ok(true)
    }

    fn nodes(&mut self, _: &[&NodeState], _: &[u32]) -> Result<(), String> {
        Ok(())
    }

    fn usage(&mut self, _: &[&NodeState]) -> Result<(), String> {
        Ok(())
    }

    fn filter(&mut self, _: &PodRequest, _: &[u32]) -> Result<Sifted, String> {
        self.0.1.fetch_add(1, Ordering::Relaxed);
        if self.0.0.load(Ordering::Relaxed) { Ok(Sifted::default()) } else { Err("it spun; make it quicker".into()) }
    }

    fn score(&mut self, _: &PodRequest, nodes: &[u32]) -> Result<Vec<u8>, String> {
        Ok(vec![0; nodes.len()])
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_fails_is_told_of_and_asked_later_and_later_and_holds_no_other_profile() {
    let failing = Failing::default();
    let point = Point { enabled: vec![("Mine".into(), 0)], disabled: Vec::new() };
    let choice = Choice { multi_point: point, ..Choice::default() };
    let mine = Extended::new("Mine", Box::new(failing.clone()), true, true);
    let other = Profile::chosen("other", &choice, vec![Box::new(mine)]).unwrap();
    let world = World::start_with(vec![Profile::new("default-scheduler"), other]);
    world.node("n1", json!({}));
    world.pod("asked", "100m", json!({"spec": {"schedulerName": "other"}}));
    world.pod("plain", "100m", json!({}));
    sleep(Duration::from_secs(60)).await;
    assert_eq!([world.node_of("asked"), world.node_of("plain")], ["none", "n1"]);
    let why = "running \"Mine\" filter plugin: it spun; make it quicker";
    let condition = &world.get("asked")["status"]["conditions"][0];
    assert_eq!(
        [&condition["type"], &condition["status"], &condition["reason"], &condition["message"]],
        ["PodScheduled", "False", "SchedulerError", why]
    );
    assert!(world.events().contains(&format!("FailedScheduling: {why}")), "{:?}", world.events());
    // After 0, 1, 3, 7, 15, 25, 35, 45 and 55 seconds.
    assert_eq!(failing.0.1.load(Ordering::Relaxed), 9);
    failing.0.0.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.node_of("asked"), "n1");
}
