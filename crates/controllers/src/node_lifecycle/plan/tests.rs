use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, now, object};

fn node(ready: Option<&str>, spec: Value) -> Node {
    let conditions: Vec<Value> = ready
        .map(|status| json!({ "type": "Ready", "status": status, "lastHeartbeatTime": ago(60), "lastTransitionTime": ago(600) }))
        .into_iter()
        .collect();
    object(json!({ "metadata": { "name": "edge-1" }, "spec": spec, "status": { "conditions": conditions } }))
}

fn check(node: &Node, silent: bool, all_unready: bool, expected: Expect) {
    let plan = plan(&Observed { node, silent, all_unready, now: now() });
    let conditions = plan.conditions.iter().flatten().map(|condition| {
        format!("{}={} {}", condition.type_, condition.status, condition.reason.as_deref().unwrap_or_default())
    });
    let mut lines: Vec<String> = conditions.collect();
    if let Some(taints) = &plan.taints {
        let taints: Vec<_> = taints.iter().flatten().map(|taint| format!("{}:{}", taint.key, taint.effect)).collect();
        lines.push(format!("taints [{}]", taints.join(" ")));
    }
    if plan.unready_pods {
        lines.push("pods are not ready".to_owned());
    }
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_node_that_speaks_is_left_alone_and_a_silent_one_is_not_trusted() {
    check(&node(Some("True"), json!({})), false, false, expect![""]);
    check(
        &node(Some("True"), json!({})),
        true,
        false,
        expect![[r#"
        Ready=Unknown NodeStatusUnknown
        MemoryPressure=Unknown NodeStatusNeverUpdated
        DiskPressure=Unknown NodeStatusNeverUpdated
        PIDPressure=Unknown NodeStatusNeverUpdated
        taints [node.kubernetes.io/unreachable:NoSchedule node.kubernetes.io/unreachable:NoExecute]
        pods are not ready"#]],
    );
}

#[test]
fn when_no_node_is_ready_nothing_is_evicted() {
    check(
        &node(Some("False"), json!({})),
        false,
        false,
        expect![[r#"
        taints [node.kubernetes.io/not-ready:NoSchedule node.kubernetes.io/not-ready:NoExecute]
        pods are not ready"#]],
    );
    check(
        &node(Some("False"), json!({})),
        false,
        true,
        expect![[r#"
        taints [node.kubernetes.io/not-ready:NoSchedule]
        pods are not ready"#]],
    );
}

#[test]
fn our_taints_come_and_go_and_those_of_others_stay() {
    let taints = json!({ "taints": [
        { "key": "node.kubernetes.io/unreachable", "effect": "NoExecute" },
        { "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule" },
        { "key": "example.test/mine", "effect": "NoExecute" },
    ]});
    check(&node(Some("True"), taints), false, false, expect!["taints [example.test/mine:NoExecute]"]);
    check(
        &node(Some("True"), json!({ "unschedulable": true })),
        false,
        false,
        expect!["taints [node.kubernetes.io/unschedulable:NoSchedule]"],
    );
}

#[test]
fn what_is_planned_once_done_leaves_nothing_to_write() {
    for (ready, silent, all_unready) in
        [(Some("True"), true, false), (Some("False"), false, false), (None, true, true), (Some("True"), true, true)]
    {
        let mut node = node(ready, json!({ "unschedulable": true }));
        let first = plan(&Observed { node: &node, silent, all_unready, now: now() });
        let conditions = node.status.get_or_insert_default().conditions.get_or_insert_default();
        for new in first.conditions.into_iter().flatten() {
            conditions.retain(|known| known.type_ != new.type_);
            conditions.push(new);
        }
        if let Some(taints) = first.taints {
            node.spec.get_or_insert_default().taints = taints;
        }
        let second =
            plan(&Observed { node: &node, silent, all_unready, now: now() + jiff::SignedDuration::from_secs(60) });
        assert_eq!((second.conditions, second.taints), (None, None), "{ready:?} {silent}");
    }
}
