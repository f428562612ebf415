//! Makes the objects of `local-path` volumes: directories on the disk of the node a claim's first pod goes to. The directories are the
//! nodes' to make and to remove ([`sampan_api::local_path`]).

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim};
use sampan_api::k8s::api::storage::v1::StorageClass;
use sampan_api::local_path::DIRECTORY_ANNOTATION;
use sampan_api::volume::{annotation, claim_class, volume_name};
use sampan_client::{Api, DeleteParams, Informer, PostParams, Preconditions, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use plan::{ClaimPlan, View, VolumePlan};

pub(crate) const ENTRY: Entry = Entry {
    name: "local-path-provisioner",
    identity: "local-path-provisioner",
    requires: &[("", "persistentvolumes"), ("", "persistentvolumeclaims"), ("storage.k8s.io", "storageclasses")],
    permissions: &[
        Rule {
            group: "",
            resources: &["persistentvolumes"],
            verbs: &["create", "delete", "get", "list", "update", "watch"],
        },
        Rule { group: "", resources: &["persistentvolumeclaims"], verbs: &["get", "list", "update", "watch"] },
        Rule { group: "", resources: &["persistentvolumeclaims/status"], verbs: &["update"] },
        Rule { group: "", resources: &["nodes"], verbs: &["get", "list", "watch"] },
        Rule { group: "storage.k8s.io", resources: &["storageclasses"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(LocalPath::new(context.clone())),
};

/// Claims that wait for a volume of ours, by the node they are to be made for.
const WAITING: &str = "waiting-local-path";
/// Our volumes by their node.
const BY_NODE: &str = "local-path-node";

struct LocalPath {
    cx: Context,
    volumes: Informer<PersistentVolume>,
    claims: Informer<PersistentVolumeClaim>,
    classes: Informer<StorageClass>,
    nodes: Informer<Node>,
}

impl LocalPath {
    fn new(cx: Context) -> Self {
        let (volumes, claims) = (cx.informer::<PersistentVolume>(), cx.informer::<PersistentVolumeClaim>());
        claims.add_index(WAITING, |claim| {
            let waits = plan::is_called(claim) && volume_name(claim).is_none();
            plan::selected_node(claim).filter(|_| waits).map(str::to_owned).into_iter().collect()
        });
        volumes.add_index(BY_NODE, |volume| plan::node_of(volume).map(str::to_owned).into_iter().collect());
        Self { volumes, claims, classes: cx.informer(), nodes: cx.informer(), cx }
    }

    async fn sync_claim(&self, key: &Key) -> Result<Next, Failure> {
        let Some(claim) = self.claims.get(key) else { return Ok(Next::Settled) };
        let class = claim_class(&claim).and_then(|name| self.classes.get(&Key::new("", name)));
        let volume = volume_name(&claim).and_then(|name| self.volumes.get(&Key::new("", name)));
        let node = match plan::selected_node(&claim).filter(|_| volume_name(&claim).is_none()) {
            Some(name) => self.node(name).await?,
            None => None,
        };
        let view = View { class: class.as_deref(), node: node.as_deref(), volume: volume.as_deref() };
        match plan::claim(&claim, &view) {
            ClaimPlan::Nothing => Ok(Next::Settled),
            ClaimPlan::Make(volume) => self.make(&claim, &volume).await,
            ClaimPlan::Refuse(why) => {
                let class = claim_class(&claim).unwrap_or_default();
                let message = format!("failed to provision volume with StorageClass {class:?}: {why}");
                self.cx.recorder.warning(&*claim, "ProvisioningFailed", message);
                Ok(Next::Settled)
            }
            ClaimPlan::Reschedule(changed) => {
                self.claims_of(key).replace(&key.name, &PostParams::default(), &changed).await?;
                Ok(Next::Settled)
            }
            ClaimPlan::GrowVolume(larger) => {
                self.cx.cluster().replace(&larger.name_any(), &PostParams::default(), &*larger).await?;
                Ok(Next::Settled)
            }
            ClaimPlan::GrowClaim(larger) => {
                self.claims_of(key).replace_status(&key.name, &PostParams::default(), &larger).await?;
                self.cx.recorder.normal(&*claim, "VolumeResizeSuccessful", "Resize volume succeeded");
                Ok(Next::Settled)
            }
        }
    }

    fn claims_of(&self, key: &Key) -> Api<PersistentVolumeClaim> {
        self.cx.api(&key.namespace)
    }

    /// That a node is gone is not taken by hearsay: volumes would be given up.
    async fn node(&self, name: &str) -> Result<Option<Arc<Node>>, Failure> {
        match self.nodes.get(&Key::new("", name)) {
            Some(node) => Ok(Some(node)),
            None => Ok(self.cx.cluster::<Node>().get_opt(name).await?.map(Arc::new)),
        }
    }

    async fn make(&self, claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> Result<Next, Failure> {
        match self.cx.cluster().create(&PostParams::default(), volume).await {
            Ok(_) => {
                let message = format!("Successfully provisioned volume {}", volume.name_any());
                self.cx.recorder.normal(claim, "ProvisioningSucceeded", message);
                Ok(Next::Settled)
            }
            Err(failure) if error::is_already_exists(&failure) => Ok(Next::Settled),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn sync_volume(&self, key: &Key) -> Result<Next, Failure> {
        let Some(volume) = self.volumes.get(key) else { return Ok(Next::Settled) };
        let going = volume.metadata.deletion_timestamp.is_some();
        let node_is_there = match plan::node_of(&volume).filter(|_| going) {
            Some(name) => self.node(name).await?.is_some(),
            None => !going,
        };
        let api = self.cx.cluster::<PersistentVolume>();
        let done = match plan::volume(&volume, node_is_there) {
            VolumePlan::Nothing => Ok(()),
            VolumePlan::LetGo(changed) => api.replace(&key.name, &PostParams::default(), &changed).await.map(drop),
            VolumePlan::Delete => {
                let preconditions = Some(Preconditions { uid: volume.uid(), resource_version: None });
                let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
                api.delete(&key.name, &parameters).await.map(drop)
            }
        };
        match done {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

impl Controller for LocalPath {
    fn watches(&self) -> Vec<Watch> {
        let of_volume = Watch::new(&self.volumes, |change| {
            let reference = change.object().spec.as_ref().and_then(|spec| spec.claim_ref.clone());
            let claim =
                reference.map(|claim| Key::new(claim.namespace.unwrap_or_default(), claim.name.unwrap_or_default()));
            std::iter::once(Key::new("", change.object().name_any())).chain(claim).collect()
        });
        let (claims, volumes) = (self.claims.clone(), self.volumes.clone());
        let of_node = Watch::new(&self.nodes, move |change| {
            let directory = |node: &Arc<Node>| annotation(&node.metadata, DIRECTORY_ANNOTATION).map(str::to_owned);
            if change.old.as_ref().map(directory) == change.new.as_ref().map(directory) {
                return Vec::new();
            }
            let node = change.object().name_any();
            let claims = claims.by_index(WAITING, &node).into_iter();
            let claims =
                claims.map(|claim| Key::new(claim.metadata.namespace.clone().unwrap_or_default(), claim.name_any()));
            let volumes = volumes.by_index(BY_NODE, &node).into_iter().map(|volume| Key::new("", volume.name_any()));
            claims.chain(volumes).collect()
        });
        // Of classes nothing follows, but they must be known: a claim is called for once its class is.
        vec![Watch::each(&self.claims), of_volume, of_node, Watch::new(&self.classes, |_| Vec::new())]
    }

    /// Volumes have no namespace, claims have one.
    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        async move { if key.namespace.is_empty() { self.sync_volume(key).await } else { self.sync_claim(key).await } }
            .boxed()
    }
}
