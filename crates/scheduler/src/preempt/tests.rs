use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::place;
use crate::testing::{cluster, merge, node, whole};

/// A pod of that priority that asks for CPU, and what `extra` says.
fn important(name: &str, priority: i32, cpu: &str, extra: Value) -> Arc<PodRequest> {
    let mut pod = json!({"metadata": {"name": name, "uid": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"priority": priority, "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}});
    merge(&mut pod, extra);
    whole(pod)
}

fn check(pod: &PodRequest, cluster: &mut Snapshot, expected: Expect) {
    let profile = Profile::new("default-scheduler");
    let mut cursor = Cursor::default();
    let failure = place(pod, cluster, &profile, &mut cursor).unwrap_err();
    let answer = match preempt(pod, cluster, &profile, &failure, Cursor::default()) {
        Ok(made) => {
            let names: Vec<_> = made.victims.iter().map(|pod| pod.name.name.as_str()).collect();
            format!("{} without {}", made.node, names.join(", "))
        }
        Err(no_room) => format!("{}{}", no_room.message, if no_room.gives_up { " (gives up)" } else { "" }),
    };
    expected.assert_eq(&answer);
}

#[test]
fn only_as_many_pods_go_as_have_to_and_the_least_important_first() {
    let mut cluster = cluster(&[node("n1", json!({}))]);
    cluster.place(important("low", 1, "500m", json!({})), "n1");
    cluster.place(important("lower", 0, "700m", json!({})), "n1");
    cluster.place(important("high", 100, "700m", json!({})), "n1");
    check(&important("new", 10, "700m", json!({})), &mut cluster, expect!["n1 without lower"]);
    check(&important("new", 10, "1", json!({})), &mut cluster, expect!["n1 without low, lower"]);
    check(&important("new", 1000, "2", json!({})), &mut cluster, expect!["n1 without high, low, lower"]);
}

#[test]
fn where_no_pod_is_less_important_nothing_is_won() {
    let mut cluster = cluster(&[
        node("n1", json!({})),
        node("n2", json!({"spec": {"unschedulable": true}})),
        node("n3", json!({"status": {"allocatable": {"cpu": "100m"}}})),
    ]);
    cluster.place(important("high", 100, "2", json!({})), "n1");
    check(
        &important("new", 10, "1", json!({})),
        &mut cluster,
        expect![
            "0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling. (gives up)"
        ],
    );
}

#[test]
fn a_pod_that_never_preempts_says_so() {
    let mut cluster = cluster(&[node("n1", json!({}))]);
    cluster.place(important("low", 0, "2", json!({})), "n1");
    let meek = important("new", 10, "1", json!({"spec": {"preemptionPolicy": "Never"}}));
    check(&meek, &mut cluster, expect!["not eligible due to preemptionPolicy=Never."]);
}

#[test]
fn the_node_with_the_least_important_victims_is_chosen() {
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({})), node("n3", json!({}))]);
    cluster.place(important("a", 5, "2", json!({})), "n1");
    cluster.place(important("b", 3, "1", json!({})), "n2");
    cluster.place(important("c", 3, "1", json!({})), "n2");
    cluster.place(important("d", 3, "2", json!({})), "n3");
    check(&important("new", 10, "2", json!({})), &mut cluster, expect!["n3 without d"]);
}

#[test]
fn of_equals_the_one_that_ran_for_the_shortest_time_goes() {
    let since = |time: &str| json!({"status": {"startTime": time}});
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({}))]);
    cluster.place(important("young", 0, "2", since("2026-01-02T00:00:00Z")), "n2");
    cluster.place(important("old", 0, "2", since("2026-01-01T00:00:00Z")), "n1");
    check(&important("new", 10, "1", json!({})), &mut cluster, expect!["n2 without young"]);
}

#[test]
fn budgets_are_minded_where_they_can_be() {
    let budget = |app: &str| {
        let budget = json!({"spec": {"selector": {"matchLabels": {"app": app}}}, "status": {
            "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}});
        Budget::new(&serde_json::from_value(budget).unwrap())
    };
    let name = |name: &str| sampan_meta::NamespacedName { namespace: "default".into(), name: name.into() };
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({}))]);
    cluster.place(important("guarded", 0, "1", json!({})), "n1");
    cluster.place(important("free", 5, "1", json!({})), "n1");
    cluster.place(important("also", 0, "2", json!({})), "n2");
    cluster.budgets.set(&name("also"), budget("also"));
    cluster.budgets.set(&name("guarded"), budget("guarded"));
    check(&important("new", 10, "1", json!({})), &mut cluster, expect!["n1 without free"]);
    cluster.budgets.remove(&name("also"));
    check(&important("new", 10, "1", json!({})), &mut cluster, expect!["n2 without also"]);
}

#[test]
fn while_victims_go_no_more_are_taken() {
    let mut cluster = cluster(&[node("n1", json!({}))]);
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}});
    cluster.place(important("going", 0, "2", going), "n1");
    let waiting = important("new", 10, "1", json!({"status": {"nominatedNodeName": "n1"}}));
    check(&waiting, &mut cluster, expect!["not eligible due to a terminating pod on the nominated node."]);
}

#[test]
fn room_that_is_being_made_is_left_to_whom_it_is_made_for() {
    let mut cluster = cluster(&[node("n1", json!({}))]);
    cluster.nominate(important("first", 10, "1500m", json!({})), "n1");
    let profile = Profile::new("default-scheduler");
    let mut goes = |pod: &PodRequest| place(pod, &mut cluster, &profile, &mut Cursor::default()).is_ok();
    assert!(!goes(&important("equal", 10, "1", json!({}))));
    assert!(goes(&important("small", 10, "500m", json!({}))));
    assert!(goes(&important("higher", 11, "1", json!({}))));
    assert!(goes(&important("first", 10, "1500m", json!({}))));
}

#[test]
fn anti_affinity_and_spread_are_judged_without_the_victims() {
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({"spec": {"unschedulable": true}}))]);
    let away = json!({"spec": {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": "low"}}, "topologyKey": "zone"}]}}}});
    cluster.place(important("low", 0, "100m", json!({})), "n1");
    cluster.place(important("other", 0, "100m", json!({})), "n1");
    check(&important("new", 10, "100m", away.clone()), &mut cluster, expect!["n1 without low"]);
    cluster.remove("low");
    let low = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"affinity": {"podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "new"}}, "topologyKey": "zone"}]}}}});
    cluster.place(important("low", 0, "100m", low), "n1");
    check(&important("new", 10, "100m", json!({})), &mut cluster, expect!["n1 without low"]);
}
