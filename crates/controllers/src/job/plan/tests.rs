//! Whole lives of Jobs against a model of pods that end as chance wills.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{now, object};

struct World {
    job: Job,
    pods: BTreeMap<String, Pod>,
    made: usize,
    clock: Timestamp,
    /// How often each index, or pod, has succeeded and failed in truth.
    succeeded: usize,
    failed: usize,
}

fn job(more: &Value) -> Job {
    let mut spec = json!({
        "completions": 1, "parallelism": 1, "backoffLimit": 6, "selector": { "matchLabels": { "controller-uid": "j" } },
        "template": { "metadata": { "labels": { "controller-uid": "j" } }, "spec": { "restartPolicy": "Never", "containers": [] } },
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name.as_str()] = value.clone();
    }
    object(json!({ "metadata": { "name": "pi", "namespace": "default", "uid": "j" }, "spec": spec }))
}

impl World {
    fn new(spec: &Value) -> Self {
        Self { job: job(spec), pods: BTreeMap::new(), made: 0, clock: now(), succeeded: 0, failed: 0 }
    }

    fn plan(&self) -> Plan {
        let pods: Vec<_> = self.pods.values().cloned().map(Arc::new).collect();
        plan(&Observed { job: &self.job, pods: &pods, now: self.clock })
    }

    /// One reconcile carried out; returns whether anything was written.
    fn step(&mut self) -> bool {
        let Plan { status, notes: _, release, delete, create, requeue: _ } = self.plan();
        let wrote = status.is_some() || !release.is_empty() || !delete.is_empty() || !create.is_empty();
        self.job.status = status.or_else(|| self.job.status.take());
        for pod in release {
            self.pod(&pod).metadata.finalizers = None;
        }
        for Unwanted { pod, uncounted } in delete {
            if uncounted {
                self.pods.remove(pod.metadata.name.as_deref().unwrap_or_default());
            } else {
                let now = self.clock;
                self.pod(&pod).metadata.deletion_timestamp =
                    Some(sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time(now));
            }
        }
        for place in create {
            self.made += 1;
            let mut pod = new_pod(&self.job, place);
            let name = format!("pi-{:03}", self.made);
            pod.metadata.name = Some(name.clone());
            pod.metadata.uid = Some(format!("uid-{:03}", self.made));
            self.pods.insert(name, pod);
        }
        wrote
    }

    fn pod(&mut self, pod: &Pod) -> &mut Pod {
        self.pods.get_mut(pod.metadata.name.as_deref().unwrap_or_default()).expect("it is there")
    }

    /// The next active pod ends.
    fn end_one(&mut self, well: bool) {
        let Some(pod) = self.pods.values_mut().find(|pod| pod::is_active(pod)) else { return };
        let phase = if well { "Succeeded" } else { "Failed" };
        pod.status.get_or_insert_default().phase = Some(phase.to_owned());
        let seconds = i64::try_from(self.succeeded + self.failed).unwrap_or(0);
        let at = self.clock - SignedDuration::from_secs(1000 - seconds);
        pod.metadata.creation_timestamp = Some(sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time(at));
        if well { self.succeeded += 1 } else { self.failed += 1 }
    }

    /// Pods being deleted disappear once they are counted.
    fn bury(&mut self) {
        self.pods.retain(|_, pod| !pod::is_terminating(pod) || is_tracked(pod));
    }

    fn ended(&self) -> String {
        let conditions = self.job.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let last = conditions
            .filter(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed"))
            .map(|condition| format!("{} {}", condition.type_, condition.reason.clone().unwrap_or_default()));
        last.collect()
    }

    fn counts(&self) -> (i32, i32) {
        let status = self.job.status.clone().unwrap_or_default();
        (status.succeeded.unwrap_or(0), status.failed.unwrap_or(0))
    }
}

#[test]
fn a_pod_is_put_on_record_then_released_then_counted() {
    let mut world = World::new(&json!({}));
    world.step();
    world.end_one(true);
    world.step();
    let uncounted = world.job.status.clone().and_then(|status| status.uncounted_terminated_pods).unwrap_or_default();
    assert_eq!(uncounted.succeeded, Some(vec!["uid-001".to_owned()]));
    assert_eq!(world.counts(), (0, 0));
    assert!(world.pods.values().all(is_tracked), "not released before it is on record");
    world.step();
    assert!(!world.pods.values().any(is_tracked));
    assert_eq!((world.counts(), world.ended().as_str()), ((0, 0), ""));
    world.step();
    assert_eq!((world.counts(), world.ended().as_str()), ((1, 0), "Complete CompletionsReached"));
    assert!(!world.step());
}

#[test]
fn failed_pods_are_replaced_after_a_growing_pause() {
    let mut world = World::new(&json!({}));
    world.step();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let name = world.pods.keys().next_back().cloned().unwrap_or_default();
        let pod = world.pods.get_mut(&name).expect("it was made");
        pod.status.get_or_insert_default().phase = Some("Failed".to_owned());
        pod.metadata.creation_timestamp = Some(sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time(world.clock));
        while world.plan().create.is_empty() && world.step() {}
        let pause = world.plan().requeue.expect("it waits");
        pauses.push(pause.as_secs());
        world.clock += SignedDuration::try_from(pause).expect("small");
        world.step();
    }
    assert_eq!(pauses, [10, 20, 40, 80]);
}

#[test]
fn a_deadline_is_kept_by_a_timer_and_ends_what_runs() {
    let mut world = World::new(&json!({ "activeDeadlineSeconds": 60 }));
    world.step();
    assert_eq!(world.plan().requeue, Some(Duration::from_secs(60)));
    world.clock += SignedDuration::from_secs(60);
    for _ in 0..6 {
        world.step();
        world.bury();
    }
    assert_eq!((world.ended().as_str(), world.counts()), ("Failed DeadlineExceeded", (0, 1)));
    assert!(world.pods.is_empty());
}

#[test]
fn less_parallelism_deletes_pods_without_counting_them_as_failures() {
    let mut world = World::new(&json!({ "completions": 5, "parallelism": 5 }));
    world.step();
    assert_eq!(world.pods.len(), 5);
    world.job.spec.as_mut().expect("it has one").parallelism = Some(2);
    world.step();
    assert_eq!((world.pods.len(), world.counts()), (2, (0, 0)));
}

#[test]
fn an_indexed_pod_knows_its_index() {
    let mut world = World::new(&json!({ "completions": 3, "parallelism": 2, "completionMode": "Indexed" }));
    world.step();
    let pod = &world.pods["pi-002"];
    let spec = pod.spec.clone().unwrap_or_default();
    assert_eq!(spec.hostname.as_deref(), Some("pi-1"));
    assert_eq!(pod.metadata.annotations.as_ref().map(|annotations| annotations[indexes::INDEX].as_str()), Some("1"));
    assert_eq!(pod.metadata.generate_name.as_deref(), Some("pi-1-"));
}

#[test]
fn index_lists_are_read_and_written_as_upstream_does() {
    for text in ["", "0", "0,1", "0-2", "0-2,5", "1,3-5,7,8"] {
        assert_eq!(indexes::format(&indexes::parse(text, 100)), text);
    }
    assert_eq!(indexes::format(&indexes::parse("0-9,x,3-", 3)), "0-2");
}

impl World {
    /// The active pod of an index ends, with an exit code if not well.
    fn end_index(&mut self, index: u32, code: i32) {
        let at = self.clock;
        let of_index = |pod: &&mut Pod| pod::is_active(pod) && indexes::index_of(pod) == Some(index);
        let pod = self.pods.values_mut().find(of_index).expect("the index is at work");
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let ended = json!({ "exitCode": code, "finishedAt": sampan_meta::time::format_time(at) });
        let container = json!({ "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "terminated": ended } });
        pod.status = Some(object(json!({ "phase": phase, "containerStatuses": [container] })));
    }

    fn settle(&mut self) {
        while self.step() {
            self.bury();
        }
    }

    fn pass(&mut self, seconds: i64) {
        self.clock += SignedDuration::from_secs(seconds);
        self.settle();
    }

    fn indexes_at_work(&self) -> Vec<u32> {
        let active = self.pods.values().filter(|pod| pod::is_active(pod));
        let mut indexes: Vec<u32> = active.filter_map(indexes::index_of).collect();
        indexes.sort_unstable();
        indexes
    }

    fn failed_indexes(&self) -> Option<String> {
        self.job.status.as_ref()?.failed_indexes.clone()
    }
}

fn indexed(more: &Value) -> Value {
    let mut spec = json!({ "completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimit": i32::MAX });
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name.as_str()] = value.clone();
    }
    spec
}

#[test]
fn an_index_has_its_own_limit_and_its_own_pause() {
    let mut world = World::new(&indexed(&json!({ "backoffLimitPerIndex": 1 })));
    world.settle();
    world.end_index(1, 1);
    world.settle();
    assert_eq!(world.indexes_at_work(), [0, 2]);
    assert_eq!(world.plan().requeue, Some(Duration::from_secs(10)), "the index waits, the others do not");
    assert_eq!(world.counts(), (0, 0), "the failed pod is kept uncounted for its number");
    world.pass(10);
    assert_eq!(world.indexes_at_work(), [0, 1, 2]);
    assert_eq!(world.counts(), (0, 1));
    let again = world.pods.values().find(|pod| pod::is_active(pod) && indexes::index_of(pod) == Some(1)).unwrap();
    assert_eq!(again.metadata.annotations.as_ref().unwrap()["batch.kubernetes.io/job-index-failure-count"], "1");
    world.end_index(1, 1);
    world.settle();
    world.pass(3600);
    assert_eq!((world.indexes_at_work(), world.failed_indexes().as_deref()), (vec![0, 2], Some("1")));
    world.end_index(0, 0);
    world.end_index(2, 0);
    world.settle();
    assert_eq!((world.ended().as_str(), world.counts()), ("Failed FailedIndexes", (2, 2)));
    assert!(!world.pods.values().any(is_tracked));
}

#[test]
fn too_many_failed_indexes_end_the_job() {
    let spec = indexed(&json!({ "backoffLimitPerIndex": 0, "maxFailedIndexes": 1 }));
    let mut world = World::new(&spec);
    world.settle();
    world.end_index(0, 1);
    world.settle();
    assert_eq!((world.ended().as_str(), world.failed_indexes().as_deref()), ("", Some("0")));
    world.end_index(2, 1);
    world.settle();
    assert_eq!(world.ended(), "Failed MaxFailedIndexesExceeded");
    assert_eq!(world.failed_indexes().as_deref(), Some("0-2"), "what is stopped has failed, as upstream counts");
}

#[test]
fn a_failure_policy_ignores_fails_an_index_or_fails_the_job() {
    let rule =
        |action: &str, code: i32| json!({ "action": action, "onExitCodes": { "operator": "In", "values": [code] } });
    let rules = json!({ "rules": [rule("Ignore", 3), rule("FailIndex", 4), rule("FailJob", 5)] });
    let mut world = World::new(&indexed(&json!({ "backoffLimitPerIndex": 5, "podFailurePolicy": rules })));
    world.settle();
    world.end_index(0, 3);
    world.settle();
    world.pass(10);
    assert_eq!((world.indexes_at_work(), world.counts()), (vec![0, 1, 2], (0, 0)));
    world.end_index(1, 4);
    world.settle();
    world.pass(3600);
    assert_eq!((world.indexes_at_work(), world.failed_indexes().as_deref()), (vec![0, 2], Some("1")));
    world.end_index(2, 5);
    world.settle();
    assert!(world.ended().is_empty(), "the end waits for what still runs");
    world.pods.values_mut().filter(|pod| pod::is_terminating(pod)).for_each(|pod| {
        pod.status.get_or_insert_default().phase = Some("Failed".to_owned());
    });
    world.settle();
    assert_eq!(world.ended(), "Failed PodFailurePolicy");
    let conditions = world.job.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    let message = conditions.last().and_then(|condition| condition.message.clone()).unwrap_or_default();
    assert!(message.ends_with("failed with exit code 5 matching FailJob rule at index 2"), "{message}");
}

#[test]
fn a_success_policy_ends_the_job_when_enough_indexes_succeeded() {
    let rules = json!({ "rules": [{ "succeededIndexes": "0,2", "succeededCount": 1 }] });
    let mut world = World::new(&indexed(&json!({ "successPolicy": rules })));
    world.settle();
    world.end_index(1, 0);
    world.settle();
    assert_eq!(world.ended(), "");
    world.end_index(2, 0);
    world.settle();
    assert_eq!((world.ended().as_str(), world.counts()), ("Complete SuccessPolicy", (2, 0)));
    assert!(world.indexes_at_work().is_empty(), "the rest is stopped");
}

proptest! {
    #[test]
    fn every_job_ends_and_every_pod_is_counted_once(
        completions in 1_i32..6, parallelism in 1_i32..4, limit in 0_i32..4, indexed in any::<bool>(),
        fates in proptest::collection::vec(prop::bool::weighted(0.7), 40),
    ) {
        let mode = if indexed { "Indexed" } else { "NonIndexed" };
        let mut world = World::new(&json!({ "completions": completions, "parallelism": parallelism, "backoffLimit": limit, "completionMode": mode }));
        for fate in fates {
            world.step();
            prop_assert!(world.pods.values().filter(|pod| pod::is_active(pod)).count() <= usize::try_from(parallelism).expect("small"));
            if world.ended().is_empty() {
                world.end_one(fate);
            }
            world.step();
            world.bury();
            world.clock += SignedDuration::from_secs(3600);
        }
        while world.step() {
            world.bury();
        }
        let (succeeded, failed) = world.counts();
        match world.ended().as_str() {
            "Complete CompletionsReached" => {
                prop_assert_eq!(succeeded, completions);
                prop_assert!(failed <= limit);
            }
            "Failed BackoffLimitExceeded" => prop_assert!(failed > limit),
            other => prop_assert!(false, "{} {:?}", other, world.plan()),
        }
        prop_assert!(!world.pods.values().any(is_tracked));
        prop_assert!(!world.step(), "once ended nothing is written");
    }
}
