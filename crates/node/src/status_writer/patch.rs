//! The strategic merge patch between two statuses, as `PatchPodStatus` (pkg/util/pod) makes it: conditions of others stay.

use sampan_api::k8s::api::core::v1::PodStatus;
use serde_json::{Map, Value, json};

/// What the agent writes; everything else in a status belongs to others.
const OWNED: [&str; 14] = [
    "phase",
    "conditions",
    "initContainerStatuses",
    "containerStatuses",
    "ephemeralContainerStatuses",
    "hostIP",
    "hostIPs",
    "podIP",
    "podIPs",
    "startTime",
    "qosClass",
    "reason",
    "message",
    "observedGeneration",
];

/// `None` when there is nothing to write. The UID in it lets the server refuse a patch meant for an earlier pod of the same name.
pub(super) fn patch(written: &PodStatus, wanted: &PodStatus, uid: &str) -> Option<Value> {
    let (before, after) = (json!(written), json!(wanted));
    let mut status = Map::new();
    for key in OWNED {
        if let Some(change) = change(key, &before[key], &after[key]) {
            status.insert(key.to_owned(), change);
        }
    }
    (!status.is_empty()).then(|| json!({"metadata": {"uid": uid}, "status": status}))
}

fn change(key: &str, before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    match key {
        "conditions" => conditions(before, after),
        "podIPs" => {
            let mut addresses = after.as_array().cloned().unwrap_or_default();
            addresses.push(json!({"$patch": "replace"}));
            Some(Value::Array(addresses))
        }
        _ => Some(after.clone()),
    }
}

/// Only ours that changed: they are merged by type.
fn conditions(before: &Value, after: &Value) -> Option<Value> {
    let known = before.as_array().map(Vec::as_slice).unwrap_or_default();
    let changed = after.as_array()?.iter().filter(|condition| !known.contains(condition));
    let changed: Vec<Value> = changed.map(|condition| with_removals(condition, known)).collect();
    (!changed.is_empty()).then_some(Value::Array(changed))
}

/// Members the condition had and has no more are removed by `null`.
fn with_removals(condition: &Value, known: &[Value]) -> Value {
    let mut condition = condition.clone();
    let before = known.iter().find(|known| known["type"] == condition["type"]).and_then(Value::as_object);
    if let Some(members) = condition.as_object_mut() {
        for member in before.into_iter().flat_map(Map::keys) {
            members.entry(member.clone()).or_insert(Value::Null);
        }
    }
    condition
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(written: Value, wanted: Value, expect: Expect) {
        let parse = |value| serde_json::from_value::<PodStatus>(value).expect("a status");
        let patch = patch(&parse(written), &parse(wanted), "u");
        expect.assert_eq(&patch.map_or_else(|| "nothing".to_owned(), |patch| patch["status"].to_string()));
    }

    #[test]
    fn only_what_changed_is_written() {
        check(
            json!({"phase": "Running", "podIP": "1.2.3.4"}),
            json!({"phase": "Running", "podIP": "1.2.3.4"}),
            expect!["nothing"],
        );
        check(json!({"phase": "Pending"}), json!({"phase": "Running"}), expect![[r#"{"phase":"Running"}"#]]);
        check(
            json!({"reason": "Old", "phase": "Running"}),
            json!({"phase": "Running"}),
            expect![[r#"{"reason":null}"#]],
        );
    }

    #[test]
    fn conditions_of_others_are_left_alone() {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": "2026-01-02T03:04:05Z"});
        let mut because = condition("Ready", "False");
        because["reason"] = json!("X");
        check(
            json!({"conditions": [condition("Theirs", "True"), because, condition("Initialized", "True")]}),
            json!({"conditions": [condition("Ready", "True"), condition("Initialized", "True")]}),
            expect![[
                r#"{"conditions":[{"lastTransitionTime":"2026-01-02T03:04:05Z","reason":null,"status":"True","type":"Ready"}]}"#
            ]],
        );
    }

    #[test]
    fn addresses_are_replaced_not_merged() {
        check(
            json!({"podIPs": [{"ip": "1.1.1.1"}]}),
            json!({"podIPs": [{"ip": "2.2.2.2"}]}),
            expect![[r#"{"podIPs":[{"ip":"2.2.2.2"},{"$patch":"replace"}]}"#]],
        );
    }
}
