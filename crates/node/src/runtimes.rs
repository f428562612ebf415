//! Hearing of the runtimes: what they have at the start, and the hints they give from then on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use sampan_runtime::{ContainerStatus, Event, Runtime, SandboxStatus};

use crate::pod::workers::Workers;

/// What was found of one pod when the agent started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adopted {
    /// With the position of their runtime.
    pub(crate) sandboxes: Vec<(usize, SandboxStatus)>,
    pub(crate) containers: Vec<(usize, ContainerStatus)>,
}

/// Separates the pod's UID from the attempt in a sandbox's id.
const ATTEMPT: char = '.';

/// The id of a pod's sandbox: its UID, with the attempt when there were several.
pub(crate) fn sandbox_id(uid: &str, attempt: u32) -> String {
    if attempt == 0 { uid.to_owned() } else { format!("{uid}{ATTEMPT}{attempt}") }
}

/// UID and attempt of a sandbox's id.
pub(crate) fn split_sandbox_id(id: &str) -> (&str, u32) {
    match id.rsplit_once(ATTEMPT) {
        Some((uid, attempt)) => (uid, attempt.parse().unwrap_or(0)),
        None => (id, 0),
    }
}

pub(crate) fn container_id(uid: &str, container: &str, attempt: u32) -> String {
    format!("{uid}_{container}_{attempt}")
}

/// Everything the runtimes have, by pod. A runtime that does not answer is asked again, longer and longer: to go on without would mean
/// to start second copies of what it runs.
pub(crate) async fn adopt(runtimes: &[Arc<dyn Runtime>]) -> BTreeMap<String, Adopted> {
    let mut pods: BTreeMap<String, Adopted> = BTreeMap::new();
    for (position, runtime) in runtimes.iter().enumerate() {
        let (sandboxes, containers) = list(&**runtime).await;
        let mut owners = BTreeMap::new();
        for sandbox in sandboxes {
            owners.insert(sandbox.id.clone(), sandbox.pod_uid.clone());
            pods.entry(sandbox.pod_uid.clone()).or_default().sandboxes.push((position, sandbox));
        }
        for container in containers {
            let owner =
                owners.get(&container.sandbox).map_or_else(|| split_sandbox_id(&container.sandbox).0, String::as_str);
            pods.entry(owner.to_owned()).or_default().containers.push((position, container));
        }
    }
    pods
}

async fn list(runtime: &dyn Runtime) -> (Vec<SandboxStatus>, Vec<ContainerStatus>) {
    let mut delay = Duration::from_millis(100);
    loop {
        match (runtime.sandboxes().await, runtime.containers().await) {
            (Ok(sandboxes), Ok(containers)) => return (sandboxes, containers),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(handler = runtime.handler(), %error, "a runtime does not say what it runs; it is asked again");
            }
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(Duration::from_secs(10));
    }
}

/// Passes the hints of one runtime on to the workers, for ever.
pub(crate) async fn listen(position: usize, runtime: Arc<dyn Runtime>, workers: Workers) {
    loop {
        let mut events = runtime.events();
        // What happened before listening began.
        workers.relist(position);
        while let Some(event) = events.next().await {
            match event {
                Event::Container { sandbox, container } => {
                    workers.container_changed(split_sandbox_id(&sandbox).0, position, container)
                }
                Event::SandboxLost { sandbox } => workers.sandbox_lost(split_sandbox_id(&sandbox).0, &sandbox),
                Event::Lagged => workers.relist(position),
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
