//! What the agent knows of its pods and containers: what the sandbox processes told it last.

use std::collections::{BTreeMap, HashMap};

use sampan_runtime::{ContainerState, ContainerStatus, Event, Exit, ExitReason, SandboxConfig, SandboxStatus};

use crate::sandbox::KILLED;

/// Pods and containers by id.
#[derive(Debug, Default)]
pub(crate) struct World {
    pods: BTreeMap<String, Pod>,
    /// Container to sandbox.
    containers: HashMap<String, String>,
}

#[derive(Debug)]
struct Pod {
    uid: String,
    /// Key of the process it lives in; `None` once that is lost.
    process: Option<String>,
    containers: BTreeMap<String, ContainerStatus>,
}

/// Where something lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Unknown,
    /// In the process with this key.
    Process(String),
    /// Its process is gone.
    Lost,
}

impl World {
    pub(crate) fn opened(&mut self, config: &SandboxConfig, process: &str) {
        let new =
            || Pod { uid: config.pod_uid.clone(), process: Some(process.to_owned()), containers: BTreeMap::new() };
        self.pods.entry(config.id.clone()).or_insert_with(new);
    }

    pub(crate) fn closed(&mut self, sandbox: &str) {
        if let Some(pod) = self.pods.remove(sandbox) {
            for container in pod.containers.keys() {
                self.containers.remove(container);
            }
        }
    }

    /// A container is made or changed.
    pub(crate) fn changed(&mut self, status: ContainerStatus) {
        let Some(pod) = self.pods.get_mut(&status.sandbox) else { return };
        self.containers.insert(status.id.clone(), status.sandbox.clone());
        pod.containers.insert(status.id.clone(), status);
    }

    pub(crate) fn removed(&mut self, container: &str) {
        if let Some(pod) = self.containers.remove(container).and_then(|sandbox| self.pods.get_mut(&sandbox)) {
            pod.containers.remove(container);
        }
    }

    /// A process has told everything it holds: what it does not name any more is gone.
    pub(crate) fn told(&mut self, process: &str, pods: &[SandboxConfig], containers: Vec<ContainerStatus>) {
        let stale: Vec<_> = self.in_process(process).filter(|id| !pods.iter().any(|config| config.id == *id)).collect();
        for sandbox in stale {
            self.closed(&sandbox);
        }
        for config in pods {
            self.opened(config, process);
        }
        for status in containers {
            self.changed(status);
        }
    }

    fn in_process(&self, process: &str) -> impl Iterator<Item = String> {
        let pods = self.pods.iter().filter(move |(_, pod)| pod.process.as_deref() == Some(process));
        pods.map(|(id, _)| id.clone())
    }

    pub(crate) fn pods_in(&self, process: &str) -> Vec<String> {
        self.in_process(process).collect()
    }

    /// The process is gone: its pods stay, not ready, and what ran in it has ended. Returns what to tell.
    pub(crate) fn lost(&mut self, process: &str, now: i128, message: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for sandbox in self.pods_in(process) {
            let Some(pod) = self.pods.get_mut(&sandbox) else { continue };
            pod.process = None;
            for status in pod.containers.values_mut() {
                if end(status, now, message) {
                    events.push(Event::Container { sandbox: sandbox.clone(), container: status.id.clone() });
                }
            }
            events.push(Event::SandboxLost { sandbox });
        }
        events
    }

    pub(crate) fn place_of_pod(&self, sandbox: &str) -> Place {
        match self.pods.get(sandbox).map(|pod| &pod.process) {
            None => Place::Unknown,
            Some(None) => Place::Lost,
            Some(Some(process)) => Place::Process(process.clone()),
        }
    }

    pub(crate) fn place_of_container(&self, container: &str) -> Place {
        self.containers.get(container).map_or(Place::Unknown, |sandbox| self.place_of_pod(sandbox))
    }

    pub(crate) fn sandboxes(&self) -> Vec<SandboxStatus> {
        let status = |(id, pod): (&String, &Pod)| SandboxStatus {
            id: id.clone(),
            pod_uid: pod.uid.clone(),
            ready: pod.process.is_some(),
        };
        self.pods.iter().map(status).collect()
    }

    pub(crate) fn containers(&self) -> Vec<ContainerStatus> {
        self.pods.values().flat_map(|pod| pod.containers.values().cloned()).collect()
    }

    pub(crate) fn container(&self, id: &str) -> Option<ContainerStatus> {
        self.pods.get(self.containers.get(id)?)?.containers.get(id).cloned()
    }
}

/// True when it ran until now.
fn end(status: &mut ContainerStatus, now: i128, message: &str) -> bool {
    let started_at = match status.state {
        ContainerState::Exited { .. } => return false,
        ContainerState::Created => now,
        ContainerState::Running { started_at } => started_at,
    };
    let exit = Exit { code: KILLED, reason: ExitReason::Error, message: message.to_owned() };
    status.state = ContainerState::Exited { started_at, finished_at: now.max(started_at), exit };
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: &str, state: ContainerState) -> ContainerStatus {
        ContainerStatus {
            id: id.to_owned(),
            sandbox: "pod".to_owned(),
            name: "main".to_owned(),
            attempt: 0,
            image: String::new(),
            state,
            log_path: "log".into(),
            known_as: String::new(),
        }
    }

    fn config(id: &str) -> SandboxConfig {
        serde_json::from_value(serde_json::json!({
            "id": id, "pod_namespace": "", "pod_name": "", "pod_uid": "uid", "hostname": "", "labels": {}, "annotations": {},
            "network": {"Address": {"ip": "127.64.0.2"}}, "dns": {"servers": [], "searches": [], "options": []}, "isolation": "Namespace",
        }))
        .unwrap()
    }

    #[test]
    fn a_lost_process_ends_what_ran_and_keeps_what_had_ended() {
        let mut world = World::default();
        world.opened(&config("pod"), "process");
        world.changed(status("runs", ContainerState::Running { started_at: 5 }));
        let ended = ContainerState::Exited {
            started_at: 1,
            finished_at: 2,
            exit: Exit { code: 0, reason: ExitReason::Completed, message: String::new() },
        };
        world.changed(status("ended", ended.clone()));
        let events = world.lost("process", 9, "gone");
        assert_eq!(
            events,
            [
                Event::Container { sandbox: "pod".into(), container: "runs".into() },
                Event::SandboxLost { sandbox: "pod".into() },
            ]
        );
        let exit = Exit { code: 137, reason: ExitReason::Error, message: "gone".into() };
        assert_eq!(
            world.container("runs").unwrap().state,
            ContainerState::Exited { started_at: 5, finished_at: 9, exit }
        );
        assert_eq!(world.container("ended").unwrap().state, ended);
        assert!(!world.sandboxes()[0].ready);
        assert_eq!(world.place_of_container("runs"), Place::Lost);
    }

    #[test]
    fn what_a_process_no_longer_names_is_gone() {
        let mut world = World::default();
        world.opened(&config("pod"), "process");
        world.changed(status("c", ContainerState::Created));
        world.told("process", &[config("other")], Vec::new());
        assert_eq!(world.place_of_pod("pod"), Place::Unknown);
        assert_eq!(world.place_of_container("c"), Place::Unknown);
        assert_eq!(world.place_of_pod("other"), Place::Process("process".into()));
    }
}
