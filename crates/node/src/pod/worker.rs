//! One pod's worker: takes news, plans, acts, tells. Nothing here waits for anything long: that is done by jobs beside it.

mod findings;
mod outcomes;
mod publish;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Pod, PodStatus};
use sampan_runtime::{Isolation, NetworkAttachment};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::actions::Done;
use super::mailbox::Inbox;
use super::state::{Failure, PodState, Step, Why};
use super::workers::Handle;
use super::{ending, facts, plan, restore};
use crate::context::Context;
use crate::probe::Offers;

pub(crate) struct Worker {
    pub(super) context: Arc<Context>,
    pub(super) handle: Arc<Handle>,
    pub(super) pod: Arc<Pod>,
    pub(super) state: PodState,
    pub(super) jobs: JoinSet<Done>,
    pub(super) network: Option<NetworkAttachment>,
    /// The runtime the pod's RuntimeClass chose, and how far apart it runs.
    pub(super) class: (Option<usize>, Isolation),
    /// What was said last.
    pub(super) status: Option<Arc<PodStatus>>,
    /// The last failure of the volumes, which the next one waits twice as long as.
    volume_failure: Option<Failure>,
    probes: BTreeMap<String, Probing>,
    /// Hints about runs whose start is still under way.
    early: BTreeSet<(usize, String)>,
    gone: bool,
}

/// The probing of one run.
struct Probing {
    attempt: u32,
    /// Its readiness is known a moment after its start, if all goes well.
    asks_at_once: bool,
    _task: Option<AbortOnDropHandle<()>>,
}

impl Worker {
    pub(crate) fn new(context: Arc<Context>, handle: Arc<Handle>, pod: Arc<Pod>) -> Self {
        let state = PodState::new(context.now());
        Self {
            context,
            handle,
            pod,
            state,
            jobs: JoinSet::new(),
            network: None,
            class: (None, Isolation::Namespace),
            status: None,
            volume_failure: None,
            probes: BTreeMap::new(),
            early: BTreeSet::new(),
            gone: false,
        }
    }

    /// Works until the pod is gone from the apiserver and from the node.
    pub(crate) async fn run(mut self: Box<Self>) {
        self.context.references.acquire(&self.pod);
        self.begin().await;
        loop {
            let wake = self.step();
            if self.is_over() {
                break;
            }
            let timer = wake.map(|wake| until(self.context.now(), wake));
            tokio::select! { biased;
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => match done {
                    Ok(done) => self.outcome(done),
                    Err(error) => self.begin_again(&error).await,
                },
                inbox = self.handle.mailbox.take() => self.receive(inbox).await,
                () = tokio::time::sleep(timer.unwrap_or_default()), if timer.is_some() => {}
            }
        }
        self.clean_up().await;
    }

    /// Takes back what ran before.
    async fn begin(&mut self) {
        let adopted = self.context.adopted.lock().remove(facts::uid(&self.pod)).unwrap_or_default();
        self.state = restore::restore(&self.pod, adopted, self.context.now());
        self.state.chooses = self.context.runtimes.len() > 1;
        if self.state.sandboxes.is_empty() || self.state.ending.is_some() {
            return;
        }
        // What runs already has its network: to say otherwise for a moment would take the pod out of its services.
        if !self.state.lost
            && let (_, Ok(place)) = self.attach().run().await
        {
            self.placed(place);
        }
        self.take_back_health().await;
    }

    pub(super) fn placed(&mut self, place: super::jobs::Place) {
        self.state.address = Some(place.network.ip());
        self.state.network = Step::Done;
        (self.network, self.class) = (Some(place.network), place.class);
    }

    /// A job broke down, which is a mistake in this program: the pod is taken up anew, as after a restart of the agent.
    async fn begin_again(&mut self, error: &tokio::task::JoinError) {
        tracing::error!(pod = facts::full_name(&self.pod), %error, "a pod's job panicked; the pod is taken up anew");
        self.jobs.abort_all();
        self.probes.clear();
        let mut everything = crate::runtimes::adopt(&self.context.runtimes).await;
        if let Some(adopted) = everything.remove(facts::uid(&self.pod)) {
            self.context.adopted.lock().insert(facts::uid(&self.pod).to_owned(), adopted);
        }
        self.begin().await;
        if self.gone {
            ending::end(&mut self.state, &self.pod, Why::Gone, self.context.now());
        }
    }

    /// Does what is to be done now; answers when to look again.
    fn step(&mut self) -> Option<Timestamp> {
        loop {
            let now = self.context.now();
            ending::notice(&mut self.state, &self.pod, now);
            let plan = plan(&self.pod, &self.state, now);
            if plan.actions.is_empty() {
                self.sync_probes();
                self.publish(now);
                return plan.wake;
            }
            for action in plan.actions {
                self.perform(action, now);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.gone && self.state.is_finished() && self.state.deletion != Step::Working
    }

    async fn receive(&mut self, inbox: Inbox) {
        let Inbox { pod, gone, containers, look, lost, references, findings } = inbox;
        if let Some(pod) = pod {
            self.changed(pod);
        }
        for sandbox in lost {
            let current = crate::runtimes::sandbox_id(facts::uid(&self.pod), self.state.attempt);
            self.state.lost |= sandbox == current && self.state.tear_down == Step::Idle;
        }
        if look {
            self.look_at_all().await;
        }
        for (runtime, id) in containers {
            self.look_at(runtime, &id).await;
        }
        if references {
            self.references_changed();
        }
        for finding in findings {
            self.found(finding);
        }
        if gone && !self.gone {
            self.gone = true;
            ending::end(&mut self.state, &self.pod, Why::Gone, self.context.now());
        }
    }

    /// A newer version of the object. Of a pod's specification little may change: images, deadlines.
    fn changed(&mut self, pod: Arc<Pod>) {
        for container in facts::all_containers(&pod) {
            let before = facts::container(&self.pod, &container.name).and_then(|container| container.image.as_deref());
            if before.is_some() && before != container.image.as_deref() {
                self.image_changed(&container.name);
            }
        }
        let metadata = (&self.pod.metadata.labels, &self.pod.metadata.annotations);
        if metadata != (&pod.metadata.labels, &pod.metadata.annotations) && self.state.volumes == Step::Done {
            self.state.refresh_volumes_at = Some(self.context.now());
        }
        let same = self.pod.metadata.generation == pod.metadata.generation
            && self.pod.metadata.deletion_timestamp == pod.metadata.deletion_timestamp
            && self.pod.spec == pod.spec;
        if let Some(said) = &self.status {
            self.context.status.observe(&pod, said);
        }
        self.pod = pod;
        if !same {
            self.save();
        }
    }

    fn references_changed(&mut self) {
        let now = self.context.now();
        match self.state.volumes {
            Step::Done => self.state.refresh_volumes_at = Some(now),
            Step::Failed(_) => self.state.volumes = Step::Idle,
            Step::Idle | Step::Working => {}
        }
        for container in self.state.containers.values_mut() {
            if let Some(failure) =
                container.failure.as_mut().filter(|failure| failure.reason == "CreateContainerConfigError")
            {
                failure.retry_at = now;
            }
        }
    }

    /// Nothing of the pod stays.
    async fn clean_up(&mut self) {
        let uid = facts::uid(&self.pod).to_owned();
        self.probes.clear();
        self.context.references.release(&self.pod);
        self.context.tokens.forget(&uid);
        self.context.checkpoint.forget_pod(&uid);
        self.context.status.forget(&uid);
        let (directories, logs) = (self.context.directories.clone(), self.logs());
        let removed = crate::blocking::run(move || {
            crate::volumes::remove(&uid, &directories)?;
            match std::fs::remove_dir_all(logs) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        });
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(pod = facts::full_name(&self.pod), %error, "failed to remove a pod's files; they are removed at the next start");
        }
    }

    fn logs(&self) -> std::path::PathBuf {
        self.context.directories.logs(facts::namespace(&self.pod), facts::name(&self.pod), facts::uid(&self.pod))
    }

    pub(super) fn offers(&mut self, container: &str, attempt: u32, offers: Offers) {
        self.probe(container, attempt, offers);
    }
}

fn until(now: Timestamp, wake: Timestamp) -> Duration {
    Duration::try_from(wake.duration_since(now)).unwrap_or_default().max(Duration::from_millis(1))
}
