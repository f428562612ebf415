//! Uploads under way: a file each, and the hash of what it holds so far.

use std::collections::HashMap;
use std::io::SeekFrom;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use futures::StreamExt;
use sha2::{Digest as _, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::error::{Code, Error};
use crate::name::{Digest, Repository};
use crate::registry::Limits;

/// An upload nobody has touched for so long may be given up for a new one.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// All uploads of a registry.
pub(crate) struct Sessions {
    directory: PathBuf,
    /// Part of every id: an id of an earlier run of the program never names an upload of this one.
    generation: u64,
    counter: AtomicU64,
    limits: Limits,
    open: std::sync::Mutex<HashMap<String, Arc<Session>>>,
}

/// One upload.
pub(crate) struct Session {
    pub(crate) id: String,
    repository: Repository,
    path: PathBuf,
    touched: std::sync::Mutex<Instant>,
    content: Mutex<Content>,
}

struct Content {
    file: File,
    hasher: Sha256,
    size: u64,
    /// A piece is being written. Found set at the beginning, it was never finished: its request was dropped.
    writing: bool,
}

impl Sessions {
    pub(crate) fn new((directory, generation): (PathBuf, u64), limits: Limits) -> Self {
        Self { directory, generation, counter: AtomicU64::new(0), limits, open: std::sync::Mutex::default() }
    }

    /// Begins an upload to a repository.
    pub(crate) async fn begin(&self, repository: &Repository) -> Result<Arc<Session>, Error> {
        self.make_room().await?;
        let id = format!("{:x}-{:x}", self.generation, self.counter.fetch_add(1, Ordering::Relaxed));
        let path = self.directory.join(&id);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).await?;
        let session = Arc::new(Session {
            id: id.clone(),
            repository: repository.clone(),
            path,
            touched: std::sync::Mutex::new(Instant::now()),
            content: Mutex::new(Content { file, hasher: Sha256::new(), size: 0, writing: false }),
        });
        self.table().insert(id, session.clone());
        Ok(session)
    }

    async fn make_room(&self) -> Result<(), Error> {
        let idle: Vec<Arc<Session>> = {
            let table = self.table();
            if table.len() < self.limits.uploads {
                return Ok(());
            }
            table.values().filter(|session| session.idle() > IDLE).cloned().collect()
        };
        if idle.is_empty() {
            let why = format!("{} uploads are under way already: try again later", self.limits.uploads);
            return Err(Error::new(Code::TooManyRequests, why));
        }
        for session in idle {
            self.end(&session).await;
        }
        Ok(())
    }

    /// The upload with this id, if it is one to this repository.
    pub(crate) fn find(&self, repository: &Repository, id: &str) -> Result<Arc<Session>, Error> {
        let session = self.table().get(id).filter(|session| session.repository == *repository).cloned();
        let session = session.ok_or_else(|| {
            Error::new(
                Code::BlobUploadUnknown,
                "there is no such upload: it has ended, or the registry was restarted; begin again",
            )
        })?;
        *session.touched.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
        Ok(session)
    }

    /// Appends what arrives. `start` is where the client believes it continues. Gives the new size.
    ///
    /// A client that breaks off leaves the upload with what had arrived, to be continued; a disk that fails ends it.
    pub(crate) async fn append(&self, session: &Arc<Session>, start: Option<u64>, body: Body) -> Result<u64, Error> {
        let mut content = session.content.lock().await;
        if let Some(start) = start.filter(|start| *start != content.size) {
            let why = format!("the upload continues at byte {}, not {start}", content.size);
            return Err(Error::new(Code::RangeInvalid, why));
        }
        let appended = content.append(body, self.limits.blob).await;
        match appended {
            Ok(()) => Ok(content.size),
            Err(Stopped::Client) => {
                Err(Error::new(Code::BlobUploadInvalid, "the content did not arrive whole: go on where it ended"))
            }
            Err(Stopped::TooLarge) => {
                self.discard(session, content).await;
                Err(Error::new(Code::SizeInvalid, format!("a blob may have {} bytes at most", self.limits.blob)))
            }
            Err(Stopped::Disk(error)) => {
                self.discard(session, content).await;
                Err(error.into())
            }
        }
    }

    /// Ends an upload whose content must have this digest; gives the file, which is then on the disk and the caller's.
    pub(crate) async fn finish(&self, session: &Arc<Session>, wanted: &Digest) -> Result<PathBuf, Error> {
        let content = session.content.lock().await;
        let found = Digest::finish(content.hasher.clone());
        if found != *wanted {
            self.discard(session, content).await;
            return Err(Error::new(Code::DigestInvalid, format!("the blob pushed as {wanted} has the digest {found}")));
        }
        if let Err(error) = content.file.sync_all().await {
            self.discard(session, content).await;
            return Err(error.into());
        }
        self.table().remove(&session.id);
        Ok(session.path.clone())
    }

    /// Gives an upload up.
    pub(crate) async fn end(&self, session: &Arc<Session>) {
        let content = session.content.lock().await;
        self.discard(session, content).await;
    }

    /// The file is removed while its lock is held: nobody appends to what is gone.
    async fn discard(&self, session: &Session, _held: MutexGuard<'_, Content>) {
        if self.table().remove(&session.id).is_none() {
            return;
        }
        if let Err(error) = tokio::fs::remove_file(&session.path).await {
            tracing::warn!(%error, upload = session.id, "failed to remove an upload");
        }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Session {
    /// How many bytes have arrived.
    pub(crate) async fn size(&self) -> u64 {
        self.content.lock().await.size
    }

    fn idle(&self) -> Duration {
        self.touched.lock().unwrap_or_else(std::sync::PoisonError::into_inner).elapsed()
    }
}

/// Why appending ended early.
enum Stopped {
    Client,
    TooLarge,
    Disk(std::io::Error),
}

impl Content {
    async fn append(&mut self, body: Body, limit: u64) -> Result<(), Stopped> {
        self.repair().await.map_err(Stopped::Disk)?;
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else {
                self.file.flush().await.map_err(Stopped::Disk)?;
                return Err(Stopped::Client);
            };
            let size = self.size + piece.len() as u64;
            if size > limit {
                return Err(Stopped::TooLarge);
            }
            self.writing = true;
            self.file.write_all(&piece).await.map_err(Stopped::Disk)?;
            self.hasher.update(&piece);
            self.size = size;
            self.writing = false;
        }
        self.file.flush().await.map_err(Stopped::Disk)
    }

    /// Cuts off what a request left that was dropped in the middle of a write: bytes that were not counted.
    async fn repair(&mut self) -> std::io::Result<()> {
        if self.writing {
            self.file.set_len(self.size).await?;
            self.file.seek(SeekFrom::Start(self.size)).await?;
            self.writing = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::StatusCode;
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_in_the_form_of_the_specification_and_ends_the_upload() {
        let directory = tempfile::tempdir().unwrap();
        let sessions = Sessions::new((directory.path().to_owned(), 1), Limits::default());
        let repository: Repository = "a".parse().unwrap();
        let session = sessions.begin(&repository).await.unwrap();
        // A device on which every write fails for want of space.
        session.content.lock().await.file = OpenOptions::new().write(true).open("/dev/full").await.unwrap();
        let error = sessions.append(&session, None, Body::from(vec![b'x'; 4 << 20])).await.unwrap_err();
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::INSUFFICIENT_STORAGE);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["code"], "STORAGE_FULL");
        assert_eq!(
            body["errors"][0]["message"],
            "the disk of the registry is full: free some space on it and push again"
        );
        assert!(sessions.find(&repository, &session.id).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
