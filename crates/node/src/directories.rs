//! Where things lie below `data_dir`.

use std::path::{Path, PathBuf};

/// Paths of one node's agent.
#[derive(Clone, Debug)]
pub(crate) struct Directories {
    root: PathBuf,
}

impl Directories {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Volumes and termination messages of one pod; removed with it.
    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.root.join("pods").join(uid)
    }

    pub(crate) fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    pub(crate) fn volume(&self, uid: &str, kind: &str, name: &str) -> PathBuf {
        self.pod(uid).join("volumes").join(format!("{kind}~{name}"))
    }

    /// The volumes made for claims of the class `local-path`, each called after its PersistentVolume; they outlive pods.
    pub(crate) fn local_volumes(&self) -> PathBuf {
        self.root.join("local-path")
    }

    /// The file a container may leave its last words in.
    pub(crate) fn termination_message(&self, uid: &str, container: &str, attempt: u32) -> PathBuf {
        self.pod(uid).join(format!("{container}.{attempt}.message"))
    }

    /// `/etc/hosts` of the pod's containers.
    pub(crate) fn hosts(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("etc-hosts")
    }

    /// Seccomp profiles that pods may name, as below the kubelet's root directory.
    pub(crate) fn seccomp(&self) -> PathBuf {
        self.root.join("seccomp")
    }

    /// Logs of one pod, laid out as below the kubelet's `/var/log/pods`.
    pub(crate) fn logs(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.root.join("logs").join(format!("{namespace}_{name}_{uid}"))
    }

    pub(crate) fn all_logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn log(&self, namespace: &str, name: &str, uid: &str, container: &str, attempt: u32) -> PathBuf {
        self.logs(namespace, name, uid).join(container).join(format!("{attempt}.log"))
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }
}
