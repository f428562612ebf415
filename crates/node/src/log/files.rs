//! The files of one log: `path` is written now, `path.1` was before it, and so on.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One file of the log, open, so that rotation does not take it away.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) inode: u64,
}

/// Opens all files of the log, the oldest first. None is fine: nothing was logged yet.
pub(super) fn open_all(path: &Path) -> io::Result<Vec<Opened>> {
    let mut files: Vec<Opened> = Vec::new();
    for number in (0..=oldest(path)?).rev() {
        // While they are being rotated one may be met twice, or be gone.
        if let Some(opened) = open(&numbered(path, number))?
            && files.iter().all(|file| file.inode != opened.inode)
        {
            files.push(opened);
        }
    }
    Ok(files)
}

/// The files newer than the one of that inode, the oldest of them first; all of them when it is gone.
pub(super) fn open_newer(path: &Path, inode: u64) -> io::Result<Vec<Opened>> {
    let mut files = open_all(path)?;
    if let Some(position) = files.iter().position(|file| file.inode == inode) {
        files.drain(..=position);
    }
    Ok(files)
}

fn open(path: &Path) -> io::Result<Option<Opened>> {
    match File::open(path) {
        Ok(file) => Ok(Some(Opened { inode: file.metadata()?.ino(), file })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn oldest(path: &Path) -> io::Result<u32> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(0);
    };
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let numbers = entries.filter_map(|entry| {
        let entry = entry.ok()?.file_name();
        entry.to_str()?.strip_prefix(name)?.strip_prefix('.')?.parse().ok()
    });
    Ok(numbers.max().unwrap_or(0))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    match number {
        0 => path.to_owned(),
        _ => PathBuf::from(format!("{}.{number}", path.display())),
    }
}

/// Drops files and moves positions so that what remains to be read are the last `lines` lines.
pub(super) fn keep_last(files: &mut Vec<Opened>, lines: u64) -> io::Result<()> {
    let mut wanted = lines;
    for position in (0..files.len()).rev() {
        let (start, found) = start_of_last(&mut files[position].file, wanted)?;
        files[position].file.seek(SeekFrom::Start(start))?;
        wanted -= found.min(wanted);
        if wanted == 0 {
            files.drain(..position);
            return Ok(());
        }
    }
    Ok(())
}

/// Where the last `wanted` lines of a file begin, and how many there are (at most `wanted`). Reads backwards in blocks.
fn start_of_last(file: &mut File, wanted: u64) -> io::Result<(u64, u64)> {
    const BLOCK: u64 = 64 * 1024;
    let length = file.metadata()?.len();
    let mut found = 0;
    let mut end = length;
    let mut block = Vec::new();
    if wanted == 0 {
        return Ok((length, 0));
    }
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        block.resize(usize::try_from(end - begin).expect("a block is small"), 0);
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(&mut block)?;
        for (position, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let after = begin + position as u64 + 1;
            if after == length {
                continue; // The line break that ends the last line.
            }
            found += 1;
            if found == wanted {
                return Ok((after, found));
            }
        }
        end = begin;
    }
    Ok((0, found + u64::from(length > 0)))
}
