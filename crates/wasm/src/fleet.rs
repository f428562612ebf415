//! The sandbox processes of a node: found again at the start, started when a pod needs one, missed when they are gone.

mod life;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use sampan_runtime::{Error, Event, Result, SandboxConfig};
use tokio::net::UnixStream;
use tokio::sync::broadcast;

use crate::link::{CallError, Link};
use crate::process;
use crate::protocol::{Answer, Call};
use crate::sandbox::state;
use crate::world::{Place, World};
use crate::{Config, ProcessStatus};

/// Events kept for a listener that is slow; it hears of more as [`Event::Lagged`].
const EVENTS: usize = 4096;

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

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(key)
    }

    fn now(&self) -> i128 {
        (self.config.clock)().as_nanosecond()
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
            let link = self.process_for(&key, process::namespace(&config)).await?;
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
        let mut gone = place == Place::Lost;
        if let Place::Process(key) = place
            && let Some(link) = self.link(&key)
        {
            match link.call(Call::Close { sandbox: sandbox.to_owned() }).await {
                Ok(_) => {}
                // With all that was in it.
                Err(CallError::Gone) => gone = true,
                Err(error) => return Err(error.into()),
            }
        }
        self.world.lock().closed(sandbox);
        if gone {
            self.forget_lost(sandbox);
        }
        Ok(())
    }

    /// What is on disk of a pod whose process is gone.
    fn forget_lost(&self, sandbox: &str) {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for key in entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
            self.set_aside(&key);
            if let Err(error) = state::forget(&self.path(&key), sandbox) {
                tracing::warn!(sandbox, process = key, %error, "failed to forget a pod that was lost");
            }
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

    /// A connection for streams to the process of a container.
    pub(crate) async fn streams(&self, container: &str) -> Result<UnixStream> {
        let place = self.world.lock().place_of_container(container);
        let what = format!("container {container}");
        let Place::Process(key) = place else {
            return Err(if place == Place::Lost { lost(&what) } else { Error::NotFound(what) });
        };
        crate::streams::connect(&self.path(&key))
            .map_err(|error| Error::Unavailable(format!("failed to connect to the sandbox process of {what}: {error}")))
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
        links
            .iter()
            .map(|(key, link)| ProcessStatus { pid: link.pid, name: key.clone(), sandboxes: world.pods_in(key) })
            .collect()
    }

    /// Ends all processes and waits until they are gone.
    pub(crate) async fn shutdown(&self) {
        let links: Vec<_> = self.links.lock().drain().collect();
        let ends = links.iter().map(|(_, link)| link.call(Call::Shutdown));
        // No reply comes: the connection ends with the process.
        if tokio::time::timeout(Duration::from_secs(5), futures::future::join_all(ends)).await.is_err() {
            links.iter().for_each(|(_, link)| life::kill(link.pid));
        }
        for (key, _) in links {
            self.world.lock().told(&key, &[], Vec::new());
            let _ = std::fs::remove_dir_all(self.path(&key));
        }
    }
}

fn lost(what: &str) -> Error {
    Error::Unavailable(format!("{what} has lost its sandbox process; close the sandbox and open another"))
}
