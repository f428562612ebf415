//! Who a pod is: name, labels, host name and volumes. As upstream's `stateful_set_utils.go`.

use std::sync::Arc;

use sampan_api::k8s::api::apps::v1::{ControllerRevision, StatefulSet};
use sampan_api::k8s::api::core::v1::{PersistentVolumeClaimVolumeSource, Pod, PodSpec, Volume};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Observed, claims, revision_of};
use crate::history::{self, REVISION};
use crate::ownership::controller_reference;

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// `web` and 2 of `web-2`.
pub(crate) fn parent_and_ordinal(name: &str) -> Option<(&str, i32)> {
    let (parent, ordinal) = name.rsplit_once('-')?;
    let digits = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    ordinal.parse().ok().filter(|_| digits).map(|ordinal| (parent, ordinal))
}

pub(super) fn ordinal(pod: &Pod) -> Option<i32> {
    parent_and_ordinal(pod.metadata.name.as_deref()?).map(|(_, ordinal)| ordinal)
}

/// Whether the pod's name is that of one of the set's.
pub(crate) fn is_member(set: &StatefulSet, pod: &Pod) -> bool {
    let parent = pod.metadata.name.as_deref().and_then(parent_and_ordinal).map(|(parent, _)| parent);
    parent.is_some() && parent == set.metadata.name.as_deref()
}

pub(super) fn pod_name(set: &StatefulSet, ordinal: i32) -> String {
    format!("{}-{ordinal}", set.metadata.name.as_deref().unwrap_or_default())
}

/// The pod for an ordinal, of the template that is due there.
pub(super) fn new_pod(observed: &Observed<'_>, ordinal: i32) -> Pod {
    let set = observed.set;
    let revision = if is_held_back(observed, ordinal) { observed.current } else { observed.update };
    let template = history::template_of(revision).unwrap_or_else(|| observed.spec().template.clone());
    let meta = template.metadata.unwrap_or_default();
    let name = pod_name(set, ordinal);
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        generate_name: Some(format!("{}-", set.metadata.name.as_deref().unwrap_or_default())),
        namespace: set.metadata.namespace.clone(),
        labels: meta.labels,
        annotations: meta.annotations,
        finalizers: meta.finalizers,
        owner_references: Some(vec![controller_reference(set)]),
        ..ObjectMeta::default()
    };
    let mut spec = template.spec.unwrap_or_default();
    spec.hostname = Some(name);
    spec.subdomain = observed.spec().service_name.clone().filter(|service| !service.is_empty());
    mount_claims(observed, ordinal, &mut spec);
    let mut pod = Pod { metadata, spec: Some(spec), ..Pod::default() };
    label(&mut pod, ordinal);
    set_revision(&mut pod, revision);
    pod
}

/// Whether a rollout has not come to this ordinal yet, so that its pod is to be of the current revision.
fn is_held_back(observed: &Observed<'_>, ordinal: i32) -> bool {
    if observed.is_on_delete() {
        return false;
    }
    let held_back = match observed.rolling() {
        Some(_) => observed.partition(),
        // As many as there are of it: those that were deleted for the rollout count no more.
        None => super::status::of_revision(observed, observed.current),
    };
    ordinal < observed.start().saturating_add(held_back)
}

fn label(pod: &mut Pod, ordinal: i32) {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME.to_owned(), name);
    labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
}

fn set_revision(pod: &mut Pod, revision: &ControllerRevision) {
    let name = revision.metadata.name.clone().unwrap_or_default();
    pod.metadata.labels.get_or_insert_default().insert(REVISION.to_owned(), name);
}

/// The claims of the templates take the place of volumes of the same name.
fn mount_claims(observed: &Observed<'_>, ordinal: i32, spec: &mut PodSpec) {
    let templates = observed.spec().volume_claim_templates.as_deref().unwrap_or_default();
    let volume = |template| {
        let claim_name = claims::name(observed.set, template, ordinal);
        let source = PersistentVolumeClaimVolumeSource { claim_name, read_only: None };
        let name = template.metadata.name.clone().unwrap_or_default();
        Volume { name, persistent_volume_claim: Some(source), ..Volume::default() }
    };
    let mut volumes: Vec<Volume> = templates.iter().map(volume).collect();
    let others = spec.volumes.take().unwrap_or_default();
    let claimed = volumes.len();
    for other in others {
        if volumes.iter().take(claimed).all(|volume| volume.name != other.name) {
            volumes.push(other);
        }
    }
    spec.volumes = Some(volumes).filter(|volumes| !volumes.is_empty());
}

/// The pod with the labels of its identity, if it lacks them.
pub(super) fn restored(observed: &Observed<'_>, pod: &Arc<Pod>) -> Option<Pod> {
    let ordinal = ordinal(pod).filter(|ordinal| observed.in_range(*ordinal))?;
    let labels = pod.metadata.labels.as_ref();
    let labelled = labels.and_then(|labels| labels.get(POD_NAME)) == pod.metadata.name.as_ref();
    if labelled {
        return None;
    }
    let mut pod = (**pod).clone();
    label(&mut pod, ordinal);
    Some(pod)
}

/// Whether the pod is of the revision the set goes to.
pub(super) fn is_up_to_date(observed: &Observed<'_>, pod: &Pod) -> bool {
    revision_of(pod) == observed.update_name()
}
