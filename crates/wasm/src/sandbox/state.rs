//! What a sandbox process leaves on disk: what each pod was last, so that an agent that finds the process gone still knows what ran in
//! it. Not synced: a machine that loses power loses the processes as well.
//!
//! A process writes one journal, `state`. Before another one is started in the same directory the agent sets that aside: what is in
//! `lost.N` is the agent's alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use sampan_runtime::journal::{self, Journal};
use sampan_runtime::{ContainerStatus, SandboxConfig};
use serde::{Deserialize, Serialize};

const STATE: &str = "state";
const LOST: &str = "lost.";

/// A pod as it was last.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PodState {
    pub(crate) config: SandboxConfig,
    pub(crate) containers: Vec<ContainerStatus>,
}

/// What this process writes.
#[derive(Debug)]
pub(crate) struct State {
    directory: PathBuf,
    journal: Option<Mutex<Journal>>,
}

impl State {
    /// A journal that cannot be opened is logged only: it costs knowledge after a crash, not the pods. So it is with what is written.
    pub(crate) fn new(directory: PathBuf) -> Self {
        let opened = fs::create_dir_all(&directory).and_then(|()| Journal::open(directory.join(STATE)));
        let opened = opened.inspect_err(|error| tracing::warn!(%error, "failed to open the journal of pods"));
        State { directory, journal: opened.ok().map(Mutex::new) }
    }

    /// Where a container may keep files of its own.
    pub(crate) fn container_directory(&self, container: &str) -> PathBuf {
        self.directory.join("containers").join(container)
    }

    pub(crate) fn save(&self, config: &SandboxConfig, containers: impl Iterator<Item = ContainerStatus>) {
        let state = PodState { config: config.clone(), containers: containers.collect() };
        let content = serde_json::to_vec(&state).expect("states are JSON");
        self.write(&config.id, Some(&content));
    }

    pub(crate) fn remove(&self, sandbox: &str) {
        self.write(sandbox, None);
    }

    fn write(&self, sandbox: &str, content: Option<&[u8]>) {
        let Some(journal) = &self.journal else { return };
        if let Err(error) = journal.lock().write([(sandbox, content)]) {
            tracing::warn!(sandbox, %error, "failed to write the pod's state");
        }
    }
}

/// Makes what an earlier process wrote in `directory` the agent's. To be called while none lives there.
pub(crate) fn set_aside(directory: &Path) -> io::Result<()> {
    let free = (0u32..).map(|number| directory.join(format!("{LOST}{number}"))).find(|path| !path.exists());
    match fs::rename(directory.join(STATE), free.unwrap_or_default()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// All pods that processes left in `directory`, also one that lives; what is not whole is left out.
pub(crate) fn load(directory: &Path) -> Vec<PodState> {
    let journals = set_aside_in(directory).into_iter().chain([directory.join(STATE)]);
    let states = journals.filter_map(|path| journal::read(&path).ok()).flat_map(std::collections::HashMap::into_values);
    states.filter_map(|content| serde_json::from_slice(&content).ok()).collect()
}

/// Forgets a pod that was lost, in what was set aside.
pub(crate) fn forget(directory: &Path, sandbox: &str) -> io::Result<()> {
    for path in set_aside_in(directory) {
        let mut journal = Journal::open(&path)?;
        journal.write([(sandbox, None)])?;
        if journal.is_empty() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn set_aside_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LOST))).collect()
}
