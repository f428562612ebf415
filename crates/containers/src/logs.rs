//! Bounding logs. containerd writes them and never begins another file by itself: whoever made the container renames the file and says
//! so, as the kubelet's container log manager does (pkg/kubelet/logs/container_log_manager.go).
//!
//! Nothing polls: the kernel tells of files that grow, and a file that grows is looked at once in a while.

mod files;

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use sampan_runtime::{ContainerState, LogConfig, Result};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::cri;
use crate::names;
use crate::runtime::Parts;

/// At least this long lies between two looks, however fast a container writes.
const PAUSE: Duration = Duration::from_secs(1);

/// Told of every container that begins to write.
#[derive(Clone)]
pub(crate) struct Logs {
    growing: mpsc::UnboundedSender<String>,
}

impl Logs {
    pub(crate) fn grows(&self, container: &str) {
        let _nobody_rotates_any_more = self.growing.send(container.to_owned());
    }
}

pub(crate) fn channel() -> (Logs, mpsc::UnboundedReceiver<String>) {
    let (growing, told) = mpsc::unbounded_channel();
    (Logs { growing }, told)
}

/// Keeps the logs of running containers within their bounds, for ever.
pub(crate) async fn rotate(parts: Parts, mut growing: mpsc::UnboundedReceiver<String>) {
    let mut rotor = match Rotor::new(parts) {
        Ok(rotor) => rotor,
        Err(error) => return tracing::warn!(%error, "no inotify: the logs of containers grow without bounds"),
    };
    while let Err(error) = rotor.take_back().await {
        tracing::debug!(%error, "waiting for containerd to bound the logs of what runs");
        tokio::time::sleep(PAUSE).await;
    }
    loop {
        tokio::select! { biased;
            container = growing.recv() => match container {
                Some(container) => rotor.begin(&container).await,
                None => return,
            },
            () = rotor.written() => {
                rotor.look().await;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

struct Rotor {
    parts: Parts,
    descriptor: AsyncFd<OwnedFd>,
    watched: BTreeMap<i32, Log>,
    /// Watches whose file was written to since the last look.
    touched: Vec<i32>,
}

/// The log of a container, by its id and by containerd's.
#[derive(Clone)]
struct Log {
    container: String,
    found: String,
    config: LogConfig,
}

impl Rotor {
    #[expect(
        deprecated,
        reason = "sound for a descriptor that is owned; the other constructor is unsafe code, which this crate does without"
    )]
    fn new(parts: Parts) -> std::io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { parts, descriptor: AsyncFd::new(descriptor)?, watched: BTreeMap::new(), touched: Vec::new() })
    }

    /// Containers from before the agent's restart.
    async fn take_back(&mut self) -> Result<()> {
        for status in self.parts.containers().await? {
            if matches!(status.state, ContainerState::Running { .. }) {
                self.begin(&status.id).await;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, container: &str) {
        match self.log(container).await {
            Ok(Some(log)) => self.watch(log),
            Ok(None) => {}
            Err(error) => tracing::warn!(container, %error, "a container's log is not bounded"),
        }
    }

    async fn log(&self, container: &str) -> Result<Option<Log>> {
        let (found, _) = self.parts.known(container).await?;
        let Some(status) = self.parts.ask(&found).await? else { return Ok(None) };
        let config = status.annotations.get(names::LOG).and_then(|text| serde_json::from_str(text).ok());
        Ok(config.map(|config| Log { container: container.to_owned(), found, config }))
    }

    /// A file, not its directory: one watch a container, gone with the file.
    fn watch(&mut self, log: Log) {
        match inotify::add_watch(&self.descriptor, &log.config.path, WatchFlags::MODIFY) {
            Ok(number) => {
                self.watched.insert(number, log);
                // What was written before the watch.
                self.touched.push(number);
            }
            Err(error) => tracing::debug!(container = log.container, %error, "there is no log to watch"),
        }
    }

    /// Waits until a file has grown.
    async fn written(&mut self) {
        while self.touched.is_empty() {
            let Ok(mut ready) = self.descriptor.readable().await else { return std::future::pending().await };
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(self.descriptor.get_ref(), &mut buffer);
            while let Ok(event) = reader.next() {
                if event.events().contains(inotify::ReadFlags::IGNORED) {
                    self.watched.remove(&event.wd());
                } else if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
                    self.touched.extend(self.watched.keys());
                } else {
                    self.touched.push(event.wd());
                }
            }
            ready.clear_ready();
        }
    }

    async fn look(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for number in touched {
            let Some(log) = self.watched.get(&number).cloned() else { continue };
            if files::size(&log.config.path) > log.config.max_bytes {
                self.turn(number, log).await;
            }
        }
    }

    /// Puts the full file aside and has containerd begin another. One whose container does not run stays as it is.
    async fn turn(&mut self, number: i32, log: Log) {
        self.watched.remove(&number);
        let _went_with_the_file = inotify::remove_watch(&self.descriptor, number);
        if let Err(error) = files::put_aside(&log.config) {
            return tracing::warn!(container = log.container, %error, "a log cannot be bounded: its file cannot be renamed");
        }
        let request = cri::ReopenContainerLogRequest { container_id: log.found.clone() };
        match self.parts.client.call(request, &format!("container {}", log.container)).await {
            Ok(_) => self.watch(log),
            // It has just ended: what it wrote last is found under the usual name.
            Err(error) => {
                tracing::debug!(container = log.container, %error, "no further log file");
                files::put_back(&log.config);
            }
        }
    }
}
