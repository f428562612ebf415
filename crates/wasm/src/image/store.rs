//! The content store and the index on disk: `blobs/sha256-…`, and `index.json` with every image known.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use super::manifest::Settings;

/// One image on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) references: Vec<String>,
    /// Of the manifest.
    pub(crate) digest: String,
    /// Digest of the Wasm.
    pub(crate) wasm: String,
    pub(crate) size: u64,
    pub(crate) serves: bool,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) cmd: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) working_dir: String,
}

impl Record {
    pub(super) fn new(digest: String, wasm: String, size: u64, serves: bool, settings: Settings) -> Self {
        let Settings { entrypoint, cmd, env, working_dir, wasm: _ } = settings;
        Record { references: Vec::new(), digest, wasm, size, serves, entrypoint, cmd, env, working_dir }
    }
}

/// Blobs and index.
pub(super) struct Store {
    directory: PathBuf,
    images: Mutex<BTreeMap<String, Record>>,
    /// One writer of the index at a time.
    writing: tokio::sync::Mutex<u64>,
}

impl Store {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory.join("blobs"))?;
        // What a crash left half done.
        let _ = std::fs::remove_dir_all(directory.join("incoming"));
        std::fs::create_dir_all(directory.join("incoming"))?;
        let images = match std::fs::read(directory.join("index.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                io::Error::other(format!("{} cannot be read: {error}", directory.join("index.json").display()))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Store { directory: directory.to_owned(), images: Mutex::new(images), writing: tokio::sync::Mutex::new(0) })
    }

    /// By one of its names, by its digest, or by any name with its digest.
    pub(super) fn find(&self, reference: &str) -> Option<Record> {
        let images = self.images.lock();
        let digest = reference.rsplit_once('@').map_or(reference, |(_, digest)| digest);
        let named = || images.values().find(|record| record.references.iter().any(|name| name == reference));
        images.get(digest).or_else(named).cloned()
    }

    /// Writes the image into the index under this name too, and takes the name from the image that had it.
    pub(super) async fn name(&self, mut record: Record, reference: &str) -> io::Result<Record> {
        let mut writing = self.writing.lock().await;
        let index = {
            let mut images = self.images.lock();
            if let Some(known) = images.get(&record.digest) {
                if known.references.iter().any(|name| name == reference) {
                    return Ok(known.clone());
                }
                record.references.clone_from(&known.references);
            }
            for other in images.values_mut() {
                other.references.retain(|name| name != reference);
            }
            record.references.push(reference.to_owned());
            images.insert(record.digest.clone(), record.clone());
            serde_json::to_vec(&*images)?
        };
        *writing += 1;
        self.replace("index.json", &index).await?;
        Ok(record)
    }

    async fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.directory.join("incoming").join(name);
        let mut file = fs::File::create(&new).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        fs::rename(&new, self.directory.join(name)).await
    }

    /// Where the blob of this digest lies, or would.
    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        self.directory.join("blobs").join(digest.replace(':', "-"))
    }

    pub(super) async fn has(&self, digest: &str) -> bool {
        fs::try_exists(self.blob(digest)).await.unwrap_or(false)
    }

    /// A file for a blob that is still coming.
    pub(super) async fn incoming(&self) -> io::Result<Incoming<'_>> {
        let number = {
            let mut writing = self.writing.lock().await;
            *writing += 1;
            *writing
        };
        let path = self.directory.join("incoming").join(format!("blob-{number}"));
        let file = fs::File::create(&path).await?;
        Ok(Incoming { store: self, path, file })
    }

    /// Stores bytes under their own digest.
    pub(super) async fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let digest = digest_of(bytes);
        let mut incoming = self.incoming().await?;
        incoming.file.write_all(bytes).await?;
        incoming.keep(&digest).await?;
        Ok(digest)
    }
}

/// A blob on its way; deleted unless it is kept.
pub(super) struct Incoming<'a> {
    store: &'a Store,
    path: PathBuf,
    pub(super) file: fs::File,
}

impl Incoming<'_> {
    /// Moves it into the store. The caller has checked that it has this digest.
    pub(super) async fn keep(mut self, digest: &str) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        fs::rename(&self.path, self.store.blob(digest)).await
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        // Gone already when it was kept.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// `sha256:…` of some bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format_digest(Sha256::new_with_prefix(bytes))
}

/// A finished hash as a digest.
pub(super) fn format_digest(hash: Sha256) -> String {
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(digest: &str) -> Record {
        Record::new(digest.to_owned(), "sha256:w".to_owned(), 1, false, Settings::default())
    }

    #[tokio::test]
    async fn images_survive_a_restart_and_a_tag_moves() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.name(record("sha256:a"), "host/name:1").await.unwrap();
        store.name(record("sha256:a"), "host/other:1").await.unwrap();
        store.name(record("sha256:b"), "host/name:1").await.unwrap();
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        let digest = |reference: &str| store.find(reference).map(|record| record.digest);
        assert_eq!(digest("host/name:1").as_deref(), Some("sha256:b"));
        assert_eq!(digest("host/other:1").as_deref(), Some("sha256:a"));
        assert_eq!(digest("sha256:a").as_deref(), Some("sha256:a"));
        assert_eq!(digest("somewhere/else@sha256:b").as_deref(), Some("sha256:b"));
        assert_eq!(digest("host/name:2"), None);
    }

    #[tokio::test]
    async fn a_blob_that_is_not_kept_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        drop(store.incoming().await.unwrap());
        assert_eq!(std::fs::read_dir(directory.path().join("incoming")).unwrap().count(), 0);
        let digest = store.put(b"wasm").await.unwrap();
        assert_eq!(digest, "sha256:336154bf67f765f8f75d16a0accee61b5ee5f6a75b2a2905703df913bd550f3e");
        assert!(store.has(&digest).await);
    }
}
