//! What a container's status says.

use sampan_runtime::{ContainerState, ContainerStatus, Exit, ExitReason, LogConfig};

use crate::cri;
use crate::names;

/// Signals that end a process for something it did itself.
const FAULTS: [(i32, &str); 7] = [
    (4, "SIGILL: illegal instruction"),
    (5, "SIGTRAP: trap"),
    (6, "SIGABRT: aborted"),
    (7, "SIGBUS: bad memory access"),
    (8, "SIGFPE: bad arithmetic"),
    (11, "SIGSEGV: invalid memory reference"),
    (31, "SIGSYS: forbidden system call"),
];

pub(crate) fn status(found: &cri::ContainerStatus) -> ContainerStatus {
    let metadata = found.metadata.clone().unwrap_or_default();
    let log = found.annotations.get(names::LOG).and_then(|text| serde_json::from_str::<LogConfig>(text).ok());
    ContainerStatus {
        id: names::container_id(&found.labels).to_owned(),
        sandbox: names::sandbox_id(&found.labels).to_owned(),
        name: metadata.name,
        attempt: metadata.attempt,
        image: found.annotations.get(names::IMAGE).cloned().unwrap_or_default(),
        state: state(found),
        log_path: log.map_or_else(|| found.log_path.clone().into(), |log| log.path),
        known_as: found.id.clone(),
    }
}

fn state(found: &cri::ContainerStatus) -> ContainerState {
    let started_at = found.started_at.into();
    match found.state() {
        cri::ContainerState::Created => ContainerState::Created,
        cri::ContainerState::Running => ContainerState::Running { started_at },
        // What the runtime itself does not know any more does not run.
        cri::ContainerState::Exited | cri::ContainerState::Unknown => {
            let finished_at = i128::from(found.finished_at);
            // One that could not be started has no start; containerd may note that of a short life after its end.
            let started_at = if found.started_at == 0 { finished_at } else { finished_at.min(started_at) };
            ContainerState::Exited { started_at, finished_at, exit: exit(found) }
        }
    }
}

fn exit(found: &cri::ContainerStatus) -> Exit {
    let code = if found.state() == cri::ContainerState::Unknown { 255 } else { found.exit_code };
    let reason = match found.reason.as_str() {
        "OOMKilled" => ExitReason::OomKilled,
        "StartError" => ExitReason::StartError,
        _ if code == 0 => ExitReason::Completed,
        _ => ExitReason::Error,
    };
    let fault = || FAULTS.iter().find(|(signal, _)| code == 128 + signal).map(|(_, words)| (*words).to_owned());
    let message = if found.message.is_empty() { fault().unwrap_or_default() } else { found.message.clone() };
    Exit { code, reason, message }
}
