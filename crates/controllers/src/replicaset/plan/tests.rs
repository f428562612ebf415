use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, now, object};

fn replica_set(replicas: i64) -> ReplicaSet {
    object(json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "rs", "generation": 1 },
        "spec": {
            "replicas": replicas, "minReadySeconds": 10, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [] } },
        },
    }))
}

fn pod(name: &str, phase: &str, ready_for: Option<i64>, more: &Value) -> Arc<Pod> {
    let conditions: Vec<Value> = ready_for
        .map(|seconds| json!({ "type": "Ready", "status": "True", "lastTransitionTime": ago(seconds) }))
        .into_iter()
        .collect();
    let mut pod = json!({
        "metadata": { "name": name, "uid": name, "labels": { "app": "web" }, "creationTimestamp": ago(3600) },
        "spec": { "containers": [], "nodeName": "edge-1" },
        "status": { "phase": phase, "conditions": conditions },
    });
    for (pointer, value) in more.as_object().into_iter().flatten() {
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        pod.pointer_mut(parent).expect("the parent exists")[member] = value.clone();
    }
    Arc::new(object(pod))
}

fn run(replicas: i64, pods: &[Arc<Pod>]) -> Plan {
    plan(&Observed { replica_set: &replica_set(replicas), pods, related: pods, now: now() })
}

/// Which of the pods goes when one has to.
fn first_to_go(pods: Vec<Arc<Pod>>) -> String {
    match run(i64::try_from(pods.len()).expect("few") - 1, &pods).manage {
        Manage::Delete(pods) => pods.iter().filter_map(|pod| pod.metadata.name.clone()).collect::<Vec<_>>().join(","),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_pod_that_is_missed_least_goes_first() {
    let running = |name: &str, more: Value| pod(name, "Running", Some(600), &more);
    let other = || running("other", json!({}));
    assert_eq!(first_to_go(vec![other(), running("unbound", json!({ "/spec/nodeName": null }))]), "unbound");
    assert_eq!(first_to_go(vec![other(), pod("pending", "Pending", Some(600), &json!({}))]), "pending");
    assert_eq!(first_to_go(vec![other(), pod("unready", "Running", None, &json!({}))]), "unready");
    let cost = json!({ "/metadata/annotations": { "controller.kubernetes.io/pod-deletion-cost": "-5" } });
    assert_eq!(first_to_go(vec![other(), running("cheap", cost)]), "cheap");
    let elsewhere = running("lonely", json!({ "/spec/nodeName": "edge-2" }));
    assert_ne!(first_to_go(vec![running("a", json!({})), running("b", json!({})), elsewhere]), "lonely");
    assert_eq!(first_to_go(vec![other(), pod("fresh", "Running", Some(20), &json!({}))]), "fresh");
    assert_eq!(
        first_to_go(vec![other(), running("young", json!({ "/metadata/creationTimestamp": ago(900) }))]),
        "young"
    );
}

#[test]
fn pods_that_end_are_not_counted_and_those_being_deleted_are_said_to() {
    let dying = pod("dying", "Running", Some(60), &json!({ "/metadata/deletionTimestamp": ago(1) }));
    let pods = [pod("fine", "Running", Some(60), &json!({})), pod("fresh", "Running", Some(4), &json!({})), dying];
    let plan = run(3, &pods);
    assert!(matches!(plan.manage, Manage::Create(1)), "{plan:?}");
    assert_eq!(plan.requeue, Some(Duration::from_secs(6)), "until the fresh one is available");
    let observed = Observed { replica_set: &replica_set(3), pods: &pods, related: &[], now: now() };
    let status = status(&observed, None).expect("there is none yet");
    assert_eq!((status.replicas, status.ready_replicas, status.available_replicas), (2, Some(2), Some(1)));
    assert_eq!(status.terminating_replicas, Some(1));
}

#[test]
fn a_failure_is_said_until_it_is_over_and_dated_once() {
    let mut set = replica_set(3);
    let failed = |set: &ReplicaSet, failure: Option<&str>, later: i64| {
        let now = now() + jiff::SignedDuration::from_secs(later);
        status(&Observed { replica_set: set, pods: &[], related: &[], now }, failure)
    };
    set.status = failed(&set, Some("no quota"), 0);
    let condition =
        set.status.as_ref().and_then(|status| status.conditions.as_ref()?.first().cloned()).expect("it failed");
    assert_eq!((condition.type_.as_str(), condition.reason.as_deref()), ("ReplicaFailure", Some("FailedCreate")));
    assert_eq!(failed(&set, Some("no quota"), 60), None);
    assert!(failed(&set, None, 60).expect("it is over").conditions.is_none());
}

proptest! {
    #[test]
    fn what_is_planned_once_done_leaves_nothing_to_do(replicas in 0_i64..20, existing in 0_usize..30) {
        let mut pods: Vec<_> = (0..existing).map(|number| pod(&format!("pod-{number}"), "Running", Some(60), &json!({}))).collect();
        match run(replicas, &pods).manage {
            Manage::Nothing => {}
            Manage::Create(count) => pods.extend((0..count).map(|number| pod(&format!("new-{number}"), "Pending", None, &json!({})))),
            Manage::Delete(gone) => pods.retain(|pod| !gone.iter().any(|gone| gone.metadata.uid == pod.metadata.uid)),
        }
        prop_assert_eq!(pods.len(), usize::try_from(replicas).expect("small"));
        prop_assert!(matches!(run(replicas, &pods).manage, Manage::Nothing));
        let mut set = replica_set(replicas);
        let observed = Observed { replica_set: &set, pods: &pods, related: &pods, now: now() };
        let written = status(&observed, None);
        set.status = written.or(set.status);
        let observed = Observed { replica_set: &set, pods: &pods, related: &pods, now: now() };
        prop_assert_eq!(status(&observed, None), None);
    }
}
