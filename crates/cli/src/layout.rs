//! Where everything lies below the data directory. One directory holds the whole state; deleting it forgets the cluster.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// A data directory and what is where in it.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// Held while a process uses the directory, so that a second one says so instead of breaking the first.
pub(crate) struct Lock {
    _file: File,
}

impl Layout {
    /// Makes the directory, for its owner alone, when it is not there.
    pub(crate) fn create(root: &Path) -> Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(root);
        made.with_context(|| format!("failed to make the data directory {}", root.display()))?;
        let root = root.canonicalize().with_context(|| format!("failed to find {}", root.display()))?;
        Ok(Self { root })
    }

    /// Finds a directory that a server has used.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let root = root.canonicalize().with_context(|| format!("there is no data directory {}", root.display()))?;
        Ok(Self { root })
    }

    /// Takes the directory for this process until it ends.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.root.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| format!("failed to open {}", path.display()))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                bail!("another sampan uses {}; stop it or give another --data-dir", self.root.display())
            }
            Err(error) => Err(io::Error::from(error)).with_context(|| format!("failed to lock {}", path.display())),
        }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    /// The keys that the store's content is encrypted with.
    pub(crate) fn encryption(&self) -> PathBuf {
        self.pki().join("encryption.yaml")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.root.join("audit").join("audit.log")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("state.db")
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.root.join("registry")
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    pub(crate) fn wasm(&self) -> PathBuf {
        self.root.join("wasm")
    }

    pub(crate) fn pod_addresses(&self) -> PathBuf {
        self.root.join("addresses")
    }

    pub(crate) fn static_pods(&self) -> PathBuf {
        self.root.join("manifests")
    }

    /// A small fact kept for the next start, as one line of text.
    pub(crate) fn remembered(&self, fact: &str) -> Option<String> {
        fs::read_to_string(self.root.join(fact)).ok().map(|text| text.trim().to_owned())
    }

    pub(crate) fn remember(&self, fact: &str, value: &str) -> Result<()> {
        let path = self.root.join(fact);
        write_atomically(&path, format!("{value}\n").as_bytes(), 0o600)
    }
}

/// Writes a file so that a reader, or a crash, sees the old or the new content and nothing between.
pub(crate) fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::options().create(true).truncate(true).write(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_serves_one_process_at_a_time_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let layout = Layout::create(&parent.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(&layout.root).unwrap().permissions().mode() & 0o777, 0o700);
        let lock = layout.lock().unwrap();
        let error = layout.lock().map(drop).unwrap_err().to_string();
        assert!(error.starts_with("another sampan uses "), "{error}");
        drop(lock);
        layout.lock().unwrap();
    }

    #[test]
    fn facts_are_kept_for_the_next_start() {
        let parent = tempfile::tempdir().unwrap();
        let layout = Layout::create(parent.path()).unwrap();
        assert_eq!(layout.remembered("range"), None);
        layout.remember("range", "127.70.0.0").unwrap();
        assert_eq!(layout.remembered("range").as_deref(), Some("127.70.0.0"));
    }
}
