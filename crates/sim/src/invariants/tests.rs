use sampan_store::{Change, Key, Op, Revision};
use serde_json::{Value, json};

use super::*;

/// What is written, and the invariants that it breaks.
type Row<'a> = (&'a [(&'a str, &'a str, Value)], &'a [&'a str]);

/// Writes these objects one after the other and answers what each write broke, and what is unsettled at the end.
fn history(writes: &[(&str, &str, Value)]) -> Vec<&'static str> {
    let mut world = World::default();
    let mut broken = Vec::new();
    for (at, (resource, name, object)) in writes.iter().enumerate() {
        let revision = Revision(at as u64 + 1);
        let data = object.to_string().into();
        let key = Key::new(*resource, "", *name);
        let step = world.apply(&Change { revision, create_revision: revision, key, op: Op::Update, data });
        broken.extend(broken_by(&world, &step).into_iter().map(|(name, _)| name));
    }
    broken.extend(unsettled(&world, &[]).into_iter().map(|(name, _)| name));
    broken
}

fn pod(node: &str, cpu: &str) -> Value {
    json!({
        "metadata": { "uid": "1" }, "status": { "phase": "Running" },
        "spec": { "nodeName": node, "containers": [{ "resources": { "requests": { "cpu": cpu } } }] },
    })
}

#[test]
fn each_promise_is_seen_to_be_broken() {
    let node = json!({ "metadata": { "uid": "n" }, "status": { "allocatable": { "cpu": "1" } } });
    let owned = |mut object: Value| {
        object["metadata"]["ownerReferences"] =
            json!([{ "apiVersion": "v1", "kind": "X", "name": "x", "uid": "gone", "controller": true }]);
        object
    };
    let job = |succeeded: i64, condition: &str| {
        let conditions = json!([{ "type": condition, "status": "True" }]);
        json!({ "spec": { "completions": 2 }, "status": { "succeeded": succeeded, "conditions": conditions } })
    };
    let deployment = |ready: i64| {
        let status = json!({ "observedGeneration": 1, "replicas": ready, "readyReplicas": ready, "updatedReplicas": ready, "availableReplicas": ready });
        json!({ "metadata": { "uid": "d", "generation": 1 }, "spec": { "replicas": 2 }, "status": status })
    };
    let deleted = json!({ "metadata": { "deletionTimestamp": "2026-01-02T03:04:05Z" } });
    let rows: [Row; 9] = [
        (&[("/nodes", "a", node.clone()), ("/pods", "p", pod("a", "1"))], &[]),
        (&[("/pods", "p", pod("a", "1")), ("/pods", "p", pod("b", "1"))], &["bound_once"]),
        (&[("/nodes", "a", node), ("/pods", "p", pod("a", "1001m"))], &["room_on_nodes"]),
        (&[("batch/jobs", "j", job(3, "Failed"))], &["completions_exact"]),
        (
            &[("batch/jobs", "j", job(2, "Failed")), ("batch/jobs", "j", job(1, "Complete"))],
            &["completions_exact", "jobs_done"],
        ),
        (&[("/pods", "p", owned(pod("a", "1")))], &["owners_exist"]),
        (&[("apps/deployments", "d", deployment(0))], &["deployments_ready"]),
        (&[("apps/deployments", "d", deployment(2))], &["deployments_ready"]),
        (&[("/configmaps", "c", deleted)], &["ended"]),
    ];
    for (writes, expected) in rows {
        assert_eq!(history(writes), expected, "{writes:?}");
    }
}
