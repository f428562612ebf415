use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Event;
use crate::testing::{asking, cluster, node, pod};

fn answer(pod: &PodRequest, cluster: &mut Snapshot) -> Result<Placement, Unschedulable> {
    place(pod, cluster, &Profile::new("default-scheduler"), &mut Cursor::default())
}

fn check(pod: &PodRequest, cluster: &mut Snapshot, expected: Expect) {
    let answer = match answer(pod, cluster) {
        Ok(placement) => placement.node,
        Err(unschedulable) => unschedulable.message(),
    };
    expected.assert_eq(&answer);
}

#[test]
fn a_cluster_without_nodes_says_so() {
    check(&asking("a", "1"), &mut cluster(&[]), expect!["no nodes available to schedule pods"]);
}

#[test]
fn the_emptier_node_is_preferred() {
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({}))]);
    cluster.place(asking("other", "1"), "n1");
    check(&asking("a", "500m"), &mut cluster, expect!["n2"]);
}

#[test]
fn what_every_node_lacks_is_counted() {
    let mut cluster = cluster(&[
        node("n1", json!({})),
        node("n2", json!({"spec": {"unschedulable": true}})),
        node("n3", json!({"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}})),
    ]);
    cluster.place(asking("other", "1500m"), "n1");
    check(
        &asking("a", "1"),
        &mut cluster,
        expect![
            "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."
        ],
    );
}

#[test]
fn node_selectors_and_affinity_choose() {
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({}))]);
    check(&pod("a", json!({"nodeSelector": {"zone": "n2"}})), &mut cluster, expect!["n2"]);
    check(
        &pod("a", json!({"nodeSelector": {"zone": "n9"}})),
        &mut cluster,
        expect!["0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."],
    );
    let preference = json!([{"weight": 10, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["n2"]}]}}]);
    check(
        &pod(
            "a",
            json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preference}}}),
        ),
        &mut cluster,
        expect!["n2"],
    );
}

#[test]
fn a_host_port_is_had_once_per_node() {
    let wants = |uid: &str| {
        pod(uid, json!({"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}]}]}))
    };
    let mut cluster = cluster(&[node("n1", json!({}))]);
    cluster.place(wants("first"), "n1");
    check(
        &wants("second"),
        &mut cluster,
        expect!["0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."],
    );
    cluster.remove("first");
    check(&wants("second"), &mut cluster, expect!["n1"]);
}

#[test]
fn a_node_takes_no_more_pods_than_it_says() {
    let mut cluster = cluster(&[node("n1", json!({}))]);
    ["a", "b", "c"].into_iter().for_each(|uid| cluster.place(pod(uid, json!({})), "n1"));
    check(&pod("d", json!({})), &mut cluster, expect!["0/1 nodes are available: 1 Too many pods."]);
}

#[test]
fn a_pod_that_only_lacks_room_waits_for_pods_to_go_and_one_that_lacks_a_label_does_not() {
    let mut cluster = cluster(&[node("n1", json!({}))]);
    let profile = Profile::new("default-scheduler");
    let other = asking("other", "1");
    let mut helps = |pod: &PodRequest| {
        let refused_by = answer(pod, &mut cluster).unwrap_err().plugins;
        profile.members(refused_by).any(|plugin| plugin.helps(pod, &Event::PodGone(&other)))
    };
    assert!(helps(&asking("a", "64")));
    assert!(!helps(&pod("b", json!({"nodeSelector": {"zone": "x"}}))));
}

proptest! {
    /// Whatever is asked in whatever order, no node is ever given more than it has, and what is taken away is all given back.
    #[test]
    fn placing_never_overcommits_a_node(asked in prop::collection::vec((1i64..1500, prop::bool::ANY), 1..60)) {
        let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({"status": {"allocatable": {"cpu": "700m", "pods": "5"}}}))]);
        let (profile, mut cursor) = (Profile::new("default-scheduler"), Cursor::default());
        for (turn, (cpu, leave)) in asked.iter().enumerate() {
            let uid = turn.to_string();
            let request = asking(&uid, &format!("{cpu}m"));
            if let Ok(placement) = place(&request, &mut cluster, &profile, &mut cursor) {
                cluster.place(request, &placement.node);
                if *leave {
                    cluster.remove(&uid);
                }
            }
            for node in cluster.nodes() {
                prop_assert!(node.requested.cpu <= node.allocatable.cpu);
                prop_assert!(node.pod_count() <= node.most_pods);
            }
        }
        (0..asked.len()).for_each(|uid| drop(cluster.remove(&uid.to_string())));
        prop_assert!(cluster.nodes().all(|node| node.requested.cpu == 0 && node.pod_count() == 0));
    }
}
