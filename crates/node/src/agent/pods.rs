//! Which pods are this node's: from the apiserver's watch, or from the own copy while there is no server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::{Api, Change, Informer};
use sampan_runtime::PodRef;

use crate::context::Context;
use crate::pod::facts;
use crate::pod::workers::Workers;
use crate::static_pods::{self, Mirrors};

/// How long the first list is waited for before the own copy is believed.
const PATIENCE: Duration = Duration::from_secs(3);

/// Follows the pods bound to this node, for ever.
pub(super) async fn follow(context: Arc<Context>, workers: Workers, mirrors: Mirrors) {
    let api = Api::<Pod>::all(context.client.clone());
    let informer =
        Informer::builder(api).fields(&format!("spec.nodeName={}", context.node_name)).start(context.entropy.clone());
    mirrors.informer(informer.clone());
    let mut changes = informer.subscribe();
    if tokio::time::timeout(PATIENCE, informer.synced()).await.is_err() {
        tracing::warn!(why = informer.failure(), "the apiserver does not answer; running the pods known from before");
        context.checkpoint.pods().into_iter().for_each(|pod| workers.set(Arc::new(pod)));
    }
    let settled = async {
        informer.synced().await;
        settle(&context, &workers, &informer, &mirrors).await;
    };
    let changing = async {
        while let Some(change) = changes.next().await {
            changed(&workers, &mirrors, &change);
        }
    };
    tokio::join!(settled, changing);
}

fn changed(workers: &Workers, mirrors: &Mirrors, change: &Change<Pod>) {
    if static_pods::is_mirror(change.object()) {
        return mirrors.changed(workers, change);
    }
    let uid = |pod: &Option<Arc<Pod>>| pod.as_ref().map(|pod| facts::uid(pod).to_owned());
    if let Some(old) = uid(&change.old).filter(|old| Some(old) != uid(&change.new).as_ref()) {
        workers.gone(&old);
    }
    if let Some(pod) = &change.new {
        workers.set(pod.clone());
    }
}

/// Once the server has told all there is: what it did not tell of is not ours any more.
async fn settle(context: &Context, workers: &Workers, informer: &Informer<Pod>, mirrors: &Mirrors) {
    let mut known: BTreeSet<String> = informer.list().iter().map(|pod| facts::uid(pod).to_owned()).collect();
    known.extend(mirrors.static_uids().await);
    for uid in workers.uids().difference(&known) {
        workers.gone(uid);
    }
    let left: Vec<_> = {
        let mut adopted = context.adopted.lock();
        let left: Vec<String> = adopted.keys().filter(|uid| !known.contains(*uid)).cloned().collect();
        left.into_iter().filter_map(|uid| adopted.remove_entry(&uid)).collect()
    };
    for (uid, pod) in left {
        for (runtime, sandbox) in pod.sandboxes {
            if let Err(error) = context.runtimes[runtime].close_sandbox(&sandbox.id).await {
                tracing::warn!(sandbox = sandbox.id, %error, "failed to close the sandbox of a pod that is gone");
            }
        }
        // Networks know pods by their UID.
        let pod = PodRef { namespace: String::new(), name: String::new(), uid };
        if let Err(error) = context.network.detach(&pod).await {
            tracing::warn!(uid = pod.uid, %error, "failed to give back the address of a pod that is gone");
        }
    }
    forget_others(context, known).await;
}

/// Files of pods that went while no agent was there.
async fn forget_others(context: &Context, known: BTreeSet<String>) {
    for pod in context.checkpoint.pods() {
        if !known.contains(facts::uid(&pod)) {
            context.checkpoint.forget_pod(facts::uid(&pod));
        }
    }
    let directories = context.directories.clone();
    let remove = move || {
        let names = |path: std::path::PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
        let of_known = |name: &str| known.iter().any(|uid| name == uid || name.ends_with(&format!("_{uid}")));
        for entry in names(directories.pods()).chain(names(directories.all_logs())) {
            if entry.file_name().to_str().is_some_and(|name| !of_known(name)) {
                let _tried_again_at_the_next_start = std::fs::remove_dir_all(entry.path());
            }
        }
    };
    let _removed = crate::blocking::run(remove).await;
}
