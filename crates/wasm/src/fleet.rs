//! The sandbox processes of a node: found again at the start, started when a pod needs one, missed when they are gone.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sampan_runtime::{Error, Event, Result, SandboxConfig};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{broadcast, oneshot};

use crate::link::{self, CallError, Connected, Link};
use crate::process;
use crate::protocol::{Answer, Call, Message};
use crate::sandbox::state::StateFiles;
use crate::world::{Place, World};
use crate::{Config, ProcessStatus, protocol};

/// Events kept for a listener that is slow; it hears of more as [`Event::Lagged`].
const EVENTS: usize = 4096;

/// How long a connection that broke may take to show that its process ended.
const REAPING: Duration = Duration::from_secs(2);

/// All processes and what runs in them.
pub(crate) struct Fleet {
    config: Config,
    directory: PathBuf,
    generation: String,
    pub(crate) world: Mutex<World>,
    links: Mutex<HashMap<String, Arc<Link>>>,
    /// One start at a time for each process.
    starting: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    events: broadcast::Sender<Event>,
    this: Weak<Fleet>,
}

/// Tells how a child ended, when it was ours.
type Ended = Option<oneshot::Receiver<ExitStatus>>;

impl Fleet {
    /// Takes back what runs in `directory`.
    pub(crate) async fn open(config: Config, directory: PathBuf, generation: String) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(&directory)?;
        let fleet = Arc::new_cyclic(|this| Fleet {
            config,
            directory,
            generation,
            world: Mutex::default(),
            links: Mutex::default(),
            starting: Mutex::default(),
            events: broadcast::channel(EVENTS).0,
            this: this.clone(),
        });
        for entry in std::fs::read_dir(&fleet.directory)? {
            if let Some(key) = entry?.file_name().to_str() {
                fleet.find_again(key).await;
            }
        }
        Ok(fleet)
    }

    /// A directory of a process: it listens, or it is gone and left its state.
    async fn find_again(&self, key: &str) {
        let connected = match process::connect(&self.path(key)) {
            Ok(stream) => Link::connect(stream).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(connected) if connected.hello.version == protocol::VERSION => drop(self.adopt(key, connected, None)),
            Ok(connected) => end_stranger(&connected),
            Err(error) => tracing::info!(process = key, %error, "a sandbox process has gone"),
        }
        self.find_lost(key);
    }

    /// Pods on disk that no process knows: theirs is gone.
    fn find_lost(&self, key: &str) {
        let mut world = self.world.lock();
        let lost = format!("lost.{key}");
        for state in StateFiles::new(self.path(key)).load() {
            if world.place_of_pod(&state.config.id) == Place::Unknown {
                world.opened(&state.config, &lost);
                state.containers.into_iter().for_each(|status| world.changed(status));
            }
        }
        world.lost(&lost, self.now(), "its sandbox process ended while the agent was away");
        drop(world);
        self.tidy(key);
    }

    /// Removes a process's directory once neither process nor state is left.
    fn tidy(&self, key: &str) {
        let path = self.path(key);
        if !self.links.lock().contains_key(key) && StateFiles::new(path.clone()).load().is_empty() {
            let _ = std::fs::remove_dir_all(path);
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(key)
    }

    fn now(&self) -> i128 {
        (self.config.clock)().as_nanosecond()
    }

    /// Takes a connected process into the fleet and listens to it.
    fn adopt(&self, key: &str, connected: Connected, ended: Ended) -> Arc<Link> {
        let Connected { link, hello, messages } = connected;
        let link = Arc::new(link);
        self.world.lock().told(key, &hello.pods, hello.containers);
        self.links.lock().insert(key.to_owned(), link.clone());
        tokio::spawn(listen(self.this.clone(), key.to_owned(), link.clone(), messages, ended));
        link
    }

    /// The process for a pod, started if need be.
    async fn process_for(&self, key: &str) -> Result<Arc<Link>> {
        let starting = self.starting.lock().entry(key.to_owned()).or_default().clone();
        let _only_one = starting.lock().await;
        if let Some(link) = self.link(key) {
            return Ok(link);
        }
        self.start(key).await.map_err(|error| Error::Unavailable(format!("failed to start a sandbox process: {error}")))
    }

    async fn start(&self, key: &str) -> io::Result<Arc<Link>> {
        let directory = self.path(key);
        let mut child = process::start(&self.config.sandbox_command, &directory, self.config.limits.sandbox_idle)?;
        let pid = child.id().unwrap_or_default();
        let (sender, mut ended) = oneshot::channel();
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                let _ = sender.send(status);
            }
        });
        let greeting = async { Link::connect(process::connect(&directory)?).await };
        tokio::select! {
            biased;
            connected = greeting => match connected {
                Ok(connected) => Ok(self.adopt(key, connected, Some(ended))),
                Err(error) => Err(io::Error::other(format!("{error}; {}", process::last_words(&directory, pid, ended.try_recv().ok())))),
            },
            status = &mut ended => Err(io::Error::other(process::last_words(&directory, pid, status.ok()))),
        }
    }

    fn link(&self, key: &str) -> Option<Arc<Link>> {
        self.links.lock().get(key).cloned()
    }

    /// Opens a pod. A process that ends itself for want of pods at this very moment is replaced.
    pub(crate) async fn open_pod(&self, config: SandboxConfig) -> Result<()> {
        let key = match self.world.lock().place_of_pod(&config.id) {
            Place::Process(key) => key,
            Place::Lost => return Err(lost(&config.id)),
            Place::Unknown => process::key(&config, &self.generation),
        };
        for _ in 0..2 {
            let link = self.process_for(&key).await?;
            match link.call(Call::Open(Box::new(config.clone()))).await {
                Ok(_) => {
                    self.world.lock().opened(&config, &key);
                    return Ok(());
                }
                Err(CallError::Gone) => self.forget_link(&key, &link),
                Err(error) => return Err(error.into()),
            }
        }
        Err(CallError::Gone.into())
    }

    fn forget_link(&self, key: &str, link: &Arc<Link>) {
        let mut links = self.links.lock();
        if links.get(key).is_some_and(|known| Arc::ptr_eq(known, link)) {
            links.remove(key);
        }
    }

    pub(crate) async fn close_pod(&self, sandbox: &str) -> Result<()> {
        let place = self.world.lock().place_of_pod(sandbox);
        if let Place::Process(key) = place
            && let Some(link) = self.link(&key)
        {
            match link.call(Call::Close { sandbox: sandbox.to_owned() }).await {
                // Gone with all that was in it.
                Ok(_) | Err(CallError::Gone) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.world.lock().closed(sandbox);
        self.forget_state(sandbox);
        Ok(())
    }

    /// State files of a pod that was lost.
    fn forget_state(&self, sandbox: &str) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for key in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            StateFiles::new(self.path(&key)).remove(sandbox);
            self.tidy(&key);
        }
    }

    /// Asks the process of a pod.
    pub(crate) async fn ask_pod(&self, sandbox: &str, call: Call) -> Result<Answer> {
        let place = self.world.lock().place_of_pod(sandbox);
        self.ask(place, &format!("sandbox {sandbox}"), call).await
    }

    /// Asks the process of a container.
    pub(crate) async fn ask_container(&self, container: &str, call: Call) -> Result<Answer> {
        let place = self.world.lock().place_of_container(container);
        self.ask(place, &format!("container {container}"), call).await
    }

    async fn ask(&self, place: Place, what: &str, call: Call) -> Result<Answer> {
        let Place::Process(key) = place else {
            return Err(if place == Place::Lost { lost(what) } else { Error::NotFound(what.to_owned()) });
        };
        let link = self.link(&key).ok_or_else(|| lost(what))?;
        Ok(link.call(call).await?)
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn tell(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    pub(crate) fn processes(&self) -> Vec<ProcessStatus> {
        let world = self.world.lock();
        let links = self.links.lock();
        links.iter().map(|(key, link)| ProcessStatus { pid: link.pid, name: key.clone(), sandboxes: world.pods_in(key) }).collect()
    }

    /// Ends all processes and waits until they are gone.
    pub(crate) async fn shutdown(&self) {
        let links: Vec<_> = self.links.lock().drain().collect();
        let ends = links.iter().map(|(_, link)| link.call(Call::Shutdown));
        // No reply comes: the connection ends with the process.
        if tokio::time::timeout(Duration::from_secs(5), futures::future::join_all(ends)).await.is_err() {
            links.iter().for_each(|(_, link)| kill(link.pid));
        }
        for (key, _) in links {
            self.world.lock().told(&key, &[], Vec::new());
            let _ = std::fs::remove_dir_all(self.path(&key));
        }
    }

    fn heard(&self, message: Message, link: &Link) {
        match message {
            Message::Reply { id, result } => link.reply(id, result),
            Message::Changed(status) => {
                let event = Event::Container { sandbox: status.sandbox.clone(), container: status.id.clone() };
                self.world.lock().changed(status);
                self.tell(event);
            }
            Message::Removed { sandbox, container } => {
                self.world.lock().removed(&container);
                self.tell(Event::Container { sandbox, container });
            }
        }
    }

    /// The connection is gone. Connects again when the process is still there, else its pods are lost.
    async fn disconnected(&self, key: &str, link: &Arc<Link>, ended: Ended) {
        link.close();
        let known = self.link(key).is_some_and(|current| Arc::ptr_eq(&current, link));
        if known && let Ok(stream) = process::connect(&self.path(key)) && let Ok(connected) = Link::connect(stream).await {
            self.adopt(key, connected, ended);
            return self.tell(Event::Lagged);
        }
        let status = match ended {
            Some(ended) => tokio::time::timeout(REAPING, ended).await.ok().and_then(Result::ok),
            None => None,
        };
        self.forget_link(key, link);
        if !known {
            return;
        }
        let message = process::last_words(&self.path(key), link.pid, status);
        let events = self.world.lock().lost(key, self.now(), &message);
        if !events.is_empty() {
            tracing::error!(process = key, "{message}");
        }
        events.into_iter().for_each(|event| self.tell(event));
        self.tidy(key);
    }
}

async fn listen(fleet: Weak<Fleet>, key: String, link: Arc<Link>, mut messages: OwnedReadHalf, ended: Ended) {
    while let Some(message) = link::next(&mut messages).await {
        let Some(fleet) = fleet.upgrade() else { return };
        fleet.heard(message, &link);
    }
    if let Some(fleet) = fleet.upgrade() {
        fleet.disconnected(&key, &link, ended).await;
    }
}

/// A process that speaks another version of the protocol can be neither asked nor trusted with new pods.
fn end_stranger(connected: &Connected) {
    let (pid, version) = (connected.hello.pid, connected.hello.version);
    tracing::warn!(pid, version, "ending a sandbox process that speaks another version of the protocol; its pods will be started anew");
    kill(pid);
}

fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn lost(what: &str) -> Error {
    Error::Unavailable(format!("{what} has lost its sandbox process; close the sandbox and open another"))
}
