//! Which part of 127.0.0.0/8 this process uses in loopback mode, so that several clusters and nodes live side by side on one machine.
//!
//! A node has a /16 of 127.64–127.127 for its pods and itself (its first address); a cluster has a /16 of 127.128–127.191 for its
//! Services. The choice is made at the first start, by who else is there, and kept for all later ones.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use anyhow::{Context, Result, bail};

use crate::layout::Layout;

const NODES: std::ops::Range<u8> = 64..128;
const SERVICES: std::ops::Range<u8> = 128..192;

/// The port a range is claimed with: whoever listens here on the first address of a /16 owns it.
const KUBELET_PORT: u16 = 10250;
const CLAIM_PORT: u16 = 10249;

const SERVICE_RANGE: &str = "service-range";

/// A node's range, claimed: the bound listener is the claim and becomes the node's API.
pub(crate) struct NodeRange {
    pub(crate) base: Ipv4Addr,
    pub(crate) listener: TcpListener,
}

/// A cluster's range for Services. The claim holds as long as this lives; of several servers of one cluster one has it.
pub(crate) struct ServiceRange {
    pub(crate) base: Ipv4Addr,
    _claim: Option<TcpListener>,
}

impl NodeRange {
    pub(crate) fn claim(layout: &Layout, start: u16) -> Result<Self> {
        let (base, listener) = claim(layout, "node-range", NODES, start, KUBELET_PORT)?;
        Ok(Self { base, listener })
    }

    /// The node's own address.
    pub(crate) fn node(&self) -> Ipv4Addr {
        first(self.base)
    }
}

impl ServiceRange {
    pub(crate) fn claim(layout: &Layout, start: u16) -> Result<Self> {
        let (base, claim) = claim(layout, SERVICE_RANGE, SERVICES, start, CLAIM_PORT)?;
        Ok(Self { base, _claim: Some(claim) })
    }

    /// The range of a cluster that others have made, known by the address of its Service `default/kubernetes`.
    pub(crate) fn join(layout: &Layout, kubernetes: Ipv4Addr) -> Result<Self> {
        let [first, second, ..] = kubernetes.octets();
        let base = Ipv4Addr::new(first, second, 0, 0);
        layout.remember(SERVICE_RANGE, &base.to_string())?;
        Ok(Self { base, _claim: bind(base, CLAIM_PORT).ok() })
    }

    /// The address of Service `default/kubernetes`.
    pub(crate) fn kubernetes(&self) -> Ipv4Addr {
        first(self.base)
    }
}

fn first(base: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(base) + 1)
}

fn claim(
    layout: &Layout,
    fact: &str,
    range: std::ops::Range<u8>,
    start: u16,
    port: u16,
) -> Result<(Ipv4Addr, TcpListener)> {
    if let Some(kept) = layout.remembered(fact) {
        let base: Ipv4Addr =
            kept.parse().with_context(|| format!("the file {fact} of the data directory holds no address"))?;
        let listener =
            bind(base, port).with_context(|| format!("{}:{port} is in use; stop what listens there", first(base)))?;
        return Ok((base, listener));
    }
    let count = u16::from(range.end - range.start);
    for step in 0..count {
        let second =
            range.start + u8::try_from((start.wrapping_add(step)) % count).context("ranges are smaller than 256")?;
        let base = Ipv4Addr::new(127, second, 0, 0);
        if let Ok(listener) = bind(base, port) {
            layout.remember(fact, &base.to_string())?;
            return Ok((base, listener));
        }
    }
    bail!("all {count} loopback ranges are taken; stop a cluster on this machine")
}

fn bind(base: Ipv4Addr, port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddrV4::new(first(base), port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_on_one_machine_get_different_ranges_and_keep_them() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (a, b) = (Layout::create(a.path()).unwrap(), Layout::create(b.path()).unwrap());
        let first = NodeRange::claim(&a, 50).unwrap();
        let second = NodeRange::claim(&b, 50).unwrap();
        assert_ne!(first.base, second.base);
        let base = first.base;
        drop(first);
        assert_eq!(NodeRange::claim(&a, 7).unwrap().base, base);
    }

    #[test]
    fn servers_of_one_cluster_share_its_range() {
        let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [a, b, c] = directories.each_ref().map(|directory| Layout::create(directory.path()).unwrap());
        let first = ServiceRange::claim(&a, 60).unwrap();
        let second = ServiceRange::join(&b, first.kubernetes()).unwrap();
        assert_eq!(second.base, first.base);
        let other = ServiceRange::claim(&c, 60).unwrap();
        assert_ne!(other.base, first.base, "another cluster has its own");
    }
}
