//! What a sandbox process leaves on disk: a file per pod, written whole at each change, so that an agent that finds the process gone
//! still knows what ran in it. Not synced: a machine that loses power loses the processes as well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sampan_runtime::{ContainerStatus, SandboxConfig};
use serde::{Deserialize, Serialize};

/// A pod as it was last.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PodState {
    pub(crate) config: SandboxConfig,
    pub(crate) containers: Vec<ContainerStatus>,
}

/// The files of one process.
#[derive(Clone, Debug)]
pub(crate) struct StateFiles {
    directory: PathBuf,
}

impl StateFiles {
    pub(crate) fn new(directory: PathBuf) -> Self {
        StateFiles { directory }
    }

    fn pods(&self) -> PathBuf {
        self.directory.join("pods")
    }

    fn path(&self, sandbox: &str) -> PathBuf {
        self.pods().join(format!("{sandbox}.json"))
    }

    /// Where a container may keep files of its own.
    pub(crate) fn container_directory(&self, container: &str) -> PathBuf {
        self.directory.join("containers").join(container)
    }

    /// A failure is logged only: it costs knowledge after a crash, not the pod.
    pub(crate) fn save(&self, config: &SandboxConfig, containers: impl Iterator<Item = ContainerStatus>) {
        let state = PodState { config: config.clone(), containers: containers.collect() };
        if let Err(error) = self.write(&state) {
            tracing::warn!(sandbox = config.id, %error, "failed to write the pod's state");
        }
    }

    fn write(&self, state: &PodState) -> io::Result<()> {
        fs::create_dir_all(self.pods())?;
        let path = self.path(&state.config.id);
        let temporary = path.with_extension("new");
        fs::write(&temporary, serde_json::to_vec(state)?)?;
        fs::rename(temporary, path)
    }

    pub(crate) fn remove(&self, sandbox: &str) {
        let _ = fs::remove_file(self.path(sandbox));
    }

    /// All pods; files that are not whole are left out.
    pub(crate) fn load(&self) -> Vec<PodState> {
        let Ok(entries) = fs::read_dir(self.pods()) else { return Vec::new() };
        entries.filter_map(|entry| read(&entry.ok()?.path())).collect()
    }
}

fn read(path: &Path) -> Option<PodState> {
    if path.extension()? != "json" {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
