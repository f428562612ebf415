//! Templates, revisions and the ReplicaSet of a new template.

use std::collections::BTreeMap;

use sampan_api::k8s::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use sampan_api::k8s::api::core::v1::PodTemplateSpec;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::Plan;
use super::rollout::{Rollout, annotate_size};
use super::status::{self, Progress};
use crate::ownership::controller_reference;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const HASH: &str = "pod-template-hash";
/// Annotations of a Deployment that mean nothing on its ReplicaSets.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    super::rollout::DESIRED,
    super::rollout::MAXIMUM,
    "deprecated.deployment.rollback.to",
];
/// Upstream's limit to the revision history's length.
const HISTORY_LENGTH: usize = 2000;

/// Sees to the new ReplicaSet's annotations and the Deployment's revision; makes it if it is missing and `may_create`.
pub(super) fn sync(rollout: &mut Rollout, plan: &mut Plan, may_create: bool) {
    let highest = rollout.old().into_iter().map(|index| revision_of(&rollout.drafts[index].set.metadata)).max();
    let revision = highest.unwrap_or(0) + 1;
    match rollout.new {
        Some(index) => adjust(rollout, plan, index, revision),
        None if may_create => create(rollout, plan, revision),
        None => {}
    }
}

/// Brings an existing new ReplicaSet up to date: an old one rolled back to gets the newest revision.
fn adjust(rollout: &mut Rollout, plan: &mut Plan, index: usize, revision: i64) {
    let (annotations, min_ready_seconds) = (inherited(&rollout.deployment), rollout.spec().min_ready_seconds);
    let set = &mut rollout.drafts[index].set;
    set_revision(&mut set.metadata, revision);
    set.metadata.annotations.get_or_insert_default().extend(annotations);
    if let Some(spec) = &mut set.spec
        && spec.min_ready_seconds.unwrap_or(0) != min_ready_seconds.unwrap_or(0)
    {
        spec.min_ready_seconds = min_ready_seconds;
    }
    let revision = revision_of(&set.metadata).to_string();
    let name = set.metadata.name.clone().unwrap_or_default();
    plan.revision = (annotation(&rollout.deployment.metadata, REVISION) != Some(&revision)).then_some(revision);
    if status::has_deadline(rollout.spec()) && !status::has_progress(&rollout.old_status) {
        status::set_progress(
            rollout,
            Progress::True,
            "FoundNewReplicaSet",
            format!("Found new replica set \"{name}\""),
        );
    }
}

fn create(rollout: &mut Rollout, plan: &mut Plan, revision: i64) {
    let mut set = new_replica_set(&rollout.deployment);
    set_revision(&mut set.metadata, revision);
    set.metadata.annotations.get_or_insert_default().extend(inherited(&rollout.deployment));
    let (wanted, surge) = (rollout.wanted(), rollout.bounds().surge);
    annotate_size(&mut set, wanted, wanted + surge);
    let room = if rollout.is_recreate() { wanted } else { (wanted + surge - rollout.total()).clamp(0, wanted) };
    if let Some(spec) = &mut set.spec {
        spec.replicas = Some(room);
    }
    if status::has_deadline(rollout.spec()) {
        let name = set.metadata.name.as_deref().unwrap_or_default();
        let message = format!("Created new replica set \"{name}\"");
        status::set_progress(rollout, Progress::True, "NewReplicaSetCreated", message);
    }
    plan.revision = Some(revision.to_string());
    plan.create = Some(Box::new(set));
}

fn new_replica_set(deployment: &Deployment) -> ReplicaSet {
    let spec = deployment.spec.clone().unwrap_or_default();
    let hash = hash(deployment);
    let mut template = spec.template;
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(HASH.to_owned(), hash.clone());
    let labels = labels.clone();
    let mut selector = spec.selector;
    selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
    let metadata = ObjectMeta {
        name: Some(format!("{}-{hash}", deployment.metadata.name.as_deref().unwrap_or_default())),
        namespace: deployment.metadata.namespace.clone(),
        labels: Some(labels),
        owner_references: Some(vec![controller_reference(deployment)]),
        ..ObjectMeta::default()
    };
    let spec = ReplicaSetSpec {
        replicas: None,
        min_ready_seconds: spec.min_ready_seconds,
        selector,
        template: Some(template),
    };
    ReplicaSet { metadata, spec: Some(spec), ..ReplicaSet::default() }
}

/// FNV-1a over the template and the collisions so far, spelt as upstream does: no vowels, no words.
fn hash(deployment: &Deployment) -> String {
    let template = deployment.spec.as_ref().map(|spec| canonical(&spec.template)).unwrap_or_default();
    let collisions = deployment.status.as_ref().and_then(|status| status.collision_count);
    let text = format!("{template}{}", collisions.map_or_else(String::new, |count| count.to_string()));
    let mut hash: u32 = 0x811c_9dc5;
    for byte in text.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let alphabet = sampan_meta::SUFFIX_ALPHABET;
    hash.to_string().bytes().map(|digit| char::from(alphabet[usize::from(digit) % alphabet.len()])).collect()
}

pub(super) fn has_template_of(set: &ReplicaSet, deployment: &Deployment) -> bool {
    let templates = set.spec.as_ref().and_then(|spec| spec.template.as_ref()).zip(deployment.spec.as_ref());
    templates.is_some_and(|(template, spec)| same_template(template, &spec.template))
}

/// Whether two templates mean the same, whatever hash label they carry.
pub(crate) fn same_template(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    one == other || canonical(one) == canonical(other)
}

/// The template without the hash label and with nothing that says nothing.
fn canonical(template: &PodTemplateSpec) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove(HASH);
    }
    let mut value = serde_json::to_value(template).unwrap_or_default();
    prune(&mut value);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
    }
    value
}

/// Null and the empty list are what is not there; an empty object may be a choice (`emptyDir: {}`).
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null() && !value.as_array().is_some_and(Vec::is_empty));
            members.values_mut().for_each(prune);
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

fn inherited(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut annotations = deployment.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|name, _| !OWN.contains(&name.as_str()));
    annotations
}

pub(super) fn revision_of(meta: &ObjectMeta) -> i64 {
    annotation(meta, REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a String> {
    meta.annotations.as_ref()?.get(name)
}

/// Raises the revision; the one it had goes into the history.
fn set_revision(meta: &mut ObjectMeta, revision: i64) {
    let old = annotation(meta, REVISION).cloned();
    if revision_of(meta) >= revision {
        return;
    }
    let annotations = meta.annotations.get_or_insert_default();
    annotations.insert(REVISION.to_owned(), revision.to_string());
    if let Some(old) = old {
        let history = annotations.remove(HISTORY).map_or_else(|| old.clone(), |history| format!("{history},{old}"));
        annotations.insert(HISTORY.to_owned(), shortened(history));
    }
}

/// The oldest revisions are forgotten first.
fn shortened(mut history: String) -> String {
    while history.len() > HISTORY_LENGTH {
        history = history.split_once(',').map_or_else(String::new, |(_, rest)| rest.to_owned());
    }
    history
}
