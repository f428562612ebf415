//! What is to be at one node, and what of it is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::{AttachedVolume, Node, PersistentVolume, Pod};
use sampan_api::k8s::api::storage::v1::VolumeAttachment;
use sampan_api::pod;
use sampan_api::volume::annotation;
use sampan_client::EventType;
use sha2::{Digest, Sha256};

/// On a node: attaching is left to the controller.
pub(super) const MANAGED: &str = "volumes.kubernetes.io/controller-managed-attach-detach";
/// On a node: volumes stay for pods that are over but still there.
const KEEP: &str = "volumes.kubernetes.io/keep-terminated-pod-volumes";
/// A node with this taint is known to be off: nothing is mounted there, whatever it said last.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// For how long a node that is not ready may say that it still has a volume mounted (upstream's `maxWaitForUnmountDuration`).
const PATIENCE: Duration = Duration::from_secs(6 * 60);

/// A volume that pods want at the node.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The PersistentVolume's name.
    pub(super) volume: String,
    pub(super) driver: String,
    /// What the VolumeAttachment is called.
    pub(super) attachment: String,
    /// Whether it may be at several nodes.
    pub(super) shared: bool,
    /// Who wants it.
    pub(super) pods: Vec<Arc<Pod>>,
}

pub(super) struct Observed<'a> {
    /// `None`: gone, which has nothing mounted.
    pub(super) node: Option<&'a Node>,
    pub(super) wanted: &'a [Wanted],
    /// All VolumeAttachments of the node.
    pub(super) there: &'a [Arc<VolumeAttachment>],
    /// By volume that is at other nodes: the pods there that use it.
    pub(super) elsewhere: &'a BTreeMap<String, Vec<Arc<Pod>>>,
    /// By attachment that is not wanted: for how long.
    pub(super) waited: &'a BTreeMap<String, Duration>,
    /// Finds a PersistentVolume.
    pub(super) volume: &'a (dyn Fn(&str) -> Option<Arc<PersistentVolume>> + Sync),
}

#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    /// Volumes to make a VolumeAttachment for.
    pub(super) attach: Vec<&'a Wanted>,
    /// `status.volumesAttached` as it shall be, if it is not.
    pub(super) report: Option<Vec<AttachedVolume>>,
    /// VolumeAttachments to delete, after the report is written.
    pub(super) detach: Vec<String>,
    pub(super) says: Vec<Saying>,
    /// When to look again.
    pub(super) again: Option<Duration>,
}

/// Something for the pods that wait for a volume.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) attachment: String,
    pub(super) to: Vec<Arc<Pod>>,
    pub(super) event_type: EventType,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

pub(super) fn is_managed(node: &Node) -> bool {
    annotation(&node.metadata, MANAGED) == Some("true")
}

/// Whether a pod's volumes have to be at its node (upstream's `DetermineVolumeAction`).
pub(super) fn holds_volumes(pod: &Pod, node: &Node) -> bool {
    !pod::is_terminal(pod) || annotation(&node.metadata, KEEP) == Some("true")
}

/// What it takes to have this volume at the node; `None`: nothing.
pub(super) fn wanted(volume: &PersistentVolume, node: &str, needs_attaching: &dyn Fn(&str) -> bool) -> Option<Wanted> {
    let spec = volume.spec.as_ref()?;
    let csi = spec.csi.as_ref().filter(|csi| needs_attaching(&csi.driver))?;
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    Some(Wanted {
        volume: volume.metadata.name.clone()?,
        driver: csi.driver.clone(),
        attachment: attachment_name(&csi.volume_handle, &csi.driver, node),
        shared: modes.is_empty() || modes.iter().any(|mode| mode == "ReadWriteMany" || mode == "ReadOnlyMany"),
        pods: Vec::new(),
    })
}

/// Upstream's `getAttachmentName`: kubelets make the same one up to look for it.
fn attachment_name(handle: &str, driver: &str, node: &str) -> String {
    let hash = Sha256::digest(format!("{handle}{driver}{node}"));
    hash.iter().fold("csi-".to_owned(), |name, byte| name + &format!("{byte:02x}"))
}

fn unique_name(driver: &str, handle: &str) -> String {
    format!("kubernetes.io/csi/{driver}^{handle}")
}

pub(super) fn plan<'a>(observed: &Observed<'a>) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut attached = Vec::new();
    for attachment in observed.there {
        let name = attachment.metadata.name.as_deref().unwrap_or_default();
        let Some(unique) = observed.unique(attachment, name) else { continue };
        let wanted = observed.wanted.iter().find(|wanted| wanted.attachment == name);
        let going = attachment.metadata.deletion_timestamp.is_some();
        let told = observed.node.is_some_and(|node| says_attached(node, &unique));
        let leave = wanted.is_none() && !going && observed.may_leave(name, &unique, &mut plan.again);
        if leave {
            plan.detach.push(name.to_owned());
        } else if !going && is_attached(attachment) {
            attached.push(unique);
        }
        if let Some(wanted) = wanted.filter(|_| !going && !told) {
            plan.says.extend(outcome(wanted, attachment));
        }
    }
    for wanted in observed.wanted.iter().filter(|wanted| !observed.has(&wanted.attachment)) {
        match observed.elsewhere.get(&wanted.volume).filter(|_| !wanted.shared) {
            Some(users) => plan.says.push(multi_attach(wanted, users)),
            None => plan.attach.push(wanted),
        }
    }
    plan.report = observed.node.and_then(|node| report(node, attached));
    plan
}

impl Observed<'_> {
    fn has(&self, name: &str) -> bool {
        self.there.iter().any(|attachment| attachment.metadata.name.as_deref() == Some(name))
    }

    /// What the node calls the volume, if the attachment is one of ours: others make attachments, too, and look after them.
    fn unique(&self, attachment: &VolumeAttachment, name: &str) -> Option<String> {
        let spec = &attachment.spec;
        let volume = (self.volume)(spec.source.persistent_volume_name.as_deref()?)?;
        let csi = volume.spec.as_ref()?.csi.as_ref()?;
        let ours = attachment_name(&csi.volume_handle, &csi.driver, &spec.node_name) == name;
        ours.then(|| unique_name(&csi.driver, &csi.volume_handle))
    }

    /// Whether nothing can be mounted of it any more, or nobody can be waited for longer.
    fn may_leave(&self, name: &str, unique: &str, again: &mut Option<Duration>) -> bool {
        let Some(node) = self.node else { return true };
        let in_use = node.status.iter().flat_map(|status| status.volumes_in_use.iter().flatten());
        if !in_use.clone().any(|in_use| in_use == unique) || is_off(node) {
            return true;
        }
        if is_ready(node) {
            return false;
        }
        let waited = self.waited.get(name).copied().unwrap_or_default();
        if waited < PATIENCE {
            let left = PATIENCE - waited;
            *again = Some(again.map_or(left, |again| again.min(left)));
        }
        waited >= PATIENCE
    }
}

fn is_off(node: &Node) -> bool {
    let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    taints.any(|taint| taint.key == OUT_OF_SERVICE)
}

fn is_ready(node: &Node) -> bool {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn is_attached(attachment: &VolumeAttachment) -> bool {
    attachment.status.as_ref().is_some_and(|status| status.attached)
}

fn says_attached(node: &Node, unique: &str) -> bool {
    let mut said = node.status.iter().flat_map(|status| status.volumes_attached.iter().flatten());
    said.any(|volume| volume.name == unique)
}

/// `None`: the node says so already.
fn report(node: &Node, attached: Vec<String>) -> Option<Vec<AttachedVolume>> {
    // The path of a device is the driver's secret: empty, as upstream.
    let mut wanted: Vec<AttachedVolume> =
        attached.into_iter().map(|name| AttachedVolume { name, device_path: String::new() }).collect();
    wanted.sort_by(|one, other| one.name.cmp(&other.name));
    let said = node.status.as_ref().and_then(|status| status.volumes_attached.as_deref()).unwrap_or_default();
    (said != wanted).then_some(wanted)
}

/// What the attacher made of it.
fn outcome(wanted: &Wanted, attachment: &VolumeAttachment) -> Option<Saying> {
    let status = attachment.status.as_ref()?;
    let name = &wanted.volume;
    let (event_type, reason, message) = match (&status.attach_error, status.attached) {
        (_, true) => (
            EventType::Normal,
            "SuccessfulAttachVolume",
            format!("AttachVolume.Attach succeeded for volume \"{name}\" "),
        ),
        (Some(error), false) => {
            let why = error.message.as_deref().unwrap_or_default();
            (
                EventType::Warning,
                "FailedAttachVolume",
                format!("AttachVolume.Attach failed for volume \"{name}\" : {why}"),
            )
        }
        (None, false) => return None,
    };
    Some(Saying { attachment: wanted.attachment.clone(), to: wanted.pods.clone(), event_type, reason, message })
}

/// Names other pods only to those of their namespace.
fn multi_attach(wanted: &Wanted, users: &[Arc<Pod>]) -> Saying {
    let namespaces: Vec<_> = wanted.pods.iter().map(|pod| &pod.metadata.namespace).collect();
    let own = |pod: &&Arc<Pod>| namespaces.contains(&&pod.metadata.namespace);
    let named: Vec<&str> = users.iter().filter(own).filter_map(|pod| pod.metadata.name.as_deref()).collect();
    let others = users.len() - named.len();
    let why = match (named.len(), others) {
        (0, 0) => "Volume is already exclusively attached to one node and can't be attached to another".to_owned(),
        (0, others) => format!("Volume is already used by {others} pod(s) in different namespaces"),
        (_, 0) => format!("Volume is already used by pod(s) {}", named.join(", ")),
        (_, others) => {
            format!("Volume is already used by pod(s) {} and {others} pod(s) in different namespaces", named.join(", "))
        }
    };
    Saying {
        attachment: wanted.attachment.clone(),
        to: wanted.pods.clone(),
        event_type: EventType::Warning,
        reason: "FailedAttachVolume",
        message: format!("Multi-Attach error for volume \"{}\" {why}", wanted.volume),
    }
}

#[cfg(test)]
mod tests;
