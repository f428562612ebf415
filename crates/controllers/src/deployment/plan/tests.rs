//! Whole rollouts against a model of the ReplicaSet controller.

mod properties;

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::testing::{now, object};

struct World {
    deployment: Deployment,
    sets: BTreeMap<String, ReplicaSet>,
    created: i64,
    clock: Timestamp,
}

fn deployment(replicas: i32, surge: i32, unavailable: i32) -> Deployment {
    object(json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "d", "generation": 1 },
        "spec": {
            "replicas": replicas, "revisionHistoryLimit": 2, "progressDeadlineSeconds": 600,
            "selector": { "matchLabels": { "app": "web" } },
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "main", "image": "web:0" }] } },
        },
    }))
}

fn size(set: &ReplicaSet) -> i32 {
    rollout::replicas(set)
}

fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

impl World {
    fn new(deployment: Deployment) -> Self {
        Self { deployment, sets: BTreeMap::new(), created: 0, clock: now() }
    }

    fn plan(&self) -> Plan {
        let sets: Vec<_> = self.sets.values().cloned().map(Arc::new).collect();
        let pods_of = |set: &ReplicaSet| set.status.as_ref().is_some_and(|status| status.replicas > 0);
        plan(&Observed { deployment: &self.deployment, replica_sets: &sets, pods_of: &pods_of, now: self.clock })
    }

    /// One reconcile carried out; returns whether anything was written.
    fn step(&mut self) -> bool {
        let Plan { create, update, delete, revision, status, requeue: _ } = self.plan();
        let wrote =
            create.is_some() || !update.is_empty() || !delete.is_empty() || revision.is_some() || status.is_some();
        if let Some(mut set) = create {
            self.created += 1;
            set.metadata.uid = Some(format!("set-{}", self.created));
            let age = self.clock + SignedDuration::from_secs(self.created);
            set.metadata.creation_timestamp = Some(sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time(age));
            self.put(*set);
        }
        update.into_iter().for_each(|(set, _)| self.put(set));
        delete.iter().for_each(|name| drop(self.sets.remove(name)));
        if let Some(revision) = revision {
            self.deployment
                .metadata
                .annotations
                .get_or_insert_default()
                .insert(revision::REVISION.to_owned(), revision);
        }
        self.deployment.status = status.or_else(|| self.deployment.status.take());
        wrote
    }

    fn put(&mut self, set: ReplicaSet) {
        self.sets.insert(set.metadata.name.clone().unwrap_or_default(), set);
    }

    /// Up to `pods` pods of each ReplicaSet come or go, and are available at once.
    fn run_pods(&mut self, pods: i32) {
        for set in self.sets.values_mut() {
            let wanted = size(set);
            let status = set.status.get_or_insert_default();
            let change = (wanted - status.replicas).clamp(-pods, pods);
            status.replicas += change;
            let count = Some(status.replicas).filter(|count| *count != 0);
            (status.ready_replicas, status.available_replicas) = (count, count);
        }
    }

    fn settle(&mut self) {
        for _ in 0..500 {
            let wrote = self.step();
            let before: Vec<_> = self.sets.values().map(available).collect();
            self.run_pods(1);
            if !wrote && before == self.sets.values().map(available).collect::<Vec<_>>() {
                return;
            }
        }
        panic!("does not settle: {:?}", self.plan());
    }

    fn set_image(&mut self, image: &str) {
        let spec = self.deployment.spec.as_mut().expect("it has one");
        spec.template.spec.as_mut().expect("it has one").containers[0].image = Some(image.to_owned());
        self.deployment.metadata.generation = self.deployment.metadata.generation.map(|generation| generation + 1);
    }

    fn set_replicas(&mut self, replicas: i32) {
        self.deployment.spec.as_mut().expect("it has one").replicas = Some(replicas);
        self.deployment.metadata.generation = self.deployment.metadata.generation.map(|generation| generation + 1);
    }

    /// Each ReplicaSet as `image: size/available`.
    fn picture(&self) -> String {
        let image = |set: &ReplicaSet| {
            let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref()).expect("it has one");
            template.spec.as_ref().expect("it has one").containers[0].image.clone().unwrap_or_default()
        };
        let mut lines: Vec<_> =
            self.sets.values().map(|set| format!("{}: {}/{}", image(set), size(set), available(set))).collect();
        lines.sort();
        lines.join(", ")
    }

    fn progress(&self) -> String {
        let conditions = self.deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let text = conditions.filter(|condition| condition.type_ == "Progressing").map(|condition| {
            format!(
                "{} {}: {}",
                condition.status,
                condition.reason.clone().unwrap_or_default(),
                condition.message.clone().unwrap_or_default()
            )
        });
        // The hash is of no interest.
        match self.sets.keys().next() {
            Some(hash) => text.collect::<String>().replace(hash, "web-HASH"),
            None => text.collect(),
        }
    }
}

#[test]
fn a_rolling_update_goes_up_by_the_surge_and_down_as_pods_become_available() {
    let mut world = World::new(deployment(4, 1, 1));
    world.settle();
    world.set_image("web:1");
    let mut pictures = vec![world.picture()];
    for _ in 0..60 {
        world.step();
        world.run_pods(4);
        if pictures.last() != Some(&world.picture()) {
            pictures.push(world.picture());
        }
    }
    expect![[r#"
        web:0: 4/4
        web:0: 4/4, web:1: 1/1
        web:0: 2/2, web:1: 1/1
        web:0: 2/2, web:1: 3/3
        web:0: 0/0, web:1: 3/3
        web:0: 0/0, web:1: 4/4"#]]
    .assert_eq(&pictures.join("\n"));
}

fn check_progress(world: &mut World, expected: Expect) {
    world.step();
    expected.assert_eq(&world.progress());
}

#[test]
fn progress_is_told_in_upstreams_words() {
    let mut world = World::new(deployment(2, 1, 0));
    let created = world.plan().create.and_then(|set| set.metadata.name.clone()).unwrap_or_default();
    world.step();
    assert_eq!(
        world.progress().replace(&created, "web-HASH"),
        "True NewReplicaSetCreated: Created new replica set \"web-HASH\""
    );
    world.run_pods(1);
    check_progress(&mut world, expect![[r#"True ReplicaSetUpdated: ReplicaSet "web-HASH" is progressing."#]]);
    world.run_pods(1);
    check_progress(
        &mut world,
        expect![[r#"True NewReplicaSetAvailable: ReplicaSet "web-HASH" has successfully progressed."#]],
    );
    world.set_image("web:broken");
    world.settle_without_pods();
    world.clock += SignedDuration::from_secs(601);
    world.step();
    assert!(world.progress().starts_with("False ProgressDeadlineExceeded: ReplicaSet \"web-"), "{}", world.progress());
    assert!(!world.step(), "the bad news is told once");
}

impl World {
    fn settle_without_pods(&mut self) {
        while self.step() {}
    }
}

#[test]
fn a_deadline_is_watched_by_a_timer_and_not_once_the_rollout_is_over() {
    let mut world = World::new(deployment(2, 1, 0));
    world.settle_without_pods();
    assert_eq!(world.plan().requeue, Some(Duration::from_secs(601)));
    world.settle();
    assert_eq!(world.plan().requeue, None);
}

#[test]
fn a_paused_deployment_is_scaled_but_not_rolled() {
    let mut world = World::new(deployment(2, 1, 0));
    world.settle();
    world.deployment.spec.as_mut().expect("it has one").paused = Some(true);
    world.set_image("web:1");
    world.set_replicas(5);
    world.settle();
    assert_eq!(world.picture(), "web:0: 5/5");
    assert_eq!(world.progress(), "Unknown DeploymentPaused: Deployment is paused");
    world.deployment.spec.as_mut().expect("it has one").paused = None;
    world.settle();
    assert_eq!(world.picture(), "web:0: 0/0, web:1: 5/5");
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_shared_out() {
    let mut world = World::new(deployment(10, 2, 0));
    world.settle();
    world.set_image("web:1");
    world.step();
    world.step();
    assert_eq!(world.picture(), "web:0: 10/10, web:1: 2/0");
    world.set_replicas(22);
    world.step();
    // 24 are allowed for 12 there are: each gets twice what it had.
    assert_eq!(world.picture(), "web:0: 20/10, web:1: 4/0");
}

#[test]
fn old_revisions_beyond_the_limit_are_deleted_and_a_rollback_reuses_what_is_left() {
    let mut world = World::new(deployment(1, 1, 0));
    for image in ["web:0", "web:1", "web:2", "web:3", "web:2"] {
        world.set_image(image);
        world.settle();
    }
    assert_eq!(world.picture(), "web:1: 0/0, web:2: 1/1, web:3: 0/0");
    let annotations = world.deployment.metadata.annotations.clone().unwrap_or_default();
    assert_eq!(annotations[revision::REVISION], "5");
    let histories = world
        .sets
        .values()
        .filter_map(|set| set.metadata.annotations.as_ref()?.get("deployment.kubernetes.io/revision-history"));
    assert_eq!(histories.collect::<Vec<_>>(), ["3"]);
}

#[test]
fn a_rollback_long_after_the_last_rollout_is_not_late_before_it_begins() {
    let mut world = World::new(deployment(2, 1, 0));
    for image in ["web:0", "web:1"] {
        world.set_image(image);
        world.settle();
    }
    world.clock += SignedDuration::from_secs(7200);
    world.set_image("web:0");
    world.step();
    assert!(world.progress().starts_with("True NewReplicaSetAvailable"), "{}", world.progress());
    world.run_pods(1);
    world.step();
    assert!(world.progress().starts_with("True ReplicaSetUpdated"), "{}", world.progress());
    world.settle_without_pods();
    world.clock += SignedDuration::from_secs(601);
    world.step();
    assert!(world.progress().starts_with("False ProgressDeadlineExceeded"), "{}", world.progress());
}

#[test]
fn a_refused_replica_set_is_told_once() {
    let mut world = World::new(deployment(2, 1, 0));
    let refuse = |world: &World| {
        refused(&world.deployment, "Failed to create new replica set \"web-1\": why".to_owned(), world.clock)
    };
    world.deployment.status = refuse(&world);
    assert_eq!(world.progress(), "False ReplicaSetCreateError: Failed to create new replica set \"web-1\": why");
    assert_eq!(refuse(&world), None);
    world.settle();
    assert!(world.progress().starts_with("True NewReplicaSetAvailable"), "{}", world.progress());
    let mut patient = deployment(2, 1, 0);
    patient.spec.as_mut().expect("it has one").progress_deadline_seconds = None;
    assert_eq!(refused(&patient, String::new(), now()), None);
}

#[test]
fn a_deployment_that_was_at_zero_shares_out_by_its_status() {
    let mut world = World::new(deployment(10, 2, 0));
    world.settle();
    world.set_image("web:1");
    world.step();
    world.step();
    world.run_pods(2);
    world.settle_status();
    for set in world.sets.values_mut() {
        set.metadata.annotations.get_or_insert_default().insert(rollout::MAXIMUM.to_owned(), "0".to_owned());
    }
    world.set_replicas(22);
    world.step();
    assert_eq!(world.picture(), "web:0: 20/10, web:1: 4/2");
}

impl World {
    /// The status alone, without what else the step would do.
    fn settle_status(&mut self) {
        self.deployment.status = self.plan().status.or_else(|| self.deployment.status.take());
    }
}
