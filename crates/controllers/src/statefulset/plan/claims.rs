//! The storage of the pods: a claim for each template and ordinal, and who owns it.
//! As upstream's `stateful_pod_control.go` and KEP-1847.

use std::sync::Arc;

use sampan_api::k8s::api::apps::v1::StatefulSet;
use sampan_api::k8s::api::core::v1::{PersistentVolumeClaim, Pod};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{Observed, identity};
use crate::controller::Key;
use crate::ownership::controller_reference;

/// What a pod's claims lack.
pub(super) enum Missing {
    /// These, or nothing.
    Some(Vec<PersistentVolumeClaim>),
    /// This one is being deleted; the next can come when it is gone.
    Going(String),
    /// One is that of an earlier pod and will be deleted with it.
    Stale,
}

pub(super) fn name(set: &StatefulSet, template: &PersistentVolumeClaim, ordinal: i32) -> String {
    let template = template.metadata.name.as_deref().unwrap_or_default();
    format!("{template}-{}", identity::pod_name(set, ordinal))
}

/// The name of the pod that a claim of the set is for.
pub(crate) fn pod_of_claim(set: &StatefulSet, claim: &PersistentVolumeClaim) -> String {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let ordinal = identity::parent_and_ordinal(name).map_or(0, |(_, ordinal)| ordinal);
    identity::pod_name(set, ordinal)
}

/// The sets a claim's name may come from: where template and set meet cannot be told from `a-b-c-0` alone.
pub(crate) fn sets_of_claim(
    claim: &PersistentVolumeClaim,
    find: &dyn Fn(&Key) -> Option<Arc<StatefulSet>>,
) -> Vec<Key> {
    let namespace = claim.metadata.namespace.as_deref().unwrap_or_default();
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let Some((stem, _)) = identity::parent_and_ordinal(name) else { return Vec::new() };
    let splits = stem.match_indices('-').map(|(at, _)| (&stem[..at], &stem[at + 1..]));
    let keys = splits.filter_map(|(template, set)| {
        let key = Key::new(namespace, set);
        let set = find(&key)?;
        let templates = set.spec.as_ref()?.volume_claim_templates.as_ref()?;
        templates.iter().any(|claim| claim.metadata.name.as_deref() == Some(template)).then_some(key)
    });
    keys.collect()
}

fn templates<'a>(observed: &Observed<'a>) -> &'a [PersistentVolumeClaim] {
    observed.spec().volume_claim_templates.as_deref().unwrap_or_default()
}

/// What has to be made before the pod, which may be there already.
pub(super) fn missing(observed: &Observed<'_>, pod: &Pod) -> Missing {
    let Some(ordinal) = identity::ordinal(pod) else { return Missing::Some(Vec::new()) };
    let mut missing = Vec::new();
    for template in templates(observed) {
        let name = name(observed.set, template, ordinal);
        match (observed.claim)(&name) {
            None => missing.push(new_claim(observed, template, name, pod)),
            Some(claim) if policy(observed).scaled && is_stale(&claim, &reference(pod)) => return Missing::Stale,
            Some(claim) if claim.metadata.deletion_timestamp.is_some() => return Missing::Going(name),
            Some(_) => {}
        }
    }
    Missing::Some(missing)
}

fn new_claim(
    observed: &Observed<'_>,
    template: &PersistentVolumeClaim,
    name: String,
    pod: &Pod,
) -> PersistentVolumeClaim {
    let mut labels = template.metadata.labels.clone().unwrap_or_default();
    labels.extend(observed.spec().selector.match_labels.clone().unwrap_or_default());
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: observed.set.metadata.namespace.clone(),
        labels: Some(labels),
        annotations: template.metadata.annotations.clone(),
        ..ObjectMeta::default()
    };
    let claim = PersistentVolumeClaim { metadata, spec: template.spec.clone(), status: None };
    adjusted(observed, pod, &claim).unwrap_or(claim)
}

/// The pod's claims whose owners are not what the retention policy says.
pub(super) fn to_adjust(observed: &Observed<'_>, pod: &Pod) -> Vec<PersistentVolumeClaim> {
    let Some(ordinal) = identity::ordinal(pod) else { return Vec::new() };
    let names = templates(observed).iter().map(|template| name(observed.set, template, ordinal));
    let claims = names.filter_map(|name| (observed.claim)(&name));
    let alive = claims.filter(|claim| claim.metadata.deletion_timestamp.is_none());
    alive.filter_map(|claim| adjusted(observed, pod, &claim)).collect()
}

/// Whether claims are deleted: with the set, and with pods that a smaller size takes away.
struct Deletes {
    with_set: bool,
    scaled: bool,
}

fn policy(observed: &Observed<'_>) -> Deletes {
    let policy = observed.spec().persistent_volume_claim_retention_policy.as_ref();
    let deletes = |what: Option<&String>| what.is_some_and(|what| what == "Delete");
    Deletes {
        with_set: deletes(policy.and_then(|policy| policy.when_deleted.as_ref())),
        scaled: deletes(policy.and_then(|policy| policy.when_scaled.as_ref())),
    }
}

/// The claim with the owners it shall have; `None`: it has them, or is not ours to touch.
fn adjusted(observed: &Observed<'_>, pod: &Pod, claim: &PersistentVolumeClaim) -> Option<PersistentVolumeClaim> {
    let (set, pod_reference) = (controller_reference(observed.set), reference(pod));
    if is_stale(claim, &set) || is_stale(claim, &pod_reference) {
        return None;
    }
    let refers = |to: &OwnerReference, reference: &OwnerReference| {
        (&to.api_version, &to.kind, &to.name) == (&reference.api_version, &reference.kind, &reference.name)
    };
    let refers_to_us = |reference: &OwnerReference| [&set, &pod_reference].iter().any(|owner| refers(owner, reference));
    let old = claim.metadata.owner_references.clone().unwrap_or_default();
    let (ours, mut new): (Vec<_>, Vec<_>) = old.into_iter().partition(refers_to_us);
    let condemned = identity::ordinal(pod).is_some_and(|ordinal| !observed.in_range(ordinal));
    let Deletes { with_set, scaled } = policy(observed);
    let has_other_controller = new.iter().any(|owner| owner.controller == Some(true));
    let wanted = match (condemned && scaled, with_set) {
        _ if has_other_controller => None,
        (true, _) => Some(pod_reference),
        (false, true) => Some(set),
        (false, false) => None,
    };
    let is_right = |owner: &OwnerReference| {
        owner.controller == Some(true) && wanted.as_ref().is_some_and(|wanted| wanted.uid == owner.uid)
    };
    if ours.len() == usize::from(wanted.is_some()) && ours.iter().all(is_right) {
        return None;
    }
    new.extend(wanted);
    let mut claim = claim.clone();
    claim.metadata.owner_references = Some(new);
    Some(claim)
}

fn reference(pod: &Pod) -> OwnerReference {
    controller_reference(pod)
}

/// Whether the claim is owned by an earlier object of the same name.
fn is_stale(claim: &PersistentVolumeClaim, owner: &OwnerReference) -> bool {
    let owners = claim.metadata.owner_references.iter().flatten();
    let mut same_name =
        owners.filter(|other| (&other.kind, &other.name) == (&owner.kind, &owner.name)).map(|other| &other.uid);
    same_name.any(|uid| *uid != owner.uid)
}
