//! Says by VolumeAttachments which CSI volumes are to be at which nodes, and tells nodes which are. As upstream's
//! `pkg/controller/volume/attachdetach` with the attacher of `pkg/volume/csi`; the work itself is an external attacher's.
//!
//! It minds the nodes that say that somebody does ([`plan::MANAGED`]), as those of upstream's kubelets do. What is attached is read from
//! the VolumeAttachments; kept here is only since when a volume that is no longer wanted is waited for, and what was told to whom.

mod observe;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use sampan_api::k8s::api::storage::v1::{CSIDriver, VolumeAttachment, VolumeAttachmentSource, VolumeAttachmentSpec};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_client::{DeleteParams, Informer, ListParams, Patch, PatchParams, PostParams, error, recorder};
use serde_json::json;
use tokio::time::Instant;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::node_lifecycle::add_node_index;
use crate::table::Entry;
use plan::{Plan, Saying, Wanted};

pub(crate) const ENTRY: Entry = Entry {
    name: "attachdetach-controller",
    identity: "attachdetach-controller",
    requires: &[("storage.k8s.io", "volumeattachments"), ("storage.k8s.io", "csidrivers")],
    permissions: &[
        Rule {
            group: "",
            resources: &["persistentvolumeclaims", "persistentvolumes", "pods"],
            verbs: &["list", "watch"],
        },
        Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["nodes/status"], verbs: &["patch"] },
        Rule {
            group: "storage.k8s.io",
            resources: &["volumeattachments"],
            verbs: &["get", "list", "watch", "create", "delete"],
        },
        Rule { group: "storage.k8s.io", resources: &["csidrivers"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(AttachDetach::new(context.clone())),
};

struct AttachDetach {
    cx: Context,
    nodes: Informer<Node>,
    pods: Informer<Pod>,
    claims: Informer<PersistentVolumeClaim>,
    volumes: Informer<PersistentVolume>,
    drivers: Informer<CSIDriver>,
    attachments: Informer<VolumeAttachment>,
    /// By node.
    remembered: Mutex<BTreeMap<String, Remembered>>,
}

/// By the name of an attachment of the node.
#[derive(Default)]
struct Remembered {
    /// Since when it is there and not wanted any more.
    unwanted: BTreeMap<String, Instant>,
    /// What was said last of one that is wanted.
    said: BTreeMap<String, String>,
}

impl AttachDetach {
    fn new(cx: Context) -> Self {
        let (pods, attachments) = (cx.informer::<Pod>(), cx.informer::<VolumeAttachment>());
        add_node_index(&pods);
        observe::add_indices(&pods, &attachments);
        Self {
            nodes: cx.informer(),
            pods,
            claims: cx.informer(),
            volumes: cx.informer(),
            drivers: cx.informer(),
            attachments,
            remembered: Mutex::default(),
            cx,
        }
    }

    /// The key is the node's.
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let node = self.nodes.get(key);
        if node.as_deref().is_some_and(|node| !plan::is_managed(node)) {
            return Ok(Next::Settled);
        }
        let wanted = self.wanted(&key.name, node.as_deref());
        let there = self.attachments.by_index(observe::BY_NODE, &key.name);
        let elsewhere = self.elsewhere(&key.name, &wanted);
        let waited = self.waited(&key.name, &there, &wanted);
        let volume = |name: &str| self.volumes.get(&Key::new("", name));
        let Plan { attach, report, detach, says, again } = plan::plan(&plan::Observed {
            node: node.as_deref(),
            wanted: &wanted,
            there: &there,
            elsewhere: &elsewhere,
            waited: &waited,
            volume: &volume,
        });
        // A node is told that a volume is no longer safe to mount before it goes, and told of a new one once it is there.
        if let Some(attached) = report {
            let patch = Patch::Merge(json!({ "status": { "volumesAttached": attached } }));
            self.cx.cluster::<Node>().patch_status(&key.name, &PatchParams::default(), &patch).await?;
        }
        self.say(&key.name, says);
        for name in detach {
            self.detach(&name).await?;
        }
        for wanted in attach {
            self.attach(&key.name, wanted).await?;
        }
        Ok(Next::from(again))
    }

    async fn attach(&self, node: &str, wanted: &Wanted) -> Result<(), Failure> {
        // Not by hearsay: another node may have got it a moment ago. That attachment brings this node back.
        if !wanted.shared && self.is_elsewhere(node, &wanted.volume).await? {
            return Ok(());
        }
        let attachment = VolumeAttachment {
            metadata: ObjectMeta { name: Some(wanted.attachment.clone()), ..ObjectMeta::default() },
            spec: VolumeAttachmentSpec {
                attacher: wanted.driver.clone(),
                node_name: node.to_owned(),
                source: VolumeAttachmentSource {
                    persistent_volume_name: Some(wanted.volume.clone()),
                    ..VolumeAttachmentSource::default()
                },
            },
            status: None,
        };
        match self.cx.cluster::<VolumeAttachment>().create(&PostParams::default(), &attachment).await {
            Err(failure) if !error::is_already_exists(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }

    async fn is_elsewhere(&self, node: &str, volume: &str) -> Result<bool, Failure> {
        let all = self.cx.cluster::<VolumeAttachment>().list(&ListParams::default()).await?;
        let mut specs = all.items.iter().map(|attachment| &attachment.spec);
        Ok(specs.any(|spec| spec.source.persistent_volume_name.as_deref() == Some(volume) && spec.node_name != node))
    }

    async fn detach(&self, name: &str) -> Result<(), Failure> {
        match self.cx.cluster::<VolumeAttachment>().delete(name, &DeleteParams::default()).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// For how long each attachment that is not wanted has not been. What is remembered of others is forgotten.
    fn waited(
        &self,
        node: &str,
        there: &[Arc<VolumeAttachment>],
        wanted: &[Wanted],
    ) -> BTreeMap<String, std::time::Duration> {
        let now = Instant::now();
        let is_wanted = |name: &String| wanted.iter().any(|wanted| wanted.attachment == *name);
        let mut nodes = self.remembered.lock();
        let Remembered { unwanted, said } = nodes.entry(node.to_owned()).or_default();
        said.retain(|name, _| is_wanted(name));
        let names = there.iter().filter_map(|one| one.metadata.name.clone()).filter(|name| !is_wanted(name));
        *unwanted = names.map(|name| (name.clone(), unwanted.get(&name).copied().unwrap_or(now))).collect();
        let waited = unwanted.iter().map(|(name, since)| (name.clone(), now.duration_since(*since))).collect();
        if unwanted.is_empty() && said.is_empty() {
            nodes.remove(node);
        }
        waited
    }

    /// Once, however often it is found.
    fn say(&self, node: &str, says: Vec<Saying>) {
        for Saying { attachment, to, event_type, reason, message } in says {
            let known =
                self.remembered.lock().entry(node.to_owned()).or_default().said.insert(attachment, message.clone());
            if known.as_ref() == Some(&message) {
                continue;
            }
            for pod in &to {
                self.cx.recorder.event(&recorder::reference(&**pod), event_type, reason, message.clone());
            }
        }
    }
}

impl Controller for AttachDetach {
    fn watches(&self) -> Vec<Watch> {
        observe::watches(self)
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }

    /// What may be at one node only must not be given to two at once.
    fn workers(&self) -> usize {
        1
    }
}
