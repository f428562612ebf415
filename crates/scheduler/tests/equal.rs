//! On random clusters the scheduler decides as a naive reading of the API does, and nothing that must hold is ever broken.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod reference;

use std::sync::Arc;

use proptest::prelude::*;
use reference::Cluster;
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_scheduler::{Cursor, PodRequest, Profile, Snapshot, place, preempt};
use serde_json::{Value, json};

fn node(number: usize, (zone, cpu, taint, cordoned): (usize, usize, usize, bool)) -> Node {
    let mut labels =
        json!({"kubernetes.io/hostname": format!("n{number}"), "even": number.is_multiple_of(2).to_string()});
    if zone > 0 {
        labels["zone"] = format!("z{zone}").into();
    }
    let taints = match taint {
        0 => json!([{"key": "gpu", "effect": "NoSchedule"}]),
        1 => json!([{"key": "old", "effect": "PreferNoSchedule"}]),
        _ => json!([]),
    };
    let node = json!({"metadata": {"name": format!("n{number}"), "labels": labels},
        "spec": {"taints": taints, "unschedulable": cordoned},
        "status": {"allocatable": {"cpu": cpu.to_string(), "memory": "8Gi", "pods": "5"}}});
    serde_json::from_value(node).unwrap()
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let node = (0usize..4, 1usize..4, 0usize..6, prop::bool::weighted(0.1));
    prop::collection::vec(node, 1..7)
        .prop_map(|kinds| kinds.into_iter().enumerate().map(|(number, kind)| self::node(number, kind)).collect())
}

fn term() -> impl Strategy<Value = Value> {
    let selector = prop_oneof![
        Just(json!({"matchLabels": {"app": "web"}})),
        Just(json!({"matchLabels": {"app": "api"}})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]})),
        Just(json!({})),
        Just(Value::Null),
    ];
    let namespaces = prop_oneof![
        3 => Just(json!({})),
        1 => Just(json!({"namespaces": ["other"]})),
        1 => Just(json!({"namespaceSelector": {}})),
        1 => Just(json!({"namespaceSelector": {"matchLabels": {"team": "a"}}})),
    ];
    (selector, namespaces, prop_oneof![Just("zone"), Just("kubernetes.io/hostname")]).prop_map(
        |(selector, mut term, key)| {
            term["labelSelector"] = selector;
            term["topologyKey"] = key.into();
            term
        },
    )
}

fn spread() -> impl Strategy<Value = Value> {
    let policy = || prop_oneof![Just("Honor"), Just("Ignore")];
    let rest = (1i32..3, prop::option::of(1i32..4), policy(), policy(), prop::bool::ANY);
    (term(), rest).prop_map(|(term, (skew, domains, affinity, taints, keyed))| {
        let mut constraint = json!({"maxSkew": skew, "topologyKey": term["topologyKey"], "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": term["labelSelector"], "nodeAffinityPolicy": affinity, "nodeTaintsPolicy": taints});
        if let Some(domains) = domains {
            constraint["minDomains"] = domains.into();
        }
        if keyed {
            constraint["matchLabelKeys"] = json!(["version"]);
        }
        constraint
    })
}

/// A pod without name.
fn pod() -> impl Strategy<Value = Value> {
    let who =
        (prop_oneof![Just("web"), Just("api"), Just("db")], 0usize..2, prop_oneof![Just("default"), Just("other")]);
    let needs = (0usize..1500, prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    let terms = || prop::collection::vec(term(), 0..3);
    let rules =
        (terms(), terms(), prop::collection::vec(spread(), 0..3), prop::array::uniform3(prop::bool::weighted(0.3)));
    (who, needs, rules).prop_map(|((app, version, namespace), (cpu, tolerates, selects, going), (near, away, spread, used))| {
        let mut pod = json!({"metadata": {"namespace": namespace, "labels": {"app": app, "version": version.to_string()}},
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": format!("{cpu}m")}}}], "affinity": {}}});
        if tolerates {
            pod["spec"]["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
        }
        if selects {
            pod["spec"]["nodeSelector"] = json!({"even": "true"});
        }
        if going {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        let required = |terms: Vec<Value>| json!({"requiredDuringSchedulingIgnoredDuringExecution": terms});
        if used[0] {
            pod["spec"]["affinity"]["podAffinity"] = required(near);
        }
        if used[1] {
            pod["spec"]["affinity"]["podAntiAffinity"] = required(away);
        }
        if used[2] {
            pod["spec"]["topologySpreadConstraints"] = spread.into();
        }
        pod
    })
}

/// The same cluster, known to the scheduler and to the reference.
#[derive(Default)]
struct Both {
    scheduler: Snapshot,
    reference: Cluster,
}

impl Both {
    fn new(nodes: &[Node]) -> Self {
        let mut both = Self::default();
        for (name, team) in [("default", "a"), ("other", "b")] {
            let labels: reference::Labels = [("team".to_owned(), team.to_owned())].into();
            both.scheduler.set_namespace(name, labels.clone());
            both.reference.namespaces.insert(name.into(), labels);
        }
        for node in nodes {
            both.set_node(node.clone());
        }
        both
    }

    fn set_node(&mut self, node: Node) {
        self.scheduler.set_node(Arc::new(node.clone()));
        self.reference.nodes.insert(node.metadata.name.clone().unwrap(), node);
    }

    fn put(&mut self, pod: &Pod, node: &str) {
        self.scheduler.place(Arc::new(PodRequest::new(Arc::new(pod.clone()))), node);
        self.reference.pods.insert(pod.metadata.uid.clone().unwrap(), (pod.clone(), node.into()));
    }

    fn take(&mut self, uid: &str) {
        self.scheduler.remove(uid);
        self.reference.pods.remove(uid);
    }
}

fn named(mut pod: Value, number: usize) -> Pod {
    pod["metadata"]["name"] = format!("pod-{number}").into();
    pod["metadata"]["uid"] = format!("pod-{number}").into();
    serde_json::from_value(pod).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whichever pods come and go and whichever nodes change: a pod goes to a node where by the plain reading it fits, and it waits only if
    /// by that reading it fits nowhere.
    #[test]
    fn decisions_are_those_of_a_plain_reading(
        nodes in nodes(),
        pods in prop::collection::vec((pod(), 0usize..8, 0usize..40), 1..25),
        changed in nodes(),
    ) {
        let (profile, mut cursor) = (Profile::new("default-scheduler"), Cursor::default());
        let mut both = Both::new(&nodes);
        for (number, (pod, action, other)) in pods.into_iter().enumerate() {
            match action {
                0 => both.take(&format!("pod-{}", other % (number + 1))),
                1 => {
                    let node = changed[other % changed.len()].clone();
                    both.set_node(node);
                }
                _ => {}
            }
            let pod = named(pod, number);
            let request = PodRequest::new(Arc::new(pod.clone()));
            let fitting = both.reference.fitting(&pod);
            match place(&request, &mut both.scheduler, &profile, &mut cursor) {
                Ok(placement) => {
                    prop_assert!(fitting.contains(&placement.node), "{} is none of {fitting:?}", placement.node);
                    both.put(&pod, &placement.node);
                }
                Err(why) => prop_assert!(fitting.is_empty(), "{fitting:?} would do, but: {}", why.message()),
            }
        }
    }

    /// What is refused is refused for as many nodes as the plain reading refuses: all of them.
    #[test]
    fn every_node_is_accounted_for_in_a_refusal(nodes in nodes(), pods in prop::collection::vec(pod(), 1..20)) {
        let (profile, mut cursor) = (Profile::new("default-scheduler"), Cursor::default());
        let mut both = Both::new(&nodes);
        for (number, pod) in pods.into_iter().enumerate() {
            let pod = named(pod, number);
            match place(&PodRequest::new(Arc::new(pod.clone())), &mut both.scheduler, &profile, &mut cursor) {
                Ok(placement) => both.put(&pod, &placement.node),
                Err(why) => {
                    let reasons: usize = why.reasons.iter().map(|(_, nodes)| nodes).sum();
                    prop_assert!(reasons >= nodes.len(), "{}", why.message());
                }
            }
        }
    }

    /// Without the victims the pod fits on the node, and with any one of them back it does not: none went in vain. None is as important as
    /// the pod. Where no node can be emptied, the pod would fit nowhere even with all less important pods gone from a node.
    #[test]
    fn room_is_made_by_those_who_must_go_alone(
        nodes in nodes(),
        pods in prop::collection::vec((pod(), 0i32..4, 0usize..7), 1..16),
        (new, priority) in (pod(), 0i32..5),
    ) {
        let plain = |mut pod: Value, priority: i32| {
            // What draws pods together or spreads them can be broken by a pod that goes: then going is not in vain in another way.
            pod["spec"]["affinity"]["podAffinity"].take();
            pod["spec"]["topologySpreadConstraints"].take();
            pod["spec"]["priority"] = priority.into();
            pod
        };
        let mut both = Both::new(&nodes);
        for (number, (pod, priority, at)) in pods.into_iter().enumerate() {
            let node = nodes[at % nodes.len()].metadata.name.clone().unwrap();
            both.put(&named(plain(pod, priority), number), &node);
        }
        let pod = named(plain(new, priority), 1000);
        let request = PodRequest::new(Arc::new(pod.clone()));
        let profile = Profile::new("default-scheduler");
        let Err(failure) = place(&request, &mut both.scheduler, &profile, &mut Cursor::default()) else { return Ok(()) };
        let less_important = |other: &Pod| other.spec.as_ref().unwrap().priority < Some(priority);
        match preempt(&request, &mut both.scheduler, &profile, &failure, Cursor::default()) {
            Ok(made) => {
                let mut without = both.reference.clone();
                for victim in &made.victims {
                    prop_assert!(victim.priority < priority);
                    without.pods.remove(&victim.uid);
                }
                prop_assert!(without.fits(&pod, &made.node));
                for victim in &made.victims {
                    let mut one_back = without.clone();
                    one_back.pods.insert(victim.uid.clone(), both.reference.pods[&victim.uid].clone());
                    prop_assert!(!one_back.fits(&pod, &made.node), "{} went in vain", victim.name);
                }
            }
            Err(_) => {
                for node in both.reference.nodes.keys() {
                    let mut emptied = both.reference.clone();
                    emptied.pods.retain(|_, (other, at)| at != node || !less_important(other));
                    prop_assert!(!emptied.fits(&pod, node), "{node} could be emptied");
                }
            }
        }
    }
}
