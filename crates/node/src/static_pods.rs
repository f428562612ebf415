//! Pods from manifests in a directory, which run without a server; a mirror object shows each at the apiserver.

mod manifest;
mod mirror;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::{Change, Informer};
use tokio::sync::{Notify, watch};

use crate::context::Context;
use crate::pod::facts;
use crate::pod::workers::Workers;

/// Marks a mirror; its value is the static pod's UID.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// Where a pod comes from: `file` for static pods.
const SOURCE: &str = "kubernetes.io/config.source";
/// Identifies a manifest's content.
const HASH: &str = "kubernetes.io/config.hash";

/// How soon mirrors that could not be written are tried again.
const RETRY: Duration = Duration::from_secs(10);

/// A pod from this node's own directory (and not its mirror).
pub(crate) fn is_static(pod: &Pod) -> bool {
    facts::annotation(pod, SOURCE) == Some("file") && !is_mirror(pod)
}

/// An object that only shows a static pod.
pub(crate) fn is_mirror(pod: &Pod) -> bool {
    facts::annotation(pod, MIRROR).is_some()
}

/// What the watch of pods tells the static pods.
#[derive(Clone)]
pub(crate) struct Mirrors {
    shared: Arc<Shared>,
}

/// The other end.
pub(crate) struct Statics {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    informer: Mutex<Option<Informer<Pod>>>,
    changed: Notify,
    /// By UID; `None` until the directory was read once.
    pods: watch::Sender<Option<BTreeMap<String, Arc<Pod>>>>,
}

pub(crate) fn channel() -> (Mirrors, Statics) {
    let shared = Arc::new(Shared::default());
    (Mirrors { shared: shared.clone() }, Statics { shared })
}

impl Mirrors {
    pub(crate) fn informer(&self, informer: Informer<Pod>) {
        *self.shared.informer.lock() = Some(informer);
        self.shared.changed.notify_one();
    }

    /// A mirror appeared, changed or went.
    pub(crate) fn changed(&self, workers: &Workers, change: &Change<Pod>) {
        if let Some(uid) = facts::annotation(change.object(), MIRROR) {
            workers.mirror(uid, change.new.clone());
        }
        self.shared.changed.notify_one();
    }

    /// The UIDs of all static pods, once the directory was read.
    pub(crate) async fn static_uids(&self) -> Vec<String> {
        let mut pods = self.shared.pods.subscribe();
        let known = pods.wait_for(Option::is_some).await;
        known.map(|pods| pods.iter().flatten().map(|(uid, _)| uid.clone()).collect()).unwrap_or_default()
    }
}

/// Runs what the directory says, for ever.
pub(crate) async fn run(directory: Option<PathBuf>, context: Arc<Context>, workers: Workers, statics: Statics) {
    let shared = statics.shared;
    let Some(directory) = directory else {
        shared.pods.send_replace(Some(BTreeMap::new()));
        return;
    };
    if let Err(error) = std::fs::create_dir_all(&directory) {
        tracing::error!(directory = %directory.display(), %error, "failed to make the directory of static pods");
    }
    let mut watched = context.inotify.as_ref().and_then(|inotify| inotify.watch(&directory).ok());
    let mut known = BTreeMap::new();
    loop {
        let pods = manifest::read_all(&directory, &context.node_name);
        tell(&workers, &known, &pods);
        shared.pods.send_replace(Some(pods.clone()));
        known = pods;
        loop {
            let informer = shared.informer.lock().clone();
            let settled = match informer {
                Some(informer) if informer.is_synced() => mirror::settle(&context, &informer, &known, &workers).await,
                Some(_) => false,
                None => true,
            };
            let file = async {
                match &mut watched {
                    Some(watched) => watched.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! { biased;
                () = file => break,
                () = shared.changed.notified() => {}
                () = tokio::time::sleep(RETRY), if !settled => {}
            }
        }
    }
}

fn tell(workers: &Workers, before: &BTreeMap<String, Arc<Pod>>, now: &BTreeMap<String, Arc<Pod>>) {
    before.keys().filter(|uid| !now.contains_key(*uid)).for_each(|uid| workers.gone(uid));
    now.iter().filter(|(uid, _)| !before.contains_key(*uid)).for_each(|(_, pod)| workers.set(pod.clone()));
}
