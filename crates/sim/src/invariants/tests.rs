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
    let set_pod = |index: &str| {
        let owner =
            json!([{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "set", "controller": true }]);
        json!({ "metadata": { "name": format!("s-{index}"), "uid": index, "ownerReferences": owner, "labels": { "app": "s", "apps.kubernetes.io/pod-index": "0" } }, "status": { "phase": "Running" } })
    };
    let named = |mut object: Value, name: &str| {
        object["metadata"]["name"] = json!(name);
        object["metadata"]["uid"] = json!(name);
        object
    };
    let stateful = json!({ "spec": { "replicas": 2 }, "status": { "replicas": 2 } });
    let budget = |allowed: i64| json!({ "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "s" } } }, "status": { "expectedPods": 0, "currentHealthy": 0, "disruptionsAllowed": allowed } });
    let evicted = |going: bool| {
        let deleted = going.then_some("2026-01-02T03:04:05Z");
        let conditions = json!([{ "type": "DisruptionTarget", "reason": "EvictionByEvictionAPI", "status": "True" }, { "type": "Ready", "status": "True" }]);
        json!({ "metadata": { "name": "p", "uid": "p", "labels": { "app": "s" }, "deletionTimestamp": deleted }, "status": { "phase": "Running", "conditions": conditions } })
    };
    let cron_job = json!({ "spec": { "successfulJobsHistoryLimit": 1 }, "status": { "active": [{ "name": "j" }] } });
    let rows: [Row; 17] = [
        (&[("/nodes", "a", node.clone()), ("/pods", "p", pod("a", "1"))], &[]),
        (&[("/pods", "p", pod("a", "1")), ("/pods", "p", pod("b", "1"))], &["no_pod_bound_twice"]),
        (&[("/nodes", "a", node), ("/pods", "p", pod("a", "1001m"))], &["requests_within_allocatable"]),
        (&[("batch/jobs", "j", job(3, "Failed"))], &["completions_exact"]),
        (
            &[("batch/jobs", "j", job(2, "Failed")), ("batch/jobs", "j", job(1, "Complete"))],
            &["completions_exact", "jobs_done"],
        ),
        (&[("/pods", "p", owned(pod("a", "1")))], &["no_orphans"]),
        (&[("apps/deployments", "d", deployment(0))], &["deployments_ready"]),
        (&[("apps/deployments", "d", deployment(2))], &["deployments_ready"]),
        (&[("/configmaps", "c", deleted)], &["ended"]),
        (&[("apps/statefulsets", "s", named(stateful, "s"))], &["stateful_sets_ready"]),
        (
            &[(
                "apps/statefulsets",
                "set",
                named(
                    json!({ "spec": { "replicas": 0 }, "metadata": { "generation": 1 }, "status": { "observedGeneration": 1 } }),
                    "set",
                ),
            )],
            &[],
        ),
        (
            &[
                (
                    "apps/statefulsets",
                    "set",
                    named(
                        json!({ "spec": { "replicas": 0 }, "metadata": { "generation": 1 }, "status": { "observedGeneration": 1 } }),
                        "set",
                    ),
                ),
                ("/pods", "s-0", set_pod("0")),
                ("/pods", "s-1", set_pod("1")),
            ],
            &["one_pod_per_ordinal", "stateful_sets_ready"],
        ),
        (
            &[("/nodes", "n", named(json!({}), "n")), ("apps/daemonsets", "d", named(json!({ "status": {} }), "d"))],
            &["daemon_sets_ready"],
        ),
        (&[("batch/cronjobs", "c", named(cron_job, "c"))], &["cron_jobs_kept"]),
        (&[("policy/poddisruptionbudgets", "b", named(budget(0), "b"))], &[]),
        (&[("policy/poddisruptionbudgets", "b", named(budget(-1), "b"))], &["budgets_respected", "budgets_true"]),
        (
            &[
                ("policy/poddisruptionbudgets", "b", named(budget(0), "b")),
                ("/pods", "p", evicted(false)),
                ("/pods", "p", evicted(true)),
            ],
            &["budgets_respected", "budgets_true", "ended"],
        ),
    ];
    for (writes, expected) in rows {
        assert_eq!(history(writes), expected, "{writes:?}");
    }
}
