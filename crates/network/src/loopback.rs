//! Pod addresses in 127.0.0.0/8: handed out in order, remembered on disk so that a restarted agent finds every pod where it left it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_runtime::{Error, NetworkAttachment, PodNetwork, PodRef, Result};

/// Addresses of a /16 kept for the node itself: `x.y.0.0` to `x.y.0.15`.
const RESERVED: u32 = 16;

/// Gives every pod one address of a loopback /16.
///
/// The state is one file per address, named by it and holding the pod's UID: creating that file *is* the allocation, so a crash at any
/// point leaves an address either free or owned.
pub struct LoopbackNetwork {
    directory: PathBuf,
    base: u32,
    addresses: Mutex<Addresses>,
}

#[derive(Default)]
struct Addresses {
    by_uid: HashMap<String, Ipv4Addr>,
    by_address: BTreeMap<Ipv4Addr, String>,
    /// Offset tried next: addresses are reused as late as possible, so that a client with a stale address meets nobody rather than a
    /// stranger.
    next: u32,
}

impl LoopbackNetwork {
    /// Opens the allocation state in `directory` for the /16 that starts at `base` (`127.64.0.0`).
    pub fn open(directory: impl Into<PathBuf>, base: Ipv4Addr) -> io::Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        let base = u32::from(base) & 0xffff_0000;
        let mut addresses = Addresses { next: RESERVED, ..Addresses::default() };
        for entry in fs::read_dir(&directory)? {
            addresses.load(&entry?.path(), base)?;
        }
        Ok(Self { directory, base, addresses: Mutex::new(addresses) })
    }

    /// The address the node itself uses: the first of the range.
    pub fn node_address(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    fn allocate(&self, pod: &PodRef) -> Result<Ipv4Addr> {
        let mut addresses = self.addresses.lock();
        if let Some(address) = addresses.by_uid.get(&pod.uid) {
            return Ok(*address);
        }
        let address = addresses.free(self.base).ok_or_else(|| {
            Error::Unavailable(format!(
                "no pod address left in {}/16 for pod {}/{}; delete pods or use a larger range",
                Ipv4Addr::from(self.base),
                pod.namespace,
                pod.name
            ))
        })?;
        self.record(address, &pod.uid).map_err(|error| {
            Error::Unavailable(format!(
                "failed to record address {address} of pod {}/{}: {error}",
                pod.namespace, pod.name
            ))
        })?;
        addresses.insert(address, pod.uid.clone());
        Ok(address)
    }

    fn release(&self, pod: &PodRef) -> Result<()> {
        let mut addresses = self.addresses.lock();
        let Some(address) = addresses.by_uid.remove(&pod.uid) else { return Ok(()) };
        addresses.by_address.remove(&address);
        match fs::remove_file(self.directory.join(address.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::Unavailable(format!("failed to release address {address}: {error}")))
            }
            _ => Ok(()),
        }
    }

    fn record(&self, address: Ipv4Addr, uid: &str) -> io::Result<()> {
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.directory.join(address.to_string()))?
            .write_all(uid.as_bytes())
    }
}

impl Addresses {
    fn load(&mut self, path: &Path, base: u32) -> io::Result<()> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Ok(address) = name.parse::<Ipv4Addr>() else { return Ok(()) };
        let uid = fs::read_to_string(path)?;
        let elsewhere = u32::from(address) & 0xffff_0000 != base;
        // An empty file is an allocation that a crash cut short: nobody was told of it.
        if uid.is_empty() || elsewhere {
            return fs::remove_file(path);
        }
        self.next = self.next.max((u32::from(address) & 0xffff) + 1);
        self.insert(address, uid);
        Ok(())
    }

    fn insert(&mut self, address: Ipv4Addr, uid: String) {
        self.by_address.insert(address, uid.clone());
        self.by_uid.insert(uid, address);
    }

    fn free(&mut self, base: u32) -> Option<Ipv4Addr> {
        for _ in RESERVED..0xffff {
            let offset = if (RESERVED..0xffff).contains(&self.next) { self.next } else { RESERVED };
            self.next = offset + 1;
            let address = Ipv4Addr::from(base + offset);
            if !self.by_address.contains_key(&address) {
                return Some(address);
            }
        }
        None
    }
}

impl PodNetwork for LoopbackNetwork {
    fn attach(&self, pod: &PodRef) -> BoxFuture<'_, Result<NetworkAttachment>> {
        let address = self.allocate(pod);
        Box::pin(async move { Ok(NetworkAttachment::Address { ip: IpAddr::V4(address?) }) })
    }

    fn detach(&self, pod: &PodRef) -> BoxFuture<'_, Result<()>> {
        let released = self.release(pod);
        Box::pin(async move { released })
    }
}

#[cfg(test)]
mod tests;
