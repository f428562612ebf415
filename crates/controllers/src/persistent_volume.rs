//! Binds claims to volumes and volumes to claims, and says what became of both. As upstream's `pkg/controller/volume/persistentvolume`,
//! driven by changes in place of its circle of 15 seconds.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod};
use sampan_api::k8s::api::storage::v1::StorageClass;
use sampan_api::pod;
use sampan_api::volume::{self, DEFAULT_CLASS, claim_class, claim_names, volume_name};
use sampan_client::{Api, Change, Informer, PostParams, ResourceExt, error, recorder};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
pub(crate) use plan::reference;
use plan::{Plan, Step, View};

pub(crate) const ENTRY: Entry = Entry {
    name: "persistentvolume-controller",
    identity: "persistent-volume-binder",
    requires: &[("", "persistentvolumes"), ("", "persistentvolumeclaims"), ("storage.k8s.io", "storageclasses")],
    permissions: &[
        Rule { group: "", resources: &["persistentvolumes"], verbs: &["get", "list", "update", "watch"] },
        Rule { group: "", resources: &["persistentvolumes/status"], verbs: &["update"] },
        Rule { group: "", resources: &["persistentvolumeclaims"], verbs: &["get", "list", "update", "watch"] },
        Rule { group: "", resources: &["persistentvolumeclaims/status"], verbs: &["update"] },
        Rule { group: "storage.k8s.io", resources: &["storageclasses"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(Binder::new(context.clone())),
};

/// Volumes by the claim (`namespace/name`) their pointer names.
const BY_CLAIM: &str = "claim";
/// Claims by the volume their pointer names.
const BY_VOLUME: &str = "volume";
/// Claims without a volume, by their class.
const WAITING: &str = "waiting";

struct Binder {
    cx: Context,
    volumes: Informer<PersistentVolume>,
    claims: Informer<PersistentVolumeClaim>,
    classes: Informer<StorageClass>,
    pods: Informer<Pod>,
}

impl Binder {
    fn new(cx: Context) -> Self {
        let (volumes, claims) = (cx.informer::<PersistentVolume>(), cx.informer::<PersistentVolumeClaim>());
        volumes.add_index(BY_CLAIM, |volume| claim_of(volume).iter().map(Key::to_string).collect());
        claims.add_index(BY_VOLUME, |claim| volume_name(claim).map(str::to_owned).into_iter().collect());
        claims.add_index(WAITING, |claim| {
            let class = claim_class(claim).unwrap_or_default().to_owned();
            volume_name(claim).is_none().then_some(class).into_iter().collect()
        });
        Self { volumes, claims, classes: cx.informer(), pods: cx.informer(), cx }
    }

    async fn sync_claim(&self, key: &Key) -> Result<Next, Failure> {
        let Some(claim) = self.claims.get(key) else { return Ok(Next::Settled) };
        let class = claim_class(&claim).and_then(|name| self.classes.get(&Key::new("", name)));
        let (volumes, classes) = (self.volumes.list(), self.classes.list());
        let view = View {
            volumes: &volumes,
            class: class.as_deref(),
            default_class: default_class(&classes),
            waiting_pods: &self.waiting_pods(key),
        };
        let plan = plan::claim(&claim, &view);
        self.carry_out(&recorder::reference(&*claim), plan).await
    }

    /// The pods that use a claim and have no node.
    fn waiting_pods(&self, claim: &Key) -> Vec<String> {
        let pods = self.pods.list_namespace(&claim.namespace).into_iter();
        let waits = |pod: &Arc<Pod>| {
            pod::node_name(pod).is_none() && !pod::is_terminal(pod) && claim_names(pod).contains(&claim.name)
        };
        let mut names: Vec<String> = pods.filter(waits).map(|pod| pod.name_any()).collect();
        names.sort();
        names
    }

    async fn sync_volume(&self, key: &Key) -> Result<Next, Failure> {
        let Some(volume) = self.volumes.get(key) else { return Ok(Next::Settled) };
        let claim = self.holder(&volume).await?;
        let plan = plan::volume(&volume, claim.as_deref());
        self.carry_out(&recorder::reference(&*volume), plan).await
    }

    /// The claim a volume points to. That it is gone is not taken by hearsay: the data would go with it.
    async fn holder(&self, volume: &PersistentVolume) -> Result<Option<Arc<PersistentVolumeClaim>>, Failure> {
        let reference = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        let (Some(reference), Some(key)) = (reference, claim_of(volume)) else { return Ok(None) };
        let known = self.claims.get(&key);
        let certain = known.as_ref().is_some_and(|claim| claim.metadata.uid == reference.uid);
        if certain || matches!(volume::volume_phase(volume), "Released" | "Failed") {
            return Ok(known);
        }
        let api: Api<PersistentVolumeClaim> = self.cx.api(&key.namespace);
        Ok(api.get_opt(&key.name).await?.map(Arc::new))
    }

    async fn carry_out(&self, about: &ObjectReference, plan: Plan) -> Result<Next, Failure> {
        let Plan { step, says } = plan;
        if let Some(says) = says {
            self.cx.recorder.event(about, says.event_type, says.reason, says.message);
        }
        let (parameters, claims) =
            (PostParams::default(), |claim: &PersistentVolumeClaim| -> Api<PersistentVolumeClaim> {
                self.cx.api(claim.metadata.namespace.as_deref().unwrap_or_default())
            });
        let volumes = self.cx.cluster::<PersistentVolume>();
        let written = match step {
            Step::Settled => Ok(()),
            Step::Claim(claim) => claims(&claim).replace(&claim.name_any(), &parameters, &claim).await.map(drop),
            Step::ClaimStatus(claim) => {
                claims(&claim).replace_status(&claim.name_any(), &parameters, &claim).await.map(drop)
            }
            Step::Volume(volume) => volumes.replace(&volume.name_any(), &parameters, &volume).await.map(drop),
            Step::VolumeStatus(volume) => {
                volumes.replace_status(&volume.name_any(), &parameters, &volume).await.map(drop)
            }
        };
        match written {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(Next::Settled),
        }
    }
}

/// The newest of the classes marked as default; of those made in the same second the first by name.
fn default_class(classes: &[Arc<StorageClass>]) -> Option<&str> {
    let marked = classes.iter().filter(|class| volume::annotation(&class.metadata, DEFAULT_CLASS) == Some("true"));
    let newest = marked.max_by_key(|class| {
        let created = crate::time::or_min(class.metadata.creation_timestamp.as_ref());
        (created, std::cmp::Reverse(class.metadata.name.clone()))
    });
    newest.and_then(|class| class.metadata.name.as_deref())
}

/// The claim a volume's pointer names.
fn claim_of(volume: &PersistentVolume) -> Option<Key> {
    let reference = volume.spec.as_ref()?.claim_ref.as_ref()?;
    Some(Key::new(reference.namespace.clone().unwrap_or_default(), reference.name.clone().unwrap_or_default()))
}

fn key_of(claim: &Arc<PersistentVolumeClaim>) -> Key {
    Key::new(claim.metadata.namespace.clone().unwrap_or_default(), claim.name_any())
}

impl Controller for Binder {
    fn watches(&self) -> Vec<Watch> {
        let volumes = self.volumes.clone();
        let by_claim = Watch::new(&self.claims, move |change| {
            let own = key_of(change.object());
            let pointing = volumes.by_index(BY_CLAIM, &own.to_string());
            let pointing = pointing.iter().map(|volume| Key::new("", volume.name_any()));
            let named = change.states().filter_map(|claim| volume_name(claim)).map(|name| Key::new("", name));
            let volumes: Vec<Key> = pointing.chain(named).collect();
            std::iter::once(own).chain(volumes).collect()
        });
        let claims = self.claims.clone();
        let by_volume = Watch::new(&self.volumes, move |change| {
            let mut keys = vec![Key::new("", change.object().name_any())];
            keys.extend(change.states().filter_map(|volume| claim_of(volume)));
            keys.extend(claims.by_index(BY_VOLUME, &change.object().name_any()).iter().map(key_of));
            if let Some(class) = newly_free(change) {
                keys.extend(claims.by_index(WAITING, class).iter().map(key_of));
            }
            keys
        });
        let claims = self.claims.clone();
        let by_class = Watch::new(&self.classes, move |change| {
            let classless = claims.by_index(WAITING, "");
            let waiting = claims.by_index(WAITING, &change.object().name_any());
            waiting.iter().chain(&classless).map(key_of).collect()
        });
        let by_pod = Watch::new(&self.pods, |change| {
            let waits = change.old.is_none() && pod::node_name(change.object()).is_none();
            let namespace = change.object().metadata.namespace.clone().unwrap_or_default();
            let claims = if waits { claim_names(change.object()) } else { Vec::new() };
            claims.into_iter().map(|claim| Key::new(namespace.clone(), claim)).collect()
        });
        vec![by_claim, by_volume, by_class, by_pod]
    }

    /// Volumes have no namespace, claims have one.
    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        async move { if key.namespace.is_empty() { self.sync_volume(key).await } else { self.sync_claim(key).await } }
            .boxed()
    }

    /// One, as upstream: two would give two claims the same volume, and one of them would have to come again.
    fn workers(&self) -> usize {
        1
    }
}

/// The class of a volume that could not be had before and now can.
fn newly_free(change: &Change<PersistentVolume>) -> Option<&str> {
    let free = |volume: &PersistentVolume| claim_of(volume).is_none() && volume::volume_phase(volume) == "Available";
    let new = change.new.as_ref().filter(|new| free(new))?;
    let before = change
        .old
        .as_ref()
        .filter(|old| free(old) && old.spec == new.spec && old.metadata.labels == new.metadata.labels);
    before.is_none().then(|| volume::volume_class(new))
}
