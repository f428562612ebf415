//! The agent's own copy of what it was told to run, on disk: pods, and the ConfigMaps and Secrets they refer to.
//!
//! Writing is not on a pod's path: changes gather and one task writes them, each file by rename, with one `syncfs` for all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::Pod;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

/// The checkpoint below one directory. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Checkpoint {
    directory: PathBuf,
    waiting: Arc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// New content of files, `None` to remove them.
    files: Mutex<BTreeMap<PathBuf, Option<Vec<u8>>>>,
    arrived: Notify,
}

impl Checkpoint {
    pub(crate) fn new(directory: PathBuf) -> io::Result<Self> {
        for kind in ["pods", "configmaps", "secrets"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory.join(kind))?;
        }
        Ok(Self { directory, waiting: Arc::default() })
    }

    fn pod_path(&self, uid: &str) -> PathBuf {
        self.directory.join("pods").join(format!("{uid}.json"))
    }

    fn object_path(&self, kind: &str, namespace: &str, name: &str) -> PathBuf {
        self.directory.join(kind).join(format!("{namespace}_{name}.json"))
    }

    /// Keeps the pod as it is.
    pub(crate) fn save_pod(&self, pod: &Pod) {
        self.put(self.pod_path(pod.metadata.uid.as_deref().unwrap_or_default()), pod);
    }

    pub(crate) fn forget_pod(&self, uid: &str) {
        self.set(self.pod_path(uid), None);
    }

    /// Keeps a ConfigMap or Secret (`kind` is its plural).
    pub(crate) fn save_object(&self, kind: &str, namespace: &str, name: &str, object: &impl Serialize) {
        self.put(self.object_path(kind, namespace, name), object);
    }

    pub(crate) fn forget_object(&self, kind: &str, namespace: &str, name: &str) {
        self.set(self.object_path(kind, namespace, name), None);
    }

    /// The object as kept; `None` when it is not, or cannot be read.
    pub(crate) fn object<T: DeserializeOwned>(&self, kind: &str, namespace: &str, name: &str) -> Option<T> {
        let path = self.object_path(kind, namespace, name);
        let waiting = self.waiting.files.lock().get(&path).cloned();
        match waiting {
            Some(content) => serde_json::from_slice(&content?).ok(),
            None => serde_json::from_slice(&fs::read(path).ok()?).ok(),
        }
    }

    /// All pods as kept. A file that cannot be read is left out and said so: the server will tell of that pod again.
    pub(crate) fn pods(&self) -> Vec<Pod> {
        let Ok(entries) = fs::read_dir(self.directory.join("pods")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        paths.iter().filter_map(|path| read_pod(path)).collect()
    }

    fn put(&self, path: PathBuf, object: &impl Serialize) {
        let content = serde_json::to_vec(object).expect("objects of the API are JSON");
        self.set(path, Some(content));
    }

    fn set(&self, path: PathBuf, content: Option<Vec<u8>>) {
        self.waiting.files.lock().insert(path, content);
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
        let files = std::mem::take(&mut *self.waiting.files.lock());
        if files.is_empty() {
            return;
        }
        let directory = self.directory.clone();
        let written = crate::blocking::run(move || write(&directory, &files)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "failed to write the checkpoint; the node could not run its pods after a reboot while cut off");
        }
    }
}

fn read_pod(path: &Path) -> Option<Pod> {
    let pod = fs::read(path).map_err(|error| error.to_string());
    let pod = pod.and_then(|content| serde_json::from_slice(&content).map_err(|error| error.to_string()));
    pod.inspect_err(|error| tracing::warn!(path = %path.display(), error, "a checkpoint cannot be read")).ok()
}

fn write(directory: &Path, files: &BTreeMap<PathBuf, Option<Vec<u8>>>) -> io::Result<()> {
    for (path, content) in files {
        match content {
            Some(content) => write_one(path, content)?,
            None => drop(
                fs::remove_file(path)
                    .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?,
            ),
        }
    }
    rustix::fs::syncfs(fs::File::open(directory)?)?;
    Ok(())
}

fn write_one(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    fs::rename(new, path)
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
        fs::write(directory.path().join("pods/broken.json"), "{").expect("written");
        let next = Checkpoint::new(directory.path().to_owned()).expect("made");
        assert_eq!(next.pods(), [pod("b")]);
        assert!(next.object::<Secret>("secrets", "default", "s").is_some());
        next.forget_object("secrets", "default", "s");
        assert!(next.object::<Secret>("secrets", "default", "s").is_none());
    }
}
