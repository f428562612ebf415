//! Whole lives of DaemonSets against a model of a cluster in which pods become ready when told to.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::history;
use crate::testing::{ago, now, object};

struct World {
    set: DaemonSet,
    nodes: BTreeMap<String, Arc<Node>>,
    pods: BTreeMap<String, Pod>,
    made: u32,
    backoff: Option<Duration>,
}

fn set(spec: &Value) -> DaemonSet {
    let mut set = json!({
        "metadata": { "name": "log", "namespace": "default", "uid": "set", "generation": 1 },
        "spec": {
            "selector": { "matchLabels": { "app": "log" } },
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 0 } },
            "template": { "metadata": { "labels": { "app": "log" } }, "spec": { "containers": [{ "name": "main", "image": "log:0" }] } },
        },
    });
    for (name, value) in spec.as_object().into_iter().flatten() {
        set["spec"][name.as_str()] = value.clone();
    }
    object(set)
}

fn strategy(unavailable: &Value, surge: &Value) -> Value {
    json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": unavailable, "maxSurge": surge } } })
}

fn node(name: &str, labels: &Value, taints: &Value) -> Node {
    object(json!({ "metadata": { "name": name, "labels": labels }, "spec": { "taints": taints } }))
}

impl World {
    fn new(nodes: usize, spec: &Value) -> Self {
        let mut world = Self { set: set(spec), nodes: BTreeMap::new(), pods: BTreeMap::new(), made: 0, backoff: None };
        (0..nodes).for_each(|number| world.put(node(&format!("n{number}"), &json!({}), &json!([]))));
        world
    }

    fn put(&mut self, node: Node) {
        self.nodes.insert(node.metadata.name.clone().unwrap_or_default(), Arc::new(node));
    }

    fn revision(&self) -> ControllerRevision {
        let template = self.set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
        history::new(&self.set, &template, REVISION, 1, 0)
    }

    fn plan(&self) -> Plan {
        let nodes: Vec<_> = self.nodes.values().cloned().collect();
        let pods: Vec<_> = self.pods.values().cloned().map(Arc::new).collect();
        let revision = self.revision();
        let in_backoff = |_: &str| self.backoff;
        let hash = hash_of(&revision).unwrap_or_default();
        plan(&Observed {
            set: &self.set,
            nodes: &nodes,
            pods: &pods,
            hash,
            collisions: 0,
            in_backoff: &in_backoff,
            now: now(),
        })
    }

    /// One reconcile carried out; returns whether anything was written.
    fn step(&mut self) -> bool {
        let Plan { create, delete, failed: _, status, requeue: _ } = self.plan();
        let wrote = create.len() + delete.len() > 0 || status.is_some();
        for node in create {
            self.made += 1;
            let name = format!("log-{:03}", self.made);
            let mut pod = new_pod(&self.set, &self.revision(), &node);
            (pod.metadata.name, pod.metadata.uid) = (Some(name.clone()), Some(name.clone()));
            pod.status = Some(object(json!({ "phase": "Pending" })));
            self.pods.insert(name, pod);
        }
        for pod in delete {
            let pod = self.pods.get_mut(&pod.metadata.name.clone().unwrap_or_default()).expect("it is there");
            pod.metadata.deletion_timestamp = Some(object(json!(ago(0))));
        }
        self.set.status = status.or_else(|| self.set.status.take());
        wrote
    }

    fn be(&mut self, name: &str, phase: &str, ready: bool) {
        let condition =
            json!({ "type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": ago(60) });
        let pod = self.pods.get_mut(name).expect("it is there");
        pod.status = Some(object(json!({ "phase": phase, "conditions": [condition] })));
    }

    /// Scheduler and kubelets: what is deleted goes, what was made runs where it was meant to.
    fn kubelets(&mut self) {
        self.pods.retain(|_, pod| pod.metadata.deletion_timestamp.is_none());
        let names: Vec<String> = self.pods.keys().cloned().collect();
        for name in names {
            let pod = self.pods.get_mut(&name).expect("it was just listed");
            let target = pods::target_node(pod).map(str::to_owned);
            pod.spec.as_mut().expect("it has one").node_name = target;
            if pod::phase(pod) == "Pending" && !image(pod).contains("broken") {
                self.be(&name, "Running", true);
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..200 {
            let before = self.picture();
            let wrote = self.step();
            self.kubelets();
            if !wrote && before == self.picture() {
                return;
            }
        }
        panic!("does not settle: {:?}", self.plan());
    }

    fn set_image(&mut self, image: &str) {
        let spec = self.set.spec.as_mut().expect("it has one");
        spec.template.spec.as_mut().expect("it has one").containers[0].image = Some(image.to_owned());
    }

    /// Each pod as `node:image`, with `?` when it is not ready and `!` when it is being deleted.
    fn picture(&self) -> String {
        let one = |pod: &Pod| {
            let ready = if pod::is_ready(pod) { "" } else { "?" };
            let going = if pod::is_terminating(pod) { "!" } else { "" };
            format!("{}:{}{ready}{going}", pods::target_node(pod).unwrap_or("-"), image(pod).trim_start_matches("log:"))
        };
        let mut pods: Vec<_> = self.pods.values().map(one).collect();
        pods.sort();
        pods.join(" ")
    }

    fn film(&mut self) -> Vec<String> {
        let mut pictures = vec![self.picture()];
        for _ in 0..30 {
            self.step();
            if pictures.last() != Some(&self.picture()) {
                pictures.push(self.picture());
            }
            self.kubelets();
        }
        pictures
    }

    fn status(&self) -> String {
        let status = self.set.status.clone().unwrap_or_default();
        let DaemonSetStatus { desired_number_scheduled: desired, current_number_scheduled: current, .. } = status;
        let counts = [status.updated_number_scheduled, status.number_available, status.number_unavailable];
        let [updated, available, unavailable] = counts.map(|count| count.unwrap_or(0));
        format!(
            "desired={desired} current={current} ready={} updated={updated} available={available} unavailable={unavailable} misscheduled={}",
            status.number_ready, status.number_misscheduled
        )
    }
}

fn image(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.containers[0].image.as_deref()).unwrap_or_default()
}

#[test]
fn every_node_gets_one_pod_and_a_new_node_as_well() {
    let mut world = World::new(2, &json!({}));
    world.settle();
    assert_eq!(world.picture(), "n0:0 n1:0");
    world.put(node("n2", &json!({}), &json!([])));
    world.settle();
    assert_eq!(world.picture(), "n0:0 n1:0 n2:0");
    assert_eq!(world.status(), "desired=3 current=3 ready=3 updated=3 available=3 unavailable=0 misscheduled=0");
    world.nodes.remove("n1");
    world.settle();
    assert_eq!(world.status(), "desired=2 current=2 ready=2 updated=2 available=2 unavailable=0 misscheduled=0");
}

#[test]
fn a_pod_is_aimed_at_its_node_and_lives_with_its_troubles() {
    let own = json!({ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 });
    let mut set = set(&json!({}));
    let template = set.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    (template.tolerations, template.host_network) = (Some(vec![object(own)]), Some(true));
    let revision = history::new(&set, &set.spec.as_ref().unwrap().template, REVISION, 1, 0);
    let pod = new_pod(&set, &revision, "n7");
    assert_eq!(pods::target_node(&pod), Some("n7"));
    assert_eq!(pods::hash_of(&pod), hash_of(&revision));
    let tolerations = pod.spec.unwrap().tolerations.unwrap();
    let text: Vec<_> = tolerations
        .iter()
        .map(|t| {
            format!(
                "{}:{}",
                t.key.as_deref().unwrap().trim_start_matches("node.kubernetes.io/"),
                t.effect.as_deref().unwrap()
            )
        })
        .collect();
    let expected = "not-ready:NoExecute unreachable:NoExecute disk-pressure:NoSchedule memory-pressure:NoSchedule pid-pressure:NoSchedule unschedulable:NoSchedule network-unavailable:NoSchedule";
    assert_eq!(text.join(" "), expected);
    assert!(tolerations.iter().all(|t| t.toleration_seconds.is_none()), "for ever, not for five seconds");
}

#[test]
fn labels_and_taints_say_where_pods_run_and_where_they_may_stay() {
    let taint = |effect: &str| json!([{ "key": "gpu", "value": "big", "effect": effect }]);
    let mut set = set(&json!({}));
    set.spec.as_mut().unwrap().template.spec.as_mut().unwrap().node_selector = Some(object(json!({ "zone": "a" })));
    let at = |labels: Value, taints: Value| {
        let Place { run, stay } = place(&set, &node("n", &labels, &taints));
        (run, stay)
    };
    let here = || json!({ "zone": "a" });
    assert_eq!(at(here(), json!([])), (true, true));
    assert_eq!(at(json!({ "zone": "b" }), json!([])), (false, false));
    assert_eq!(at(here(), taint("NoSchedule")), (false, true));
    assert_eq!(at(here(), taint("NoExecute")), (false, false));
    assert_eq!(at(here(), taint("PreferNoSchedule")), (true, true));
    let cordoned = json!([{ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }]);
    assert_eq!(at(here(), cordoned), (true, true));
}

#[test]
fn a_pod_leaves_a_node_that_it_may_not_be_on_and_is_counted_where_it_only_stays() {
    let mut world = World::new(2, &json!({}));
    world.settle();
    world.put(node("n0", &json!({}), &json!([{ "key": "gpu", "effect": "NoSchedule" }])));
    world.settle();
    assert_eq!(world.picture(), "n0:0 n1:0");
    assert_eq!(world.status(), "desired=1 current=1 ready=1 updated=1 available=1 unavailable=0 misscheduled=1");
    world.put(node("n0", &json!({}), &json!([{ "key": "gpu", "effect": "NoExecute" }])));
    world.settle();
    assert_eq!(world.picture(), "n1:0");
}

#[test]
fn an_update_replaces_as_many_as_may_be_missing() {
    let mut world = World::new(3, &json!({}));
    world.settle();
    world.set_image("log:1");
    let film = world.film();
    assert_eq!(film[..4], ["n0:0 n1:0 n2:0", "n0:0! n1:0 n2:0", "n0:1? n1:0 n2:0", "n0:1 n1:0! n2:0"]);
    assert_eq!(world.picture(), "n0:1 n1:1 n2:1");
    for (share, at_once) in [(json!(2), 2), (json!("50%"), 2), (json!("1%"), 1), (json!(0), 1)] {
        let mut world = World::new(3, &strategy(&share, &json!(0)));
        world.settle();
        world.set_image("log:1");
        world.step();
        assert_eq!(world.plan().delete.len(), 0, "those that go already count");
        assert_eq!(world.picture().matches('!').count(), at_once, "{share}");
    }
}

#[test]
fn a_broken_update_stops_where_it_may_and_the_next_one_replaces_what_is_broken_at_once() {
    let mut world = World::new(3, &json!({}));
    world.settle();
    world.set_image("log:broken");
    world.settle();
    assert_eq!(world.picture(), "n0:broken? n1:0 n2:0");
    world.set_image("log:2");
    world.settle();
    assert_eq!(world.picture(), "n0:2 n1:2 n2:2");
}

#[test]
fn a_surge_puts_the_new_pod_beside_the_old_one_until_it_is_available() {
    let mut world = World::new(2, &strategy(&json!(0), &json!(1)));
    world.settle();
    world.set_image("log:1");
    let film = world.film();
    let expected =
        ["n0:0 n1:0", "n0:0 n0:1? n1:0", "n0:0! n0:1 n1:0", "n0:1 n1:0 n1:1?", "n0:1 n1:0! n1:1", "n0:1 n1:1"];
    assert_eq!(film, expected);
    world.set_image("log:broken");
    world.settle();
    assert_eq!(world.picture(), "n0:1 n0:broken? n1:1", "the old one stays while it serves");
    let old = world.pods.iter().find(|(_, pod)| image(pod) == "log:1").map(|(name, _)| name.clone()).unwrap();
    world.be(&old, "Running", false);
    world.step();
    assert!(world.picture().contains("n0:1?!"), "{}", world.picture());
}

#[test]
fn on_delete_a_pod_is_replaced_when_somebody_deletes_it() {
    let mut world = World::new(2, &json!({ "updateStrategy": { "type": "OnDelete" } }));
    world.settle();
    world.set_image("log:1");
    world.settle();
    assert_eq!(world.picture(), "n0:0 n1:0");
    let first = world.pods.keys().next().cloned().unwrap();
    world.pods.remove(&first);
    world.settle();
    assert_eq!(world.picture(), "n0:1 n1:0");
}

#[test]
fn a_failed_pod_is_replaced_when_its_time_has_come() {
    let mut world = World::new(1, &json!({}));
    world.settle();
    let name = world.pods.keys().next().cloned().unwrap();
    world.be(&name, "Failed", false);
    world.backoff = Some(Duration::from_secs(4));
    let plan = world.plan();
    assert!(plan.delete.is_empty() && plan.create.is_empty());
    assert_eq!(plan.requeue, Some(Duration::from_secs(4)));
    world.backoff = None;
    assert_eq!(world.plan().failed.len(), 1);
    world.settle();
    assert_eq!(world.picture(), "n0:0");
}

#[test]
fn of_two_pods_on_a_node_the_older_stays_and_one_for_a_node_that_is_gone_does_not_wait() {
    let mut world = World::new(1, &json!({}));
    world.settle();
    let mut twin = world.pods.values().next().cloned().unwrap();
    (twin.metadata.name, twin.metadata.uid) = (Some("twin".to_owned()), Some("twin".to_owned()));
    twin.metadata.creation_timestamp = Some(object(json!(ago(0))));
    world.pods.insert("twin".to_owned(), twin);
    let stranded = new_pod(&world.set, &world.revision(), "gone");
    world.pods.insert(
        "stranded".to_owned(),
        Pod {
            metadata: sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                name: Some("stranded".to_owned()),
                ..stranded.metadata
            },
            ..stranded
        },
    );
    let deleted: Vec<_> = world.plan().delete.iter().filter_map(|pod| pod.metadata.name.clone()).collect();
    assert_eq!(deleted, ["twin", "stranded"]);
}

proptest! {
    #[test]
    fn whatever_happens_each_node_ends_with_one_ready_pod_of_the_newest_template(
        events in prop::collection::vec((0_u8..5, 0_usize..4), 0..25), unavailable in 0..3, surge in 0..3,
    ) {
        let mut world = World::new(3, &strategy(&json!(unavailable), &json!(surge)));
        for (what, which) in events {
            let pod = world.pods.keys().nth(which).cloned();
            match (what, pod) {
                (0, _) => world.set_image(&format!("log:{which}")),
                (1, _) => world.put(node(&format!("n{which}"), &json!({}), &json!([]))),
                (2, Some(pod)) => drop(world.pods.remove(&pod)),
                (3, Some(pod)) => world.be(&pod, "Failed", false),
                _ => world.kubelets(),
            }
            world.step();
            for node in world.nodes.keys() {
                let living = |pod: &&Pod| pods::target_node(pod) == Some(node) && pod::is_active(pod);
                let pods: Vec<_> = world.pods.values().filter(living).collect();
                prop_assert!(pods.len() <= 1 + usize::from(surge > 0), "{}", world.picture());
            }
        }
        world.settle();
        let image_wanted = world.set.spec.clone().unwrap().template.spec.unwrap().containers[0].image.clone().unwrap();
        prop_assert_eq!(world.pods.len(), world.nodes.len());
        prop_assert!(world.pods.values().all(|pod| image(pod) == image_wanted && pod::is_ready(pod)));
        prop_assert!(!world.step(), "settled");
    }
}
