//! A process's life as the fleet sees it: found again or started, heard, and missed when it is gone.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sampan_runtime::{Error, Event, Result};
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::oneshot;

use super::Fleet;
use crate::link::{self, Connected, Link};
use crate::process;
use crate::protocol::{self, Message};
use crate::sandbox::state;
use crate::world::Place;

/// How long a connection that broke may take to show that its process ended.
const REAPING: Duration = Duration::from_secs(2);

/// Tells how a child ended, when it was ours.
type Ended = Option<oneshot::Receiver<ExitStatus>>;

impl Fleet {
    /// A directory of a process: it listens, or it is gone and left its state.
    pub(super) async fn find_again(&self, key: &str) {
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
        for state in state::load(&self.path(key)) {
            if world.place_of_pod(&state.config.id) == Place::Unknown {
                world.opened(&state.config, &lost);
                state.containers.into_iter().for_each(|status| world.changed(status));
            }
        }
        world.lost(&lost, self.now(), "its sandbox process ended while the agent was away");
        drop(world);
        self.tidy(key);
    }

    /// Removes a process's directory once neither process nor state is left, and none is being started in it.
    pub(super) fn tidy(&self, key: &str) {
        self.while_dead(key, |path| if state::load(path).is_empty() { std::fs::remove_dir_all(path) } else { Ok(()) });
    }

    /// Takes over what a process that is gone has left on disk; whoever starts the next one does it then.
    pub(super) fn set_aside(&self, key: &str) {
        self.while_dead(key, state::set_aside);
    }

    /// Does something in the directory of a process if there is none and none is being started.
    fn while_dead(&self, key: &str, action: impl FnOnce(&Path) -> io::Result<()>) {
        let starting = self.starting.lock().entry(key.to_owned()).or_default().clone();
        let Ok(_nobody_starts) = starting.try_lock() else { return };
        if self.links.lock().contains_key(key) {
            return;
        }
        if let Err(error) = action(&self.path(key)) {
            tracing::debug!(process = key, %error, "the directory of a process that is gone is left as it is");
        }
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
    pub(super) async fn process_for(&self, key: &str, namespace: Option<&Path>) -> Result<Arc<Link>> {
        let starting = self.starting.lock().entry(key.to_owned()).or_default().clone();
        let _only_one = starting.lock().await;
        if let Some(link) = self.link(key) {
            return Ok(link);
        }
        self.start(key, namespace)
            .await
            .map_err(|error| Error::Unavailable(format!("failed to start a sandbox process: {error}")))
    }

    async fn start(&self, key: &str, namespace: Option<&Path>) -> io::Result<Arc<Link>> {
        let directory = self.path(key);
        state::set_aside(&directory)?;
        let mut child =
            process::start(&self.config.sandbox_command, &directory, self.config.limits.sandbox_idle, namespace)?;
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
        if known && let Ok(stream) = process::connect(&self.path(key)) {
            if let Ok(connected) = Link::connect(stream).await {
                self.adopt(key, connected, ended);
                return self.tell(Event::Lagged);
            }
            // It is there and says nothing. Another will take its place, which needs its addresses.
            kill(link.pid);
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
    tracing::warn!(
        pid,
        version,
        "ending a sandbox process that speaks another version of the protocol; its pods will be started anew"
    );
    kill(pid);
}

pub(super) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
