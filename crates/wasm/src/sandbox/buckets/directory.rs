//! A bucket in a directory: a file a pair, named after the key's hash, since keys may be longer than names and hold slashes.
//!
//! A file is the key's length (four bytes, little endian), the key and the value. It is written beside and renamed into place, so that a
//! reader, and whoever comes after a crash, finds the old value or the new one.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use parking_lot::Mutex;
use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::{LARGEST_VALUE, LONGEST_KEY};

/// The file a pair is written to before it gets its name. One, for writers take turns.
const NEW: &str = ".new";
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// `NONBLOCK`: what a guest puts here may be a pipe, which must not make us wait.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const WRITE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::TRUNC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

pub(super) struct Directory {
    directory: OwnedFd,
    /// The lock on the file system keeps processes apart, this one threads.
    turn: Mutex<()>,
}

impl Directory {
    /// Opens `below` the volume, making what is missing. No step leads out of it.
    pub(super) fn open(volume: &Path, below: &Path) -> io::Result<Self> {
        let mut directory = fs::open(volume, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?;
        for step in below.components() {
            let Component::Normal(name) = step else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path leads out of its volume"));
            };
            match fs::mkdirat(&directory, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            directory = fs::openat(&directory, name, DIRECTORY, Mode::empty())?;
        }
        Ok(Directory { directory, turn: Mutex::new(()) })
    }

    /// Does something while nobody else writes.
    pub(super) fn locked<T>(&self, work: impl FnOnce(&Self) -> io::Result<T>) -> io::Result<T> {
        let _turn = self.turn.lock();
        fs::flock(&self.directory, FlockOperation::LockExclusive)?;
        let done = work(self);
        fs::flock(&self.directory, FlockOperation::Unlock)?;
        done
    }

    pub(super) fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(found) = self.pair(&name(key))? else { return Ok(None) };
        // Two keys of one hash have not been seen yet; a file that somebody copied has.
        Ok(Some(found).filter(|(found, _)| found == key).map(|(_, value)| value))
    }

    pub(super) fn write(&self, key: &str, value: &[u8]) -> io::Result<()> {
        let mut file = File::from(fs::openat(&self.directory, NEW, WRITE, Mode::from_raw_mode(0o666))?);
        check_ordinary(&file)?;
        let length = u32::try_from(key.len()).map_err(io::Error::other)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(key.as_bytes())?;
        file.write_all(value)?;
        file.sync_all()?;
        fs::renameat(&self.directory, NEW, &self.directory, name(key))?;
        Ok(fs::fsync(&self.directory)?)
    }

    pub(super) fn remove(&self, key: &str) -> io::Result<()> {
        match fs::unlinkat(&self.directory, name(key), AtFlags::empty()) {
            Ok(()) => Ok(fs::fsync(&self.directory)?),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn keys(&self) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let Ok(file) = entry.file_name().to_str() else { continue };
            if file.starts_with('.') {
                continue;
            }
            // What was removed meanwhile, or is none of ours, is no key.
            if let Ok(Some((key, _))) = self.pair(file)
                && name(&key) == file
            {
                keys.push(key);
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn pair(&self, file: &str) -> io::Result<Option<(String, Vec<u8>)>> {
        let file = match fs::openat(&self.directory, file, READ, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        check_ordinary(&file)?;
        let mut bytes = Vec::new();
        let most = (4 + LONGEST_KEY + LARGEST_VALUE) as u64;
        file.take(most).read_to_end(&mut bytes)?;
        parse(&bytes).map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the pair's file is damaged"))
    }
}

fn parse(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (key, value) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((std::str::from_utf8(key).ok()?.to_owned(), value.to_vec()))
}

fn check_ordinary(file: &File) -> io::Result<()> {
    let kind = FileType::from_raw_mode(fs::fstat(file)?.st_mode);
    if kind == FileType::RegularFile {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "something that is no file lies in the pair's place"))
}

fn name(key: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(key.as_bytes()).iter().fold(String::with_capacity(64), |mut name, byte| {
        let _infallible = write!(name, "{byte:02x}");
        name
    })
}
