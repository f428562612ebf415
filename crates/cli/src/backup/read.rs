//! Reading the file back.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use futures::StreamExt;
use sampan_store::{Dump, Error, Kept, Revision};
use tokio::sync::mpsc;

use super::format::{DATA, END, End, HEAD, Head, Line, OBJECTS};
use super::{Place, check_empty};
use crate::arguments;
use crate::layout::{Layout, write_atomically};
use crate::outside::Outside;

/// The most revisions a second that a cluster can have made since the backup was taken. Its clients may have seen them: none of them may
/// be used again for something else.
const FASTEST: u64 = 100_000;
/// What is left out at least, for clocks that differ.
const LEAST: u64 = 60 * FASTEST;

/// Parts of objects on their way from the file to the store.
const AHEAD: usize = 4;

/// `sampan restore`
#[expect(clippy::print_stdout, reason = "this is what the user asked for")]
pub(crate) async fn restore(options: arguments::Restore) -> Result<()> {
    let outside = Outside::real();
    let shown = options.file.display();
    // Before anything is made: a file that is not whole must not leave half a cluster behind.
    let head = inspect(&options.file).with_context(|| format!("{shown} cannot be restored"))?;
    check_empty(&options.data.data_dir)?;
    let layout = Layout::create(&options.data.data_dir)?;
    let place = Place::of(&options.store, &layout)?;
    let (revision, epoch) = place_of(&head, outside.clock.now().as_second());
    let (parts, received) = mpsc::channel(AHEAD);
    let objects = futures::stream::unfold(received, |mut received| async { Some((received.recv().await?, received)) });
    let dump = Dump { revision: Revision(revision), epoch, objects: objects.boxed() };
    let (file, root) = (options.file.clone(), options.data.data_dir.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let read = extract(&file, &root, |part| drop(parts.blocking_send(Ok(part))));
        if read.is_err() {
            let _ = parts.blocking_send(Err(Error::Corrupt("the backup could not be read".into())));
        }
        read
    });
    let filled = place.fill(dump, &outside).await;
    // Why the file could not be read says more than what became of the store.
    let objects = reading.await?.with_context(|| format!("failed to restore {shown}"))?;
    filled?;
    println!("{objects} objects are in the store, which goes on at revision {revision}");
    println!("Start the server as before, with --data-dir {}", options.data.data_dir.display());
    Ok(())
}

/// Where a restored store goes on: beyond all that clients can have seen, in a history of its own.
fn place_of(head: &Head, now: i64) -> (u64, u64) {
    let seconds = u64::try_from(now.saturating_sub(head.taken)).unwrap_or(0);
    let skip = seconds.saturating_mul(FASTEST).max(LEAST);
    (head.revision.saturating_add(skip), head.epoch + 1)
}

/// Reads all of it and keeps nothing: whether it is a backup, whole, and of this format.
fn inspect(file: &Path) -> Result<Head> {
    let mut head: Option<Head> = None;
    let mut whole = None;
    let mut objects = 0;
    each(file, |name, content| {
        match name {
            HEAD => {
                let read: Head = serde_json::from_slice(content).context("its head cannot be read")?;
                read.check().map_err(anyhow::Error::msg)?;
                head = Some(read);
            }
            _ if head.is_none() => bail!("it is no backup of sampan"),
            END => whole = Some(serde_json::from_slice::<End>(content).context("its end cannot be read")?),
            name if name.starts_with(OBJECTS) => objects += parse(content)?.len() as u64,
            name => drop(below(name)?),
        }
        Ok(())
    })?;
    let head = head.context("it is no backup of sampan")?;
    match whole {
        Some(end) if end.objects == objects => Ok(head),
        Some(end) => bail!("it has {objects} objects and should have {}", end.objects),
        None => bail!("it is not whole: its end is missing"),
    }
}

/// Hands the objects over and writes the files of the data directory. Returns the number of objects.
fn extract(file: &Path, root: &Path, mut take: impl FnMut(Vec<Kept>)) -> Result<u64> {
    let mut objects = 0;
    each(file, |name, content| {
        if name.starts_with(OBJECTS) {
            let part = parse(content)?;
            objects += part.len() as u64;
            take(part);
        } else if name.starts_with(DATA) {
            let path = root.join(below(name)?);
            let parent = path.parent().context("it lies below the data directory")?;
            std::fs::create_dir_all(parent).with_context(|| format!("failed to make {}", parent.display()))?;
            write_atomically(&path, content, 0o600)?;
        }
        Ok(())
    })?;
    Ok(objects)
}

fn each(file: &Path, mut see: impl FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
    let file = File::open(file).context("it cannot be opened")?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for member in archive.entries()? {
        let mut member = member.context("it is no backup of sampan, or damaged")?;
        let name = String::from_utf8(member.path_bytes().into_owned()).context("a name in it is no text")?;
        let mut content = Vec::new();
        member.read_to_end(&mut content).with_context(|| format!("its part {name} is damaged"))?;
        see(&name, &content)?;
    }
    Ok(())
}

fn parse(content: &[u8]) -> Result<Vec<Kept>> {
    let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parse = |line: &[u8]| -> Result<Kept> {
        let line: Line = serde_json::from_slice(line).context("an object in it cannot be read")?;
        Kept::try_from(line).map_err(anyhow::Error::msg)
    };
    lines.map(parse).collect()
}

/// The path of a file of the data directory: below it, and nowhere else.
fn below(name: &str) -> Result<PathBuf> {
    let path = name.strip_prefix(DATA).map(PathBuf::from);
    let plain = |path: &PathBuf| path.components().all(|part| matches!(part, Component::Normal(_)));
    path.filter(plain).with_context(|| format!("{name} has no place in a backup"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_store_goes_on_beyond_all_that_was_seen() {
        let head = Head::new(1_000, 50, 3);
        assert_eq!(place_of(&head, 1_000), (50 + LEAST, 4));
        assert_eq!(place_of(&head, 900), (50 + LEAST, 4), "a clock that went back");
        assert_eq!(place_of(&head, 1_000 + 86_400), (50 + 86_400 * FASTEST, 4));
    }

    #[test]
    fn what_lies_outside_the_data_directory_is_no_part_of_a_backup() {
        assert_eq!(below("data/pki/ca.key").unwrap(), PathBuf::from("pki/ca.key"));
        for name in ["data/../x", "/etc/passwd", "data//etc/passwd", "other", "data/pki/../../x"] {
            let error = below(name).unwrap_err().to_string();
            assert!(error.contains("has no place in a backup"), "{name}: {error}");
        }
    }
}
