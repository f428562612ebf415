//! What is kept, and where:
//!
//! ```text
//! blobs/sha256/ab/abcd..                          content, blobs and manifests alike, once for all repositories
//! repositories/NAME/_blobs/HEX                    (empty) the repository has this blob
//! repositories/NAME/_manifests/HEX                the repository has this manifest; holds its media type
//! repositories/NAME/_tags/TAG                     holds the digest
//! repositories/NAME/_referrers/SUBJECT/HEX        holds the descriptor of a manifest about SUBJECT
//! uploads/, drafts/                               what is not finished; emptied when the registry is opened
//! generation, lock                                how often it was opened; who has it open
//! ```
//! No part of a repository's name begins with `_`, so that the names never meet. Files appear whole, by renaming; deleting takes
//! away the files below `repositories/`, and content nobody refers to goes when the registry is opened the next time, when no
//! push can be under way that counts on it.

mod files;
mod garbage;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::fs::File;

use crate::error::{Code, Error, OpenError};
use crate::name::{Digest, Reference, Repository, Tag};
use files::Files;

/// A manifest as it was pushed.
pub(crate) struct Manifest {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) content: Bytes,
}

/// The directory of a registry.
#[derive(Clone)]
pub(crate) struct Storage(Arc<Files>);

impl Storage {
    pub(crate) fn open(root: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError { path: root.to_owned(), source };
        let files = Files::open(root).map_err(failed)?;
        garbage::collect(&files).map_err(failed)?;
        Ok(Self(Arc::new(files)))
    }

    /// Where unfinished uploads lie, and a number no earlier opening had.
    pub(crate) fn uploads(&self) -> (PathBuf, u64) {
        (self.0.uploads(), self.0.generation())
    }

    pub(crate) async fn has_blob(&self, name: &Repository, digest: &Digest) -> Result<bool, Error> {
        let (name, digest) = (name.clone(), digest.clone());
        self.run(move |files| files.blob_link(&name, &digest).try_exists()).await
    }

    pub(crate) async fn open_blob(&self, name: &Repository, digest: &Digest) -> Result<Option<File>, Error> {
        let (name, digest) = (name.clone(), digest.clone());
        let file = self.run(move |files| files.open_blob(&name, &digest)).await?;
        Ok(file.map(File::from_std))
    }

    /// Gives a finished upload its name and its place in a repository. It must have been hashed, and be on the disk.
    pub(crate) async fn publish(&self, upload: PathBuf, name: &Repository, digest: &Digest) -> Result<(), Error> {
        let (name, digest) = (name.clone(), digest.clone());
        self.run(move |files| {
            files.adopt(&upload, &digest)?;
            files.write(&files.blob_link(&name, &digest), b"")
        })
        .await
    }

    /// Makes a blob of one repository one of another; false when the first does not have it.
    pub(crate) async fn mount(&self, from: &Repository, to: &Repository, digest: &Digest) -> Result<bool, Error> {
        let (from, to, digest) = (from.clone(), to.clone(), digest.clone());
        self.run(move |files| {
            let is_there = files.blob_link(&from, &digest).try_exists()?;
            if is_there {
                files.write(&files.blob_link(&to, &digest), b"")?;
            }
            Ok(is_there)
        })
        .await
    }

    pub(crate) async fn unlink_blob(&self, name: &Repository, digest: &Digest) -> Result<bool, Error> {
        let (name, digest) = (name.clone(), digest.clone());
        self.run(move |files| files.remove(&files.blob_link(&name, &digest))).await
    }

    pub(crate) async fn manifest(&self, name: &Repository, reference: &Reference) -> Result<Option<Manifest>, Error> {
        let (name, reference) = (name.clone(), reference.clone());
        let found = self.run(move |files| find_manifest(files, &name, &reference)).await?;
        match found {
            Some(manifest) if Digest::of(&manifest.content) != manifest.digest => {
                let why = format!("the content kept for manifest {} is damaged: push it again", manifest.digest);
                Err(Error::new(Code::Unknown, why))
            }
            found => Ok(found),
        }
    }

    /// Keeps a manifest, then makes the tag point to it.
    pub(crate) async fn put_manifest(
        &self,
        name: &Repository,
        reference: &Reference,
        manifest: &Manifest,
        referrer: Option<(&Digest, Value)>,
    ) -> Result<(), Error> {
        let (name, reference) = (name.clone(), reference.clone());
        let Manifest { digest, media_type, content } = manifest;
        let (digest, media_type, content) = (digest.clone(), media_type.clone(), content.clone());
        let referrer = referrer.map(|(subject, descriptor)| (subject.clone(), descriptor.to_string()));
        self.run(move |files| {
            files.write(&files.content(&digest), &content)?;
            files.write(&files.manifest_link(&name, &digest), media_type.as_bytes())?;
            if let Some((subject, descriptor)) = referrer {
                files.write(&files.referrers(&name, &subject).join(digest.hex()), descriptor.as_bytes())?;
            }
            match &reference {
                Reference::Tag(tag) => files.write(&files.tag(&name, tag), digest.to_string().as_bytes()),
                Reference::Digest(_) => Ok(()),
            }
        })
        .await
    }

    pub(crate) async fn delete_tag(&self, name: &Repository, tag: &Tag) -> Result<bool, Error> {
        let (name, tag) = (name.clone(), tag.clone());
        self.run(move |files| files.remove(&files.tag(&name, &tag))).await
    }

    /// Removes a manifest, the tags that point to it, and what it says about others.
    pub(crate) async fn delete_manifest(&self, name: &Repository, digest: &Digest) -> Result<bool, Error> {
        let (name, digest) = (name.clone(), digest.clone());
        self.run(move |files| {
            for tag in files.list(&files.tags(&name))?.unwrap_or_default() {
                let path = files.tags(&name).join(tag);
                if files.read_text(&path)?.is_some_and(|target| target == digest.to_string()) {
                    files.remove(&path)?;
                }
            }
            if let Some(subject) = subject_of(files, &digest)? {
                files.remove(&files.referrers(&name, &subject).join(digest.hex()))?;
            }
            files.remove(&files.manifest_link(&name, &digest))
        })
        .await
    }

    /// In the order of their names; `None` when there is no such repository.
    pub(crate) async fn tags(&self, name: &Repository) -> Result<Option<Vec<String>>, Error> {
        let name = name.clone();
        self.run(move |files| match files.list(&files.tags(&name))? {
            None if !files.has_repository(&name)? => Ok(None),
            tags => Ok(Some(tags.unwrap_or_default())),
        })
        .await
    }

    pub(crate) async fn referrers(&self, name: &Repository, subject: &Digest) -> Result<Vec<Value>, Error> {
        let (name, subject) = (name.clone(), subject.clone());
        self.run(move |files| {
            let directory = files.referrers(&name, &subject);
            let mut descriptors = Vec::new();
            for entry in files.list(&directory)?.unwrap_or_default() {
                let text = files.read_text(&directory.join(entry))?.unwrap_or_default();
                descriptors.extend(serde_json::from_str::<Value>(&text).ok());
            }
            Ok(descriptors)
        })
        .await
    }

    /// Runs file operations where they may block.
    async fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let files = self.0.clone();
        let finished = tokio::task::spawn_blocking(move || operation(&files)).await;
        Ok(finished.map_err(io::Error::other)??)
    }
}

fn find_manifest(files: &Files, name: &Repository, reference: &Reference) -> io::Result<Option<Manifest>> {
    let digest = match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(tag) => files.read_text(&files.tag(name, tag))?.and_then(|text| text.parse().ok()),
    };
    let Some(digest) = digest else { return Ok(None) };
    let Some(media_type) = files.read_text(&files.manifest_link(name, &digest))? else { return Ok(None) };
    let content = files.read(&files.content(&digest))?;
    Ok(content.map(|content| Manifest { digest, media_type, content: content.into() }))
}

fn subject_of(files: &Files, digest: &Digest) -> io::Result<Option<Digest>> {
    let content = files.read(&files.content(digest))?.unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&content).unwrap_or_default();
    Ok(manifest.get("subject").and_then(|subject| Digest::in_descriptor(subject).ok()))
}
