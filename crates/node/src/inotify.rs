//! Hearing of changes in directories: one inotify instance for the whole node (the machine allows few of them), many watches.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// The node's inotify instance. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Directories {
    shared: Arc<Shared>,
}

struct Shared {
    descriptor: Arc<AsyncFd<OwnedFd>>,
    watched: Arc<Mutex<BTreeMap<i32, Watched>>>,
    task: tokio::task::AbortHandle,
}

struct Watched {
    users: usize,
    changed: watch::Sender<u64>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One directory being watched; dropping it ends that.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    number: i32,
    changed: watch::Receiver<u64>,
}

impl Directories {
    /// Fails when the machine's limit of inotify instances is reached.
    pub(crate) fn new() -> std::io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        // SAFETY: the descriptor is owned by the `AsyncFd` from here on and neither replaced nor closed before it is dropped.
        #[allow(unsafe_code)]
        let descriptor = Arc::new(unsafe { AsyncFd::register(descriptor) }.map_err(std::io::Error::from)?);
        let watched = Arc::new(Mutex::default());
        let task = tokio::spawn(listen(descriptor.clone(), Arc::clone(&watched))).abort_handle();
        Ok(Self { shared: Arc::new(Shared { descriptor, watched, task }) })
    }

    /// Watches for files appearing, changing, moving and going in a directory that exists.
    pub(crate) fn watch(&self, directory: &Path) -> std::io::Result<Watch> {
        let what =
            WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::MOVE | WatchFlags::DELETE;
        let mut watched = self.shared.watched.lock();
        let number = inotify::add_watch(&*self.shared.descriptor, directory, what)?;
        let entry = watched.entry(number).or_insert_with(|| Watched { users: 0, changed: watch::Sender::new(0) });
        entry.users += 1;
        let changed = entry.changed.subscribe();
        drop(watched);
        Ok(Watch { shared: self.shared.clone(), number, changed })
    }
}

impl Watch {
    /// Waits for a change since the last call. Several changes may count as one.
    pub(crate) async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // The directory is gone: nothing will ever change there.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.shared.watched.lock();
        let Some(entry) = watched.get_mut(&self.number) else { return };
        entry.users -= 1;
        if entry.users == 0 {
            watched.remove(&self.number);
            // Fails when the directory is gone, and then there is nothing to end.
            let _already_gone = inotify::remove_watch(&*self.shared.descriptor, self.number);
        }
    }
}

async fn listen(descriptor: Arc<AsyncFd<OwnedFd>>, watched: Arc<Mutex<BTreeMap<i32, Watched>>>) {
    loop {
        let Ok(mut ready) = descriptor.readable().await else { return };
        drain(&descriptor, &watched);
        ready.clear_ready();
    }
}

fn drain(descriptor: &AsyncFd<OwnedFd>, watched: &Mutex<BTreeMap<i32, Watched>>) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(descriptor.get_ref(), &mut buffer);
    while let Ok(event) = reader.next() {
        let watched = watched.lock();
        let touched = |watched: &Watched| watched.changed.send_modify(|count| *count += 1);
        match watched.get(&event.wd()) {
            Some(one) => touched(one),
            // Events were lost: everybody looks.
            None if event.wd() == -1 => watched.values().for_each(touched),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_watcher_of_a_directory_hears_of_a_new_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let other = tempfile::tempdir().expect("a directory");
        let directories = Directories::new().expect("inotify");
        let mut one = directories.watch(directory.path()).expect("a watch");
        let mut two = directories.watch(directory.path()).expect("a watch");
        let mut elsewhere = directories.watch(other.path()).expect("a watch");
        std::fs::write(directory.path().join("a"), "x").expect("written");
        one.changed().await;
        two.changed().await;
        drop(one);
        std::fs::write(directory.path().join("b"), "x").expect("written");
        two.changed().await;
        std::fs::write(other.path().join("c"), "x").expect("written");
        elsewhere.changed().await;
    }
}
