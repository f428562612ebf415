//! The agent's own copy of what it was told to run, on disk: pods, and the ConfigMaps and Secrets they refer to.
//!
//! Writing is not on a pod's path: changes gather, and one task appends them to a journal with one sync for all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_runtime::journal::Journal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

/// What pods' keys begin with; those of other objects begin with their plural.
const PODS: &str = "pods/";

/// The checkpoint in one directory. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Checkpoint {
    journal: Arc<Mutex<Journal>>,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// New content of keys, `None` to remove them.
    changes: Mutex<BTreeMap<String, Option<Vec<u8>>>>,
    arrived: Notify,
}

impl Checkpoint {
    pub(crate) fn new(directory: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let journal = Journal::open(directory.join("journal"))?;
        Ok(Self { journal: Arc::new(Mutex::new(journal)), waiting: Arc::default() })
    }

    /// Keeps the pod as it is.
    pub(crate) fn save_pod(&self, pod: &Pod) {
        self.put(pod_key(pod.metadata.uid.as_deref().unwrap_or_default()), pod);
    }

    pub(crate) fn forget_pod(&self, uid: &str) {
        self.set(pod_key(uid), None);
    }

    /// Keeps a ConfigMap or Secret (`kind` is its plural).
    pub(crate) fn save_object(&self, kind: &str, namespace: &str, name: &str, object: &impl Serialize) {
        self.put(object_key(kind, namespace, name), object);
    }

    pub(crate) fn forget_object(&self, kind: &str, namespace: &str, name: &str) {
        self.set(object_key(kind, namespace, name), None);
    }

    /// The object as kept; `None` when it is not, or cannot be read.
    pub(crate) fn object<T: DeserializeOwned>(&self, kind: &str, namespace: &str, name: &str) -> Option<T> {
        let key = object_key(kind, namespace, name);
        let waiting = self.waiting.changes.lock().get(&key).cloned();
        match waiting {
            Some(content) => serde_json::from_slice(&content?).ok(),
            None => serde_json::from_slice(&self.journal.lock().get(&key).ok()??).ok(),
        }
    }

    /// All pods as kept. One that cannot be read is left out and said so: the server will tell of that pod again.
    pub(crate) fn pods(&self) -> Vec<Pod> {
        let journal = self.journal.lock();
        let mut keys: Vec<&str> = journal.keys().filter(|key| key.starts_with(PODS)).collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| read_pod(&journal, key)).collect()
    }

    fn put(&self, key: String, object: &impl Serialize) {
        let content = serde_json::to_vec(object).expect("objects of the API are JSON");
        self.set(key, Some(content));
    }

    fn set(&self, key: String, content: Option<Vec<u8>>) {
        self.waiting.changes.lock().insert(key, content);
        self.waiting.arrived.notify_one();
    }

    /// Writes what gathers, until dropped. A failure is told and costs only this copy.
    pub(crate) async fn run(self) {
        loop {
            self.waiting.arrived.notified().await;
            self.flush().await;
        }
    }

    /// Writes everything that waits.
    pub(crate) async fn flush(&self) {
        let changes = std::mem::take(&mut *self.waiting.changes.lock());
        if changes.is_empty() {
            return;
        }
        let journal = self.journal.clone();
        let written = crate::blocking::run(move || write(&mut journal.lock(), &changes)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "failed to write the checkpoint; the node could not run its pods after a reboot while cut off");
        }
    }
}

fn pod_key(uid: &str) -> String {
    format!("{PODS}{uid}")
}

fn object_key(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}

fn read_pod(journal: &Journal, key: &str) -> Option<Pod> {
    let content = journal.get(key).map_err(|error| error.to_string());
    let pod = content
        .and_then(|content| serde_json::from_slice(&content.unwrap_or_default()).map_err(|error| error.to_string()));
    pod.inspect_err(|error| tracing::warn!(key, error, "a checkpoint cannot be read")).ok()
}

fn write(journal: &mut Journal, changes: &BTreeMap<String, Option<Vec<u8>>>) -> io::Result<()> {
    journal.write(changes.iter().map(|(key, content)| (key.as_str(), content.as_deref())))?;
    journal.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sampan_api::k8s::api::core::v1::Secret;
    use serde_json::json;

    fn pod(uid: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p", "uid": uid}})).expect("a pod")
    }

    #[tokio::test]
    async fn what_was_saved_is_there_for_the_next_agent_and_what_was_forgotten_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let checkpoint = Checkpoint::new(directory.path().to_owned()).expect("made");
        checkpoint.save_pod(&pod("a"));
        checkpoint.save_pod(&pod("b"));
        checkpoint.save_object("secrets", "default", "s", &Secret::default());
        assert!(checkpoint.object::<Secret>("secrets", "default", "s").is_some(), "known before it is written");
        checkpoint.flush().await;
        checkpoint.forget_pod("a");
        checkpoint.flush().await;
        checkpoint.set(pod_key("broken"), Some(b"{".to_vec()));
        checkpoint.flush().await;
        let next = Checkpoint::new(directory.path().to_owned()).expect("made");
        assert_eq!(next.pods(), [pod("b")]);
        assert!(next.object::<Secret>("secrets", "default", "s").is_some());
        next.forget_object("secrets", "default", "s");
        assert!(next.object::<Secret>("secrets", "default", "s").is_none());
    }
}
