//! A runtime that runs nothing and behaves as told: for tests of the node and for the simulator.
//!
//! Images carry a [`Program`] that says what their containers do. Time stamps come from the function given to [`FakeRuntime::new`];
//! delays are tokio timers, so a paused clock runs them at once. It passes `conformance!` like every other runtime.

mod image;
mod log;
mod run;
mod state;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::broadcast;

pub use image::{End, FakeImage, Program, PullStep};
use state::State;

use crate::{
    ContainerConfig, ContainerStats, ContainerStatus, Error, Event, Exit, Image, ImagePull, NetworkAttachment,
    ProbeKind, Result, Runtime, RuntimeStatus, SandboxConfig, SandboxStatus,
};

/// Answers the time: nanoseconds since the Unix epoch.
pub type Now = Arc<dyn Fn() -> i128 + Send + Sync>;

/// The calls that [`FakeRuntime::fail`] can make fail and [`FakeRuntime::calls`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// [`Runtime::open_sandbox`]
    OpenSandbox,
    /// [`Runtime::close_sandbox`]
    CloseSandbox,
    /// [`Runtime::pull`]
    Pull,
    /// [`Runtime::create`]
    Create,
    /// [`Runtime::start`]
    Start,
    /// [`Runtime::stop`]
    Stop,
    /// [`Runtime::remove`]
    Remove,
    /// [`Runtime::probe`]
    Probe,
    /// [`Runtime::containers`]
    List,
}

/// The fake. Cloning gives another handle on the same state; so does [`FakeRuntime::restarted`].
#[derive(Clone)]
pub struct FakeRuntime {
    handler: &'static str,
    /// The first two numbers of the addresses it gives by itself.
    networks: Option<[u8; 2]>,
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    now: Now,
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> i128 {
        (self.now)()
    }

    pub(crate) fn tell(&self, event: Event) {
        let _nobody_listens = self.events.send(event);
    }
}

impl FakeRuntime {
    /// A runtime without images, sandboxes or containers.
    pub fn new(handler: &'static str, now: Now) -> Self {
        let (events, _) = broadcast::channel(1024);
        Self { handler, networks: None, shared: Arc::new(Shared { now, state: Mutex::default(), events }) }
    }

    /// The same as a runtime that makes networks: each sandbox gets an address that begins with these two numbers.
    #[must_use]
    pub fn making_networks(self, range: [u8; 2]) -> Self {
        Self { networks: Some(range), ..self }
    }

    /// Puts an image into the imagined registry, replacing one of the same reference.
    pub fn add_image(&self, image: FakeImage) {
        self.shared.state().registry.insert(image.reference.clone(), image);
    }

    /// Makes the next call of that kind fail with `error`; several are used up in order.
    pub fn fail(&self, call: Call, error: Error) {
        self.shared.state().failures.entry(call).or_default().push_back(error);
    }

    /// How often a call was made since the beginning.
    pub fn calls(&self, call: Call) -> u64 {
        self.shared.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// Ends a running container now, as if its program had.
    pub fn end(&self, container: &str, exit: Exit) {
        run::finish(&self.shared, container, exit);
    }

    /// Loses the process of a sandbox: its containers die with it.
    pub fn lose_sandbox(&self, id: &str) {
        run::lose(&self.shared, id);
    }

    /// What `sampan:pod/probe` of containers of that image answers from now on; `None` takes the export away.
    pub fn set_probe(&self, reference: &str, kind: ProbeKind, answer: Option<bool>) {
        let mut state = self.shared.state();
        match answer {
            Some(answer) => state.probes.insert((reference.to_owned(), kind == ProbeKind::Live), answer),
            None => state.probes.remove(&(reference.to_owned(), kind == ProbeKind::Live)),
        };
    }

    /// Drops hints on the floor: every listener hears that it missed some.
    pub fn lag(&self) {
        self.shared.tell(Event::Lagged);
    }

    /// The configuration a container was created with.
    pub fn config(&self, container: &str) -> Option<ContainerConfig> {
        self.shared.state().containers.get(container).map(|container| container.config.clone())
    }

    /// The configuration a sandbox was opened with.
    pub fn sandbox(&self, id: &str) -> Option<SandboxConfig> {
        self.shared.state().sandboxes.get(id).map(|sandbox| sandbox.config.clone())
    }

    /// Counts the call and uses up a scripted failure of it.
    fn begin(&self, call: Call) -> Result<()> {
        let mut state = self.shared.state();
        *state.calls.entry(call).or_default() += 1;
        match state.failures.get_mut(&call).and_then(VecDeque::pop_front) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn pull_image(&self, reference: &str) -> Result<Image> {
        self.begin(Call::Pull)?;
        let step = self.shared.state().next_pull(reference)?;
        if !step.delay.is_zero() {
            tokio::time::sleep(step.delay).await;
        }
        match step.error {
            Some(error) => Err(error),
            None => self.shared.state().take_in(reference),
        }
    }
}

impl Runtime for FakeRuntime {
    fn handler(&self) -> &'static str {
        self.handler
    }

    fn status(&self) -> BoxFuture<'_, Result<RuntimeStatus>> {
        Box::pin(async {
            Ok(RuntimeStatus { version: format!("{}://1.0.0-fake", self.handler), features: Vec::new() })
        })
    }

    fn makes_networks(&self) -> bool {
        self.networks.is_some()
    }

    fn open_sandbox(&self, config: SandboxConfig) -> BoxFuture<'_, Result<NetworkAttachment>> {
        Box::pin(async {
            self.begin(Call::OpenSandbox)?;
            self.shared.state().open(config, self.networks)
        })
    }

    fn close_sandbox<'a>(&'a self, id: &str) -> BoxFuture<'a, Result<()>> {
        let id = id.to_owned();
        Box::pin(async move {
            self.begin(Call::CloseSandbox)?;
            run::close(&self.shared, &id);
            Ok(())
        })
    }

    fn sandboxes(&self) -> BoxFuture<'_, Result<Vec<SandboxStatus>>> {
        Box::pin(async { Ok(self.shared.state().sandbox_list()) })
    }

    fn accepts(&self, image: &ImagePull) -> BoxFuture<'_, Result<bool>> {
        let reference = image.reference.clone();
        Box::pin(async move { self.shared.state().accepts(&reference) })
    }

    fn pull(&self, image: &ImagePull) -> BoxFuture<'_, Result<Image>> {
        let reference = image.reference.clone();
        Box::pin(async move { self.pull_image(&reference).await })
    }

    fn image(&self, reference: &str) -> BoxFuture<'_, Result<Option<Image>>> {
        let reference = reference.to_owned();
        Box::pin(async move { Ok(self.shared.state().image(&reference)) })
    }

    fn create(&self, config: ContainerConfig) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.begin(Call::Create)?;
            self.shared.state().create(config)
        })
    }

    fn start(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        Box::pin(async move {
            self.begin(Call::Start)?;
            run::start(&self.shared, &id).await
        })
    }

    fn stop(&self, id: &str, grace: Duration) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        Box::pin(async move {
            self.begin(Call::Stop)?;
            run::stop(&self.shared, &id, grace).await
        })
    }

    fn remove(&self, id: &str) -> BoxFuture<'_, Result<()>> {
        let id = id.to_owned();
        Box::pin(async move {
            self.begin(Call::Remove)?;
            let sandbox = self.shared.state().remove(&id)?;
            if let Some(sandbox) = sandbox {
                self.shared.tell(Event::Container { sandbox, container: id });
            }
            Ok(())
        })
    }

    fn containers(&self) -> BoxFuture<'_, Result<Vec<ContainerStatus>>> {
        Box::pin(async {
            self.begin(Call::List)?;
            Ok(self.shared.state().container_list())
        })
    }

    fn container<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<ContainerStatus>>> {
        Box::pin(async move { Ok(self.shared.state().containers.get(id).map(state::Container::status)) })
    }

    fn events(&self) -> BoxStream<'static, Event> {
        let receiver = self.shared.events.subscribe();
        futures::stream::unfold(receiver, |mut receiver| async {
            match receiver.recv().await {
                Ok(event) => Some((event, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Event::Lagged, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    fn probe(&self, id: &str, probe: ProbeKind) -> BoxFuture<'_, Result<Option<bool>>> {
        let id = id.to_owned();
        Box::pin(async move {
            self.begin(Call::Probe)?;
            self.shared.state().probe(&id, probe)
        })
    }

    fn stats(&self, id: &str) -> BoxFuture<'_, Result<ContainerStats>> {
        let id = id.to_owned();
        Box::pin(async move { self.shared.state().stats(&id, self.shared.now()) })
    }
}

#[cfg(test)]
mod tests;
