//! Making the file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::TryStreamExt;
use sampan_store::{Dump, Kept, is_sealed};

use super::format::{DATA, END, End, HEAD, Head, Line, OBJECTS};
use super::images;
use crate::layout::Layout;
use crate::outside::Outside;

/// The files of `pki` without which a cluster is another one. Certificates can be made again.
const PKI: [&str; 3] = ["ca.crt", "ca.key", "service-account.key"];
/// A small fact of the data directory: where Services have their addresses.
const RANGE: &str = "service-range";

/// Where everything but the objects comes from.
pub(super) struct Source<'a> {
    pub(super) layout: &'a Layout,
    /// The file with the keys that Secrets are sealed with.
    pub(super) keys: &'a Path,
    pub(super) with_images: bool,
}

/// What was written.
pub(super) struct Written {
    pub(super) objects: u64,
    pub(super) revision: u64,
}

/// Writes the file, readable by its owner alone; it appears once it is whole and on the disk.
pub(super) async fn write(path: &Path, dump: Dump, source: &Source<'_>, outside: &Outside) -> Result<Written> {
    let draft = draft(path)?;
    let taken = outside.clock.now().as_second();
    let written = write_draft(&draft, taken, dump, source).await;
    let put = written.and_then(|written| {
        std::fs::rename(&draft, path)?;
        Ok(written)
    });
    if put.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    put.with_context(|| format!("failed to write {}", path.display()))
}

fn draft(path: &Path) -> Result<PathBuf> {
    let mut name = path.file_name().with_context(|| format!("{} is no name of a file", path.display()))?.to_owned();
    name.push(".new");
    Ok(path.with_file_name(name))
}

async fn write_draft(draft: &Path, taken: i64, dump: Dump, source: &Source<'_>) -> Result<Written> {
    match std::fs::remove_file(draft) {
        // A draft that was left behind may be open to others.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = File::options().write(true).create_new(true).mode(0o600).open(draft)?;
    let mut archive = Archive::new(file, taken);
    let written = archive.fill(dump, source).await?;
    archive.finish()?;
    Ok(written)
}

struct Archive {
    tar: tar::Builder<GzEncoder<BufWriter<File>>>,
    taken: i64,
}

impl Archive {
    fn new(file: File, taken: i64) -> Self {
        Self { tar: tar::Builder::new(GzEncoder::new(BufWriter::new(file), Compression::fast())), taken }
    }

    async fn fill(&mut self, dump: Dump, source: &Source<'_>) -> Result<Written> {
        let Dump { revision, epoch, mut objects } = dump;
        self.add(HEAD, &serde_json::to_vec(&Head::new(self.taken, revision.0, epoch))?)?;
        let has_keys = self.add_files(source)?;
        let (mut count, mut parts) = (0, 0);
        while let Some(part) = objects.try_next().await? {
            if !has_keys {
                refuse_sealed(&part, source.keys)?;
            }
            count += part.len() as u64;
            self.add(&format!("{OBJECTS}{parts:08}.jsonl"), &lines(part)?)?;
            parts += 1;
        }
        if source.with_images {
            self.add_images(&source.layout.registry())?;
        }
        self.add(END, &serde_json::to_vec(&End { objects: count })?)?;
        Ok(Written { objects: count, revision: revision.0 })
    }

    /// The files of the data directory; says whether the keys of what is sealed are among them.
    fn add_files(&mut self, source: &Source<'_>) -> Result<bool> {
        for name in PKI {
            let path = source.layout.pki().join(name);
            let content = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
            self.add(&format!("{DATA}pki/{name}"), &content)?;
        }
        if let Some(range) = source.layout.remembered(RANGE) {
            self.add(&format!("{DATA}{RANGE}"), format!("{range}\n").as_bytes())?;
        }
        match std::fs::read(source.keys) {
            Ok(keys) => self.add(&format!("{DATA}pki/encryption.yaml"), &keys).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", source.keys.display())),
        }
    }

    fn add_images(&mut self, registry: &Path) -> Result<()> {
        for path in images::list(registry)? {
            let content = match std::fs::read(registry.join(&path)) {
                // Deleted since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                content => content.with_context(|| format!("failed to read {}", registry.join(&path).display()))?,
            };
            self.add(&format!("{DATA}registry/{}", path.display()), &content)?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.taken).unwrap_or_default());
        Ok(self.tar.append_data(&mut header, name, content)?)
    }

    fn finish(self) -> Result<()> {
        let mut file = self.tar.into_inner()?.finish()?;
        file.flush()?;
        Ok(file.get_ref().sync_all()?)
    }
}

fn lines(part: Vec<Kept>) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for kept in part {
        serde_json::to_writer(&mut lines, &Line::from(kept))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// A backup whose Secrets nobody can read is none.
fn refuse_sealed(part: &[Kept], keys: &Path) -> Result<()> {
    match part.iter().find(|kept| is_sealed(&kept.record.data)) {
        None => Ok(()),
        Some(kept) => bail!(
            "{} is encrypted, and the file with the keys, {}, is not there; name it with --encryption-provider-config",
            kept.record.key,
            keys.display()
        ),
    }
}
