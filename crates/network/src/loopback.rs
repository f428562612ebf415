//! Pod addresses in 127.0.0.0/8: handed out in order, remembered on disk so that a restarted agent finds every pod where it left it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_runtime::journal::Journal;
use sampan_runtime::{Error, NetworkAttachment, PodNetwork, PodRef, Result};

use crate::namespace;

/// Addresses of a /16 kept for the node itself: `x.y.0.0` to `x.y.0.15`.
const RESERVED: u32 = 16;

/// Gives every pod one address of a loopback /16.
///
/// The state is a journal with the pod's UID under each address: writing that line *is* the allocation, so a crash at any point leaves an
/// address either free or owned.
pub struct LoopbackNetwork {
    base: u32,
    addresses: Mutex<Addresses>,
}

struct Addresses {
    journal: Journal,
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
        let journal = Journal::open(directory.join("addresses"))?;
        Ok(Self { base, addresses: Mutex::new(Addresses::load(journal, base)?) })
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
        addresses.record(address, Some(&pod.uid)).map_err(|error| {
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
        addresses
            .record(address, None)
            .map_err(|error| Error::Unavailable(format!("failed to release address {address}: {error}")))
    }
}

impl Addresses {
    /// What the journal holds of the /16 that starts at `base`; what lies elsewhere is let go.
    fn load(journal: Journal, base: u32) -> io::Result<Self> {
        let mut addresses = Self { journal, by_uid: HashMap::new(), by_address: BTreeMap::new(), next: RESERVED };
        for key in addresses.journal.keys().map(str::to_owned).collect::<Vec<_>>() {
            let uid = addresses.journal.get(&key)?.and_then(|uid| String::from_utf8(uid).ok());
            match (key.parse::<Ipv4Addr>(), uid) {
                (Ok(address), Some(uid)) if u32::from(address) & 0xffff_0000 == base => {
                    addresses.next = addresses.next.max((u32::from(address) & 0xffff) + 1);
                    addresses.insert(address, uid);
                }
                _ => addresses.journal.write([(key.as_str(), None)])?,
            }
        }
        Ok(addresses)
    }

    fn record(&mut self, address: Ipv4Addr, uid: Option<&str>) -> io::Result<()> {
        self.journal.write([(address.to_string().as_str(), uid.map(str::as_bytes))])
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

    fn join<'a>(&'a self, made: &'a NetworkAttachment) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match made {
                NetworkAttachment::Namespace { ip, path } => namespace::join(path, *ip).await,
                NetworkAttachment::Address { .. } | NetworkAttachment::Host { .. } => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests;
