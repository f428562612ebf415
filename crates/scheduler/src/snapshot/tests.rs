use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{labelled, node};

/// What happens to a cluster.
#[derive(Clone, Debug)]
enum Step {
    Node(usize, usize),
    NodeGone(usize),
    Pod(usize, usize, usize),
    PodGone(usize),
    Namespace(usize),
    Look(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0usize..5, 0usize..4).prop_map(|(node, zone)| Step::Node(node, zone)),
        (0usize..5).prop_map(Step::NodeGone),
        (0usize..12, 0usize..6, 0usize..5).prop_map(|(pod, kind, node)| Step::Pod(pod, kind, node)),
        (0usize..12).prop_map(Step::PodGone),
        (0usize..3).prop_map(Step::Namespace),
        (0usize..12, 0usize..6).prop_map(|(pod, kind)| Step::Look(pod, kind)),
    ];
    prop::collection::vec(step, 1..80)
}

fn a_pod(number: usize, kind: usize) -> Arc<PodRequest> {
    let app = ["web", "api"][number % 2];
    let term = |selector: serde_json::Value| json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": "zone", "namespaceSelector": selector});
    let spec = match kind {
        0 => json!({}),
        1 => {
            json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(json!({"matchLabels": {"team": "a"}}))]}}})
        }
        2 => {
            json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(json!(null)), term(json!({}))]}}})
        }
        3 => {
            json!({"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 3, "podAffinityTerm": term(json!(null))}]}}})
        }
        4 => {
            json!({"nodeSelector": {"even": "true"}, "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}]})
        }
        _ => {
            json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": {"app": app}}}]})
        }
    };
    labelled(&format!("pod-{number}"), json!({"app": app}), spec)
}

fn a_node(number: usize, zone: usize) -> Arc<Node> {
    let taints = if zone == 2 { json!([{"key": "full", "effect": "NoSchedule"}]) } else { json!([]) };
    let mut labels = json!({"even": number.is_multiple_of(2).to_string()});
    if zone > 0 {
        labels["zone"] = format!("z{zone}").into();
    }
    let mut node = node(&format!("n{number}"), json!({"spec": {"taints": taints}}));
    node["metadata"]["labels"] = labels;
    if zone < 3 {
        node["metadata"]["labels"]["kubernetes.io/hostname"] = format!("n{number}").into();
    }
    Arc::new(serde_json::from_value(node).unwrap())
}

fn act(cluster: &mut Snapshot, step: &Step) {
    match step {
        Step::Node(number, zone) => cluster.set_node(a_node(*number, *zone)),
        Step::NodeGone(number) => cluster.remove_node(&format!("n{number}")),
        Step::Pod(number, kind, node) => cluster.place(a_pod(*number, *kind), &format!("n{node}")),
        Step::PodGone(number) => drop(cluster.remove(&format!("pod-{number}"))),
        Step::Namespace(team) => {
            cluster.set_namespace("default", Labels::from([("team".into(), ["a", "b", "c"][*team].into())]));
        }
        Step::Look(number, kind) => cluster.prepare(&a_pod(*number, *kind)),
    }
}

/// The same cluster as if it had come into being just now.
fn anew(cluster: &Snapshot) -> Snapshot {
    let mut anew = Snapshot::default();
    for (name, labels) in &cluster.namespaces {
        anew.set_namespace(name, labels.clone());
    }
    for state in &cluster.nodes {
        state.pods().for_each(|pod| anew.place(pod.clone(), &state.name));
    }
    cluster.nodes.iter().filter_map(|state| state.node.clone()).for_each(|node| anew.set_node(node));
    anew
}

/// Everything a decision could ask about the pod, by the names of nodes.
fn asked(cluster: &mut Snapshot, pod: &PodRequest) -> BTreeMap<String, Vec<(i64, i64)>> {
    cluster.prepare(pod);
    let cluster = &*cluster;
    let counters: Vec<_> = pod.counts().iter().map(|count| cluster.counter(count)).collect();
    let of = |node: &NodeState| {
        let at = |counter: &&Counter| {
            let place = counter.place_of(node.slot, cluster.topology());
            let about =
                (counter.total(), i64::try_from(counter.place_count()).unwrap() + 1000 * counter.least(place, 0));
            [(counter.at(place), i64::from(counter.counts(node.slot))), about]
        };
        let terms = cluster.terms_about(pod).map(|term| {
            let place = term.place_of(node.slot, cluster.topology());
            (term.forbidding(place), term.pull(place))
        });
        // Terms come in no particular order.
        let sum = terms.fold((0, 0), |sum, term| (sum.0 + term.0, sum.1 + term.1));
        let mut answers: Vec<_> = counters.iter().flat_map(at).collect();
        answers.push(sum);
        answers.push((node.requested.cpu, node.pod_count()));
        answers
    };
    cluster.nodes().map(|node| (node.name.clone(), of(node))).collect()
}

proptest! {
    /// Sums kept by addition and subtraction are those of a count from the beginning.
    #[test]
    fn what_was_kept_current_equals_what_is_counted_anew(steps in steps()) {
        let mut cluster = Snapshot::default();
        for step in &steps {
            act(&mut cluster, step);
        }
        let mut anew = anew(&cluster);
        prop_assert_eq!(cluster.traits(), anew.traits());
        for number in 0..2 {
            for kind in 0..6 {
                let pod = a_pod(number, kind);
                prop_assert_eq!(asked(&mut cluster, &pod), asked(&mut anew, &pod));
            }
        }
    }
}

#[test]
fn nodes_of_different_zones_take_turns() {
    let mut cluster = Snapshot::default();
    for (number, zone) in [(0, "a"), (1, "a"), (2, "b"), (3, "b"), (4, "c")] {
        let labels = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}});
        cluster.set_node(Arc::new(serde_json::from_value(node(&format!("n{number}"), labels)).unwrap()));
    }
    let names: Vec<_> = cluster.order().iter().map(|slot| cluster.by_slot(*slot).name.as_str()).collect();
    assert_eq!(names, ["n0", "n2", "n4", "n1", "n3"]);
}

#[test]
fn a_node_that_comes_back_finds_its_pods_counted() {
    let mut cluster = Snapshot::default();
    cluster.place(a_pod(0, 0), "n1");
    cluster.set_node(a_node(1, 1));
    assert_eq!(cluster.node("n1").unwrap().pod_count(), 1);
    cluster.remove_node("n1");
    assert!(cluster.node("n1").is_none() && cluster.is_placed("pod-0"));
    cluster.set_node(a_node(1, 2));
    assert_eq!(cluster.node("n1").unwrap().pod_count(), 1);
    assert!(cluster.remove("pod-0").is_some() && !cluster.is_placed("pod-0"));
}
