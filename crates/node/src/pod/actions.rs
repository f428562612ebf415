//! Carrying out what the plan says: each action marks the state and begins a job; its outcome comes back to the worker.

use std::time::Duration;

use super::plan::{Action, Stop};
use super::start::{self, Order, StartError, Started};
use super::state::{ImageState, Run, Step, Why};
use super::worker::Worker;
use super::{ending, events, facts, hooks, jobs};
use crate::images::{Found, ImageError};
use crate::{runtimes, volumes};
use jiff::Timestamp;

/// What a job brought.
pub(crate) enum Done {
    Mounted {
        again: bool,
        result: Result<Option<Timestamp>, String>,
    },
    Attached {
        opened: Option<usize>,
        result: Result<jobs::Place, String>,
    },
    Found {
        container: String,
        result: Result<Found, ImageError>,
    },
    Started {
        container: String,
        result: Box<Result<Started, StartError>>,
    },
    Stopped {
        container: String,
        runtime: usize,
        id: String,
        result: Result<(), String>,
    },
    Reset(Result<(), String>),
    TornDown(Result<(), String>),
    Deleted(Result<(), String>),
    /// An older run was cleared away.
    Cleared,
}

/// A stop that preStop used up still gets this long, as the kubelet's minimum.
const LEAST_STOP: Duration = Duration::from_secs(2);

/// Between two attempts to stop a container with a runtime that is out of order.
const RETRY: Duration = Duration::from_secs(1);

impl Worker {
    pub(super) fn perform(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::Mount => self.mount(now),
            Action::Attach => {
                self.state.network = Step::Working;
                let attach = self.attach();
                self.jobs.spawn(async move {
                    let (opened, result) = attach.run().await;
                    Done::Attached { opened, result }
                });
            }
            Action::Pull(container) => self.pull(container),
            Action::BackOff(container) => self.back_off(&container),
            Action::Start(container) => self.start(container, now),
            Action::Stop(stop) => self.stop(stop, now),
            Action::End(why) => {
                if why == Why::DeadlineExceeded {
                    events::deadline_exceeded(&self.context, &self.pod);
                }
                ending::end(&mut self.state, &self.pod, why, now);
            }
            Action::Reset => {
                events::sandbox_changed(&self.context, &self.pod);
                self.state.tear_down = Step::Working;
                let close = self.close();
                self.jobs.spawn(async move { Done::Reset(close.await) });
            }
            Action::TearDown => self.tear_down(),
            Action::Delete => self.delete(now),
        }
    }

    /// Looks for a place where one of the pod's images or sandboxes is already.
    pub(super) fn attach(&self) -> jobs::Attach {
        let image = |name: &str| match &self.state.containers.get(name)?.image {
            ImageState::Ready(image) => Some(image.runtime),
            _ => None,
        };
        let by_image = facts::all_containers(&self.pod).find_map(|container| image(&container.name));
        let makes_networks = |position: &&usize| self.context.runtimes[**position].makes_networks();
        let sandboxes = &self.state.sandboxes;
        let by_sandbox = sandboxes.iter().find(makes_networks).or_else(|| sandboxes.first()).copied();
        jobs::Attach {
            context: self.context.clone(),
            pod: self.pod.clone(),
            taken_by: by_sandbox.or(by_image),
            attempt: self.state.attempt,
        }
    }

    fn mount(&mut self, now: Timestamp) {
        let again = self.state.volumes == Step::Done;
        self.state.refresh_volumes_at = None;
        if !again {
            self.state.volumes = Step::Working;
        }
        let (context, pod, address) = (self.context.clone(), self.pod.clone(), self.state.address);
        self.jobs.spawn(async move { Done::Mounted { again, result: jobs::mount(context, pod, address, now).await } });
    }

    fn pull(&mut self, name: String) {
        let known = self.state.container(&name);
        let after = match &known.image {
            ImageState::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        known.image = ImageState::Pulling { after };
        let (context, pod, chosen) = (self.context.clone(), self.pod.clone(), self.class.0);
        self.jobs.spawn(async move {
            let result = jobs::find(&context, &pod, &name, chosen).await;
            Done::Found { container: name, result }
        });
    }

    fn back_off(&mut self, name: &str) {
        let known = self.state.container(name);
        known.backing_off = true;
        if known.backoff_until().is_some() && !matches!(known.image, ImageState::Failed(_)) {
            return events::restart_back_off(&self.context, &self.pod, name);
        }
        let image =
            facts::definition(&self.pod, name).and_then(|container| container.image.clone()).unwrap_or_default();
        events::image_back_off(&self.context, &self.pod, name, &image);
    }

    fn start(&mut self, name: String, now: Timestamp) {
        let (Some(network), isolation, sandbox_attempt) = (self.network.clone(), self.class.1, self.state.attempt)
        else {
            self.state.network = Step::Idle;
            return;
        };
        let container = self.state.container(&name);
        let ImageState::Ready(image) = container.image.clone() else { return };
        let attempt = container.next_run();
        container.begin_start(now);
        self.state.sandboxes.insert(image.runtime);
        let (context, pod, target) = (self.context.clone(), self.pod.clone(), self.target_of(&name));
        let order = Order {
            context,
            pod,
            container: name.clone(),
            attempt,
            image,
            network,
            isolation,
            sandbox_attempt,
            target,
        };
        self.jobs.spawn(async move { Done::Started { container: name, result: Box::new(start::start(order).await) } });
    }

    /// The run whose processes an ephemeral container is to see.
    fn target_of(&self, name: &str) -> Option<Run> {
        let ephemeral = facts::ephemeral_containers(&self.pod).find(|container| container.name == name)?;
        let target = ephemeral.target_container_name.as_deref()?;
        self.state.containers.get(target).filter(|known| known.is_running())?.current.clone()
    }

    fn stop(&mut self, stop: Stop, now: Timestamp) {
        let Stop { container: name, deadline, probe } = stop;
        let address = self.state.address;
        let container = self.state.container(&name);
        let hurry = container.stopping.is_some();
        let Some(run) = container.current.clone() else { return };
        container.stopping = Some(deadline);
        if !hurry {
            events::killing(&self.context, &self.pod, &name, probe);
        }
        let (context, pod) = (self.context.clone(), self.pod.clone());
        let time = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        self.jobs.spawn(async move {
            let begin = tokio::time::Instant::now();
            let place = hooks::Place {
                context: &context,
                pod: &pod,
                container: &name,
                runtime: run.runtime,
                id: &run.id,
                address,
            };
            let hooked = !hurry && hooks::pre_stop(&place, time).await;
            let left = time.saturating_sub(begin.elapsed()).max(if hooked { LEAST_STOP } else { Duration::ZERO });
            let result = context.runtimes[run.runtime].stop(&run.id, left).await;
            if matches!(&result, Err(error) if error.retryable()) {
                tokio::time::sleep(RETRY).await;
            }
            Done::Stopped {
                container: name,
                runtime: run.runtime,
                id: run.id,
                result: result.map_err(|error| error.to_string()),
            }
        });
    }

    /// Closes all sandboxes of the pod.
    fn close(&self) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let id = runtimes::sandbox_id(facts::uid(&self.pod), self.state.attempt);
        let runtimes: Vec<_> =
            self.state.sandboxes.iter().map(|position| self.context.runtimes[*position].clone()).collect();
        async move {
            for runtime in runtimes {
                runtime.close_sandbox(&id).await.map_err(|error| error.to_string())?;
            }
            Ok(())
        }
    }

    fn tear_down(&mut self) {
        self.state.tear_down = Step::Working;
        let (close, context, pod) = (self.close(), self.context.clone(), jobs::pod_ref(&self.pod));
        let directories = self.context.directories.clone();
        self.jobs.spawn(async move {
            let result = async {
                close.await?;
                context.network.detach(&pod).await.map_err(|error| error.to_string())?;
                let removed = crate::blocking::run(move || volumes::remove(&pod.uid, &directories)).await;
                removed.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
            };
            Done::TornDown(result.await)
        });
    }

    fn delete(&mut self, now: Timestamp) {
        // The last word first: the job waits until it is written.
        self.publish(now);
        self.state.deletion = Step::Working;
        let (context, pod) = (self.context.clone(), self.pod.clone());
        self.jobs.spawn(async move { Done::Deleted(jobs::delete(&context, &pod).await) });
    }

    /// Removes a run that is neither the current nor the one before, with its log.
    pub(super) fn clear(&mut self, container: &str, run: super::state::Run) {
        let context = self.context.clone();
        let (namespace, name, uid) = (facts::namespace(&self.pod), facts::name(&self.pod), facts::uid(&self.pod));
        let log = context.directories.log(namespace, name, uid, container, run.attempt);
        let message = context.directories.termination_message(uid, container, run.attempt);
        self.jobs.spawn(async move {
            if let Err(error) = context.runtimes[run.runtime].remove(&run.id).await {
                tracing::debug!(container = run.id, %error, "an old container stays until its sandbox is closed");
            }
            let _forgotten_at_the_end = crate::blocking::run(move || jobs::remove_files(&log, &message)).await;
            Done::Cleared
        });
    }
}
