//! What runtimes and probes tell of containers.

use std::sync::Arc;

use sampan_runtime::ContainerStatus;

use super::{Probing, Worker};
use crate::pod::state::{Condemned, Health, ImageState, RunExit, RunPhase};
use crate::pod::{facts, restore};
use crate::probe::{self, Finding, Offers, Target, What};

impl Worker {
    /// Looks at every run that is taken to be running.
    pub(super) async fn look_at_all(&mut self) {
        let running = self.state.containers.values().filter(|container| container.is_running());
        let runs: Vec<_> = running
            .filter_map(|container| container.current.as_ref())
            .map(|run| (run.runtime, run.id.clone()))
            .collect();
        for (runtime, id) in runs {
            self.look_at(runtime, &id).await;
        }
    }

    /// Asks the runtime how a container is; what it does not answer is heard of by its next hint.
    pub(super) async fn look_at(&mut self, runtime: usize, id: &str) {
        let known = self.state.containers.values().any(|known| known.current.as_ref().is_some_and(|run| run.id == id));
        if !known {
            // A short-lived container may end before its start is reported here: what was heard too early is looked at then.
            self.early.insert((runtime, id.to_owned()));
            return;
        }
        match self.context.runtimes[runtime].container(id).await {
            Ok(status) => self.observe(id, status),
            Err(error) => tracing::warn!(container = id, %error, "a runtime does not say how a container is"),
        }
    }

    fn observe(&mut self, id: &str, status: Option<ContainerStatus>) {
        let now = self.context.now();
        let mut containers = self.state.containers.iter_mut();
        let known = containers.find(|(_, container)| container.current.as_ref().is_some_and(|run| run.id == id));
        let Some((name, container)) = known else { return };
        let Some(run) = &mut container.current else { return };
        let RunPhase::Running { started_at } = run.phase else { return };
        let phase = match &status {
            Some(status) => restore::phase(&status.state),
            None => RunPhase::Exited(restore::vanished(started_at, now)),
        };
        if let RunPhase::Exited(exit) = phase {
            let (name, attempt) = (name.clone(), run.attempt);
            self.ended(&name, attempt, exit);
        }
    }

    /// The current run of a container ended.
    pub(in crate::pod) fn ended(&mut self, name: &str, attempt: u32, exit: RunExit) {
        let (namespace, pod_name, uid) = (facts::namespace(&self.pod), facts::name(&self.pod), facts::uid(&self.pod));
        let directories = &self.context.directories;
        let message = directories.termination_message(uid, name, attempt);
        let log = directories.log(namespace, pod_name, uid, name, attempt);
        let words = restore::last_words(facts::container(&self.pod, name), &exit, &message, &log);
        self.probes.remove(name);
        let container = self.state.container(name);
        container.health = Health::default();
        container.stopping = None;
        // The next start looks for the image again, as its pull policy says.
        container.image = ImageState::Unknown;
        if let Some(run) = &mut container.current {
            run.phase = RunPhase::Exited(RunExit { message: words, ..exit });
        }
    }

    pub(super) fn found(&mut self, finding: Finding) {
        let container = self.state.container(&finding.container);
        let current = container.current.as_ref().is_some_and(|run| run.attempt == finding.attempt);
        if !current || !container.is_running() {
            return; // Of a run that is over.
        }
        match finding.what {
            What::Started => container.health.started = true,
            What::Ready(ready) => container.health.ready = ready,
            What::Condemned(condemned) => container.health.condemned = Some(condemned),
        }
    }

    /// The container's definition changed: it is restarted with the new one.
    pub(super) fn image_changed(&mut self, name: &str) {
        let container = self.state.container(name);
        container.failure = None;
        container.backoff = None;
        container.backing_off = false;
        container.image = ImageState::Unknown;
        if container.is_running() {
            container.health.condemned = Some(Condemned { probe: "definition", grace: None });
        }
    }

    /// What taken-back containers were found to be before, and what they answer themselves.
    pub(super) async fn take_back_health(&mut self) {
        let running = self.state.containers.iter().filter(|(_, container)| container.is_running());
        let runs: Vec<_> =
            running.filter_map(|(name, container)| Some((name.clone(), container.current.clone()?))).collect();
        for (name, run) in runs {
            self.state.container(&name).health = restore::health(&self.pod, &name);
            let offers = probe::offers(&self.context, run.runtime, &run.id).await;
            self.probe(&name, run.attempt, offers);
        }
    }

    /// Ends the probing of what does not run, and of what is being stopped for good.
    pub(super) fn sync_probes(&mut self) {
        let state = &self.state;
        self.probes.retain(|name, probing| {
            let container = state.containers.get(name);
            container.is_some_and(|container| {
                container.is_running() && container.current.as_ref().is_some_and(|run| run.attempt == probing.attempt)
            })
        });
    }

    /// Begins to probe a run, once.
    pub(in crate::pod) fn probe(&mut self, name: &str, attempt: u32, offers: Offers) {
        if self.probes.get(name).is_some_and(|probing| probing.attempt == attempt) {
            return;
        }
        let target = self.target(name, attempt, offers);
        let asks_at_once = target.as_ref().is_some_and(Target::asks_readiness_at_once);
        let task = target.map(|target| probe::spawn(target, self.handle.mailbox.clone()));
        self.probes.insert(name.to_owned(), Probing { attempt, asks_at_once, _task: task });
    }

    /// `None` when there is nothing to probe.
    fn target(&self, name: &str, attempt: u32, offers: Offers) -> Option<Target> {
        let container = facts::container(&self.pod, name)?;
        let lives_on = !facts::is_init(&self.pod, name) || facts::is_sidecar(container);
        if !lives_on || !probe::is_probed(container, offers) {
            return None;
        }
        let run = self.state.containers.get(name)?.current.as_ref()?;
        Some(Target {
            context: self.context.clone(),
            pod: Arc::new(facts::with_only(&self.pod, container)),
            container: name.to_owned(),
            attempt,
            runtime: run.runtime,
            id: run.id.clone(),
            address: self.network.as_ref()?.ip(),
            offers,
        })
    }
}
