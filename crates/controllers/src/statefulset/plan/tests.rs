//! Whole lives of StatefulSets against a model of a cluster in which pods become ready when told to.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::controller::Key;
use crate::history;
use crate::testing::{now, object};

mod claims;
mod histories;

struct World {
    set: StatefulSet,
    pods: BTreeMap<String, Pod>,
    claims: BTreeMap<String, PersistentVolumeClaim>,
    revisions: Vec<Arc<ControllerRevision>>,
    /// Objects made so far.
    made: u32,
    clock: Timestamp,
}

fn set(spec: &Value) -> StatefulSet {
    let mut set = json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "set", "generation": 1 },
        "spec": {
            "replicas": 3, "serviceName": "web", "selector": { "matchLabels": { "app": "web" } },
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "main", "image": "web:0" }] } },
        },
    });
    for (name, value) in spec.as_object().into_iter().flatten() {
        set["spec"][name.as_str()] = value.clone();
    }
    object(set)
}

impl World {
    fn new(spec: &Value) -> Self {
        let (pods, claims) = (BTreeMap::new(), BTreeMap::new());
        Self { set: set(spec), pods, claims, revisions: Vec::new(), made: 0, clock: now() }
    }

    fn uid(&mut self) -> Option<String> {
        self.made += 1;
        Some(format!("uid-{}", self.made))
    }

    fn newest(&mut self) -> Arc<ControllerRevision> {
        let template = self.set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
        let number = history::next_number(&self.revisions);
        let wanted = history::new(&self.set, &template, "controller.kubernetes.io/hash", number, 0);
        match history::newest(&self.revisions, wanted) {
            history::Newest::Known(revision) => revision,
            history::Newest::Missing(revision) => {
                self.revisions.push(Arc::new(*revision));
                self.revisions.last().cloned().expect("it was just pushed")
            }
            history::Newest::Renumbered(revision) => {
                let revision = Arc::new(*revision);
                self.revisions.retain(|old| old.metadata.name != revision.metadata.name);
                self.revisions.push(revision.clone());
                revision
            }
        }
    }

    fn plan(&mut self) -> Plan {
        let update = self.newest();
        let current = current_revision(&self.set, &self.revisions).unwrap_or_else(|| update.clone());
        let pods: Vec<_> = self.pods.values().cloned().map(Arc::new).collect();
        let claim = |name: &str| self.claims.get(name).cloned().map(Arc::new);
        let observed = Observed {
            set: &self.set,
            pods: &pods,
            claim: &claim,
            current: &current,
            update: &update,
            collisions: 0,
            now: self.clock,
        };
        plan(&observed)
    }

    /// One reconcile carried out; returns whether anything was written.
    fn step(&mut self) -> bool {
        let Plan { claims, owners, create, update, delete, blocked: _, status, requeue: _ } = self.plan();
        let wrote = claims.len() + owners.len() + create.len() + update.len() + delete.len();
        for mut claim in claims {
            claim.metadata.uid = self.uid();
            assert!(self.claims.insert(claim.metadata.name.clone().unwrap_or_default(), claim).is_none());
        }
        for claim in owners {
            self.claims.insert(claim.metadata.name.clone().unwrap_or_default(), claim);
        }
        for mut pod in create {
            pod.metadata.uid = self.uid();
            pod.status = Some(object(json!({ "phase": "Pending" })));
            let twin = self.pods.insert(pod.metadata.name.clone().unwrap_or_default(), pod);
            assert!(twin.is_none(), "two pods of one name: {twin:?}");
        }
        for pod in update {
            self.pods.insert(pod.metadata.name.clone().unwrap_or_default(), pod);
        }
        for pod in delete {
            let name = pod.metadata.name.clone().unwrap_or_default();
            let pod = self.pods.get_mut(&name).expect("what is deleted is there");
            pod.metadata.deletion_timestamp =
                Some(sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time(self.clock));
        }
        let changed = status.is_some();
        self.set.status = status.or_else(|| self.set.status.take());
        wrote > 0 || changed
    }

    fn be(&mut self, name: &str, phase: &str, ready: bool) {
        let ready = if ready { "True" } else { "False" };
        let since = sampan_meta::time::format_time(self.clock);
        let condition = json!({ "type": "Ready", "status": ready, "lastTransitionTime": since });
        let pod = self.pods.get_mut(name).expect("it is there");
        pod.status = Some(object(json!({ "phase": phase, "conditions": [condition] })));
    }

    /// What is to start has started, what is to go is gone, with the claims it owns.
    fn kubelet(&mut self) {
        let names: Vec<String> = self.pods.keys().cloned().collect();
        for name in names {
            let pod = &self.pods[&name];
            if pod.metadata.deletion_timestamp.is_some() {
                self.pods.remove(&name);
            } else if pod::phase(pod) == "Pending" && !is_broken(pod) {
                self.be(&name, "Running", true);
            }
        }
        let alive = |uid: &String| self.pods.values().any(|pod| pod.metadata.uid.as_ref() == Some(uid));
        self.claims.retain(|_, claim| {
            let mut owners = claim.metadata.owner_references.iter().flatten();
            owners.all(|owner| owner.kind != "Pod" || alive(&owner.uid))
        });
    }

    fn settle(&mut self) {
        for _ in 0..200 {
            let before = (self.picture(), self.owners());
            let wrote = self.step();
            self.kubelet();
            if !wrote && before == (self.picture(), self.owners()) {
                return;
            }
        }
        panic!("does not settle: {:?}", self.plan());
    }

    fn set_image(&mut self, image: &str) {
        let spec = self.set.spec.as_mut().expect("it has one");
        spec.template.spec.as_mut().expect("it has one").containers[0].image = Some(image.to_owned());
    }

    fn set_replicas(&mut self, replicas: i32) {
        self.set.spec.as_mut().expect("it has one").replicas = Some(replicas);
    }

    /// Each pod as `ordinal:image`, with `?` when it is not ready and `!` when it is being deleted.
    fn picture(&self) -> String {
        let one = |(name, pod): (&String, &Pod)| {
            let ready = if pod::is_ready(pod) { "" } else { "?" };
            let going = if pod::is_terminating(pod) { "!" } else { "" };
            let ordinal = name.rsplit_once('-').map_or("", |(_, ordinal)| ordinal);
            format!("{ordinal}:{}{ready}{going}", image(pod).trim_start_matches("web:"))
        };
        self.pods.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// The pictures until nothing changes any more.
    fn film(&mut self) -> Vec<String> {
        let mut pictures = vec![self.picture()];
        for _ in 0..40 {
            self.step();
            if pictures.last() != Some(&self.picture()) {
                pictures.push(self.picture());
            }
            self.kubelet();
        }
        pictures
    }

    fn status(&self) -> StatefulSetStatus {
        self.set.status.clone().unwrap_or_default()
    }

    fn owners(&self) -> String {
        let one = |(name, claim): (&String, &PersistentVolumeClaim)| {
            let kinds: Vec<_> =
                claim.metadata.owner_references.iter().flatten().map(|owner| owner.kind.as_str()).collect();
            format!("{name}={}", kinds.join("+"))
        };
        self.claims.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

fn image(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.containers[0].image.as_deref()).unwrap_or_default()
}

fn is_broken(pod: &Pod) -> bool {
    image(pod).contains("broken")
}

fn with_claims(more: &Value) -> Value {
    let mut spec = json!({ "volumeClaimTemplates": [{ "metadata": { "name": "data", "labels": { "tier": "gold" } }, "spec": { "accessModes": ["ReadWriteOnce"] } }] });
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name.as_str()] = value.clone();
    }
    spec
}

#[test]
fn pods_come_one_after_the_other_and_go_the_other_way() {
    let mut world = World::new(&json!({}));
    let up = ["", "0:0?", "0:0 1:0?", "0:0 1:0 2:0?", "0:0 1:0 2:0"];
    assert_eq!(world.film(), up);
    world.settle();
    world.set_replicas(1);
    assert_eq!(world.film(), ["0:0 1:0 2:0", "0:0 1:0 2:0!", "0:0 1:0!", "0:0"]);
}

#[test]
fn parallel_pods_come_and_go_together() {
    let mut world = World::new(&json!({ "podManagementPolicy": "Parallel" }));
    assert_eq!(world.film(), ["", "0:0? 1:0? 2:0?", "0:0 1:0 2:0"]);
    world.set_replicas(0);
    assert_eq!(world.film(), ["0:0 1:0 2:0", "0:0! 1:0! 2:0!", ""]);
}

#[test]
fn an_ordered_set_waits_for_a_pod_that_is_not_ready_and_a_pod_that_ended_comes_again() {
    let mut world = World::new(&json!({}));
    world.settle();
    world.be("web-0", "Running", false);
    world.set_replicas(5);
    assert!(!world.step() || world.pods.len() == 3, "no fourth pod while the first is not ready");
    world.be("web-0", "Succeeded", false);
    world.settle();
    assert_eq!(world.picture(), "0:0 1:0 2:0 3:0 4:0");
}

#[test]
fn pods_that_failed_do_not_keep_a_set_from_shrinking() {
    let mut world = World::new(&json!({}));
    world.settle();
    world.be("web-0", "Failed", false);
    world.be("web-2", "Failed", false);
    world.set_replicas(0);
    assert_eq!(world.film(), ["0:0? 1:0 2:0?", "0:0?! 1:0 2:0?!", "1:0!", ""]);
}

#[test]
fn an_update_goes_from_the_highest_ordinal_down_to_the_partition() {
    let rolling = json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } } });
    let mut world = World::new(&rolling);
    world.settle();
    world.set_image("web:1");
    let film = ["0:0 1:0 2:0", "0:0 1:0 2:0!", "0:0 1:0 2:1?", "0:0 1:0! 2:1", "0:0 1:1? 2:1", "0:0 1:1 2:1"];
    assert_eq!(world.film(), film);
    let status = world.status();
    assert_ne!(status.current_revision, status.update_revision, "held back, so not over");
    assert_eq!((status.current_replicas, status.updated_replicas), (Some(1), Some(2)));
    world.pods.remove("web-0");
    world.settle();
    assert_eq!(world.picture(), "0:0 1:1 2:1", "what is held back comes again as it was");
    let strategy = object(json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }));
    world.set.spec.as_mut().unwrap().update_strategy = Some(strategy);
    world.settle();
    assert_eq!(world.picture(), "0:1 1:1 2:1");
    assert_eq!(world.status().current_revision, world.status().update_revision);
}

#[test]
fn without_parameters_an_update_holds_back_what_it_has_not_come_to() {
    let mut world = World::new(&json!({ "updateStrategy": { "type": "RollingUpdate" } }));
    world.settle();
    world.set_image("web:1");
    world.step();
    assert_eq!(world.picture(), "0:0 1:0 2:0!");
    world.pods.remove("web-2");
    world.pods.remove("web-0");
    world.step();
    world.kubelet();
    world.step();
    assert_eq!(world.picture(), "0:0 1:0 2:1?", "the first is one of those the update has not come to");
    world.settle();
    assert_eq!(world.picture(), "0:1 1:1 2:1");
}

#[test]
fn max_unavailable_lets_several_go_at_once() {
    let strategy = |share: Value| {
        let rolling = json!({ "partition": 0, "maxUnavailable": share });
        json!({ "replicas": 5, "podManagementPolicy": "Parallel", "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": rolling } })
    };
    for (share, at_once) in [(json!(2), 2), (json!("40%"), 2), (json!("10%"), 1)] {
        let mut world = World::new(&strategy(share));
        world.settle();
        world.set_image("web:1");
        world.step();
        let going = world.pods.values().filter(|pod| pod::is_terminating(pod)).count();
        assert_eq!(going, at_once);
        assert!(world.pods["web-4"].metadata.deletion_timestamp.is_some(), "the highest first");
    }
}

#[test]
fn a_parallel_set_leaves_a_broken_revision() {
    let mut world = World::new(&json!({ "podManagementPolicy": "Parallel" }));
    world.set_image("web:broken");
    world.step();
    assert_eq!(world.picture(), "0:broken? 1:broken? 2:broken?");
    world.set_image("web:1");
    world.settle();
    assert_eq!(world.picture(), "0:1 1:1 2:1");
}

#[test]
fn on_delete_a_pod_is_replaced_when_somebody_deletes_it() {
    let mut world = World::new(&json!({ "updateStrategy": { "type": "OnDelete" } }));
    world.settle();
    world.set_image("web:1");
    world.settle();
    assert_eq!(world.picture(), "0:0 1:0 2:0");
    world.pods.remove("web-1");
    world.settle();
    assert_eq!(world.picture(), "0:0 1:1 2:0");
    let status = world.status();
    assert_eq!((status.current_replicas, status.updated_replicas), (Some(2), Some(1)));
}

#[test]
fn a_rollback_takes_the_old_revision_again() {
    let mut world = World::new(&json!({}));
    world.settle();
    let first = world.status().update_revision;
    world.set_image("web:1");
    world.settle();
    world.set_image("web:0");
    world.settle();
    assert_eq!(world.status().update_revision, first);
    assert_eq!(world.revisions.iter().map(|revision| revision.revision).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_pod_knows_who_it_is() {
    let mut world = World::new(&with_claims(&json!({ "ordinals": { "start": 5 } })));
    world.settle();
    assert_eq!(world.pods.keys().collect::<Vec<_>>(), ["web-5", "web-6", "web-7"]);
    let pod = &world.pods["web-6"];
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    assert_eq!(labels["statefulset.kubernetes.io/pod-name"], "web-6");
    assert_eq!(labels["apps.kubernetes.io/pod-index"], "6");
    assert_eq!(Some(&labels["controller-revision-hash"]), world.status().update_revision.as_ref());
    let spec = pod.spec.clone().unwrap_or_default();
    assert_eq!((spec.hostname.as_deref(), spec.subdomain.as_deref()), (Some("web-6"), Some("web")));
    let claims: Vec<_> = spec.volumes.iter().flatten().filter_map(|v| v.persistent_volume_claim.clone()).collect();
    assert_eq!(claims[0].claim_name, "data-web-6");
    let claim = world.claims["data-web-6"].metadata.labels.clone().unwrap_or_default();
    assert_eq!((claim["app"].as_str(), claim["tier"].as_str()), ("web", "gold"));
    world.pods.get_mut("web-6").unwrap().metadata.labels.as_mut().unwrap().remove("statefulset.kubernetes.io/pod-name");
    world.settle();
    assert!(world.pods["web-6"].metadata.labels.as_ref().unwrap().contains_key("statefulset.kubernetes.io/pod-name"));
}

#[test]
fn availability_takes_its_seconds() {
    let mut world = World::new(&json!({ "minReadySeconds": 10 }));
    world.step();
    world.kubelet();
    let plan = world.plan();
    assert_eq!(plan.requeue, Some(Duration::from_secs(10)));
    assert!(plan.create.is_empty(), "the second waits");
    world.clock += SignedDuration::from_secs(10);
    world.step();
    assert_eq!(world.pods.len(), 2);
    assert_eq!((world.status().ready_replicas, world.status().available_replicas), (Some(1), Some(1)));
}
