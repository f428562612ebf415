//! Keys and values that outlive an instance: in memory as long as the container, or as files of a volume.
//!
//! A guest can reach its volumes by itself as well, so nothing found there is trusted: links are not followed and what is no ordinary
//! file is not read.

mod directory;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::memory::Budget;
use directory::Directory;

/// Keys listed at once.
pub(crate) const PAGE: usize = 1000;
/// The longest key, in bytes.
const LONGEST_KEY: usize = 4096;
/// The largest value, in bytes.
const LARGEST_VALUE: usize = 16 << 20;
/// What a pair takes in memory beside its bytes.
const PAIR_BYTES: usize = 64;
/// The bucket of the empty name.
const DEFAULT: &str = "default";

/// Why something could not be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No bucket can have that name.
    NoSuchStore,
    Other(String),
}

/// The buckets of one container.
pub(crate) struct Buckets {
    place: Place,
    opened: Mutex<BTreeMap<String, Bucket>>,
}

enum Place {
    Memory(Arc<Budget>),
    Directory { volume: PathBuf, below: PathBuf },
}

/// One bucket; a clone is the same.
#[derive(Clone)]
pub(crate) struct Bucket(Arc<Content>);

enum Content {
    Memory { budget: Arc<Budget>, pairs: Mutex<BTreeMap<String, Vec<u8>>> },
    Directory(Directory),
}

impl Buckets {
    /// What is kept counts against the container's memory.
    pub(crate) fn in_memory(budget: Arc<Budget>) -> Self {
        Buckets { place: Place::Memory(budget), opened: Mutex::default() }
    }

    /// Each bucket is a directory `below` a volume, made when it is first opened.
    pub(crate) fn in_directory(volume: &Path, below: &Path) -> Self {
        let place = Place::Directory { volume: volume.to_owned(), below: below.to_owned() };
        Buckets { place, opened: Mutex::default() }
    }

    /// Whether they outlive the container; working with them may wait for the disk.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.place, Place::Directory { .. })
    }

    /// The bucket of that name, which need not have been there before. Names are as those of Kubernetes' objects; the empty one is
    /// `default`.
    pub(crate) fn open(&self, name: &str) -> Result<Bucket, Failure> {
        let name = if name.is_empty() { DEFAULT } else { name };
        if !is_name(name) {
            return Err(Failure::NoSuchStore);
        }
        let mut opened = self.opened.lock();
        if let Some(bucket) = opened.get(name) {
            return Ok(bucket.clone());
        }
        let content = match &self.place {
            Place::Memory(budget) => Content::Memory { budget: Arc::clone(budget), pairs: Mutex::default() },
            Place::Directory { volume, below } => {
                let opened = Directory::open(volume, &below.join(name));
                Content::Directory(opened.map_err(|error| Failure::Other(format!("bucket {name}: {error}")))?)
            }
        };
        let bucket = Bucket(Arc::new(content));
        opened.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }
}

fn is_name(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= 63 && !name.starts_with('.') && name.bytes().all(fine)
}

impl Bucket {
    pub(crate) fn is_durable(&self) -> bool {
        matches!(*self.0, Content::Directory(_))
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        check_key(key)?;
        match &*self.0 {
            Content::Memory { pairs, .. } => Ok(pairs.lock().get(key).cloned()),
            Content::Directory(directory) => directory.read(key).map_err(broken),
        }
    }

    pub(crate) fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Failure> {
        check_key(key)?;
        if value.len() > LARGEST_VALUE {
            let length = value.len();
            return Err(Failure::Other(format!("a value of {length} bytes is too large; at most {LARGEST_VALUE} fit")));
        }
        match &*self.0 {
            Content::Memory { budget, pairs } => put(budget, &mut pairs.lock(), key, value),
            Content::Directory(directory) => directory.locked(|directory| directory.write(key, &value)).map_err(broken),
        }
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), Failure> {
        check_key(key)?;
        match &*self.0 {
            Content::Memory { budget, pairs } => {
                if let Some(value) = pairs.lock().remove(key) {
                    budget.give_back(size(key, &value));
                }
                Ok(())
            }
            Content::Directory(directory) => directory.locked(|directory| directory.remove(key)).map_err(broken),
        }
    }

    /// All keys in order.
    pub(crate) fn keys(&self) -> Result<Vec<String>, Failure> {
        match &*self.0 {
            Content::Memory { pairs, .. } => Ok(pairs.lock().keys().cloned().collect()),
            Content::Directory(directory) => directory.keys().map_err(broken),
        }
    }

    /// Adds to a number written in decimal digits, which begins at 0, and answers the sum. Nobody else writes in between, neither
    /// another instance nor another process of this machine.
    pub(crate) fn increment(&self, key: &str, delta: u64) -> Result<u64, Failure> {
        check_key(key)?;
        match &*self.0 {
            Content::Memory { budget, pairs } => {
                let mut pairs = pairs.lock();
                let sum = sum(pairs.get(key).map(Vec::as_slice), delta)?;
                put(budget, &mut pairs, key, sum.to_string().into_bytes())?;
                Ok(sum)
            }
            Content::Directory(directory) => directory
                .locked(|directory| {
                    let before = directory.read(key)?;
                    let sum = match sum(before.as_deref(), delta) {
                        Ok(sum) => sum,
                        Err(failure) => return Ok(Err(failure)),
                    };
                    directory.write(key, sum.to_string().as_bytes())?;
                    Ok(Ok(sum))
                })
                .map_err(broken)?,
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if let Content::Memory { budget, pairs } = self {
            pairs.get_mut().iter().for_each(|(key, value)| budget.give_back(size(key, value)));
        }
    }
}

fn put(budget: &Budget, pairs: &mut BTreeMap<String, Vec<u8>>, key: &str, value: Vec<u8>) -> Result<(), Failure> {
    if !budget.take(size(key, &value)) {
        return Err(Failure::Other("the container's memory limit leaves no room for the value".to_owned()));
    }
    if let Some(before) = pairs.insert(key.to_owned(), value) {
        budget.give_back(size(key, &before));
    }
    Ok(())
}

fn size(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len() + PAIR_BYTES) as u64
}

fn sum(before: Option<&[u8]>, delta: u64) -> Result<u64, Failure> {
    let Some(before) = before else { return Ok(delta) };
    let number = std::str::from_utf8(before).ok().and_then(|text| text.parse::<u64>().ok());
    let number = number.ok_or_else(|| Failure::Other("the value is not a number in decimal digits".to_owned()))?;
    number.checked_add(delta).ok_or_else(|| Failure::Other("the sum does not fit into 64 bits".to_owned()))
}

fn check_key(key: &str) -> Result<(), Failure> {
    if key.len() <= LONGEST_KEY {
        return Ok(());
    }
    Err(Failure::Other(format!("a key of {} bytes is too long; at most {LONGEST_KEY} fit", key.len())))
}

fn broken(error: std::io::Error) -> Failure {
    Failure::Other(error.to_string())
}
