//! Networks cut into blocks of one size, as upstream's `pkg/controller/nodeipam/ipam/cidrset`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most blocks a network is cut into, as a power of two (upstream's `clusterSubnetMaxDiff`).
const MOST_BITS: u8 = 16;
const DEFAULT_IPV4_PREFIX: u8 = 24;
const DEFAULT_IPV6_PREFIX: u8 = 64;

/// A network: an address with nothing below its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: u128,
    prefix: u8,
    is_ipv6: bool,
}

/// Why networks for nodes cannot be given as was asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NodeNetworksError {
    /// Not `ADDRESS/BITS`.
    #[error("{0:?} is no network; write it as 10.244.0.0/16")]
    NoNetwork(String),
    /// Neither one, nor one of each family.
    #[error("networks of the cluster are one, or two of different families, and not {0}")]
    Families(usize),
    /// Nodes' networks are larger than what they are to be taken from, or too small to be counted.
    #[error("networks of nodes in {network} must have a prefix from {least} to {most}, and not {asked}")]
    Prefix {
        /// The cluster's.
        network: String,
        /// As large as that.
        least: u8,
        /// 65536 of them.
        most: u8,
        /// What was asked for.
        asked: u8,
    },
}

impl Network {
    /// Reads `10.244.0.0/16`. Bits below the prefix do not count, as in upstream's.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u8 = prefix.parse().ok()?;
        let (first, is_ipv6) = match address.parse().ok()? {
            IpAddr::V4(address) => (u128::from(u32::from(address)), false),
            IpAddr::V6(address) => (u128::from(address), true),
        };
        let network = Self { first, prefix, is_ipv6 };
        (prefix <= network.width()).then(|| Self { first: first & !network.mask(), ..network })
    }

    fn width(self) -> u8 {
        if self.is_ipv6 { 128 } else { 32 }
    }

    /// The bits that differ within it.
    fn mask(self) -> u128 {
        let bits = u32::from(self.width() - self.prefix);
        1_u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1)
    }

    fn last(self) -> u128 {
        self.first | self.mask()
    }

    fn overlaps(self, other: Self) -> bool {
        self.is_ipv6 == other.is_ipv6 && self.first <= other.last() && other.first <= self.last()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address: IpAddr = match self.is_ipv6 {
            true => Ipv6Addr::from(self.first).into(),
            false => Ipv4Addr::from(u32::try_from(self.first).unwrap_or(u32::MAX)).into(),
        };
        write!(formatter, "{address}/{}", self.prefix)
    }
}

/// One network of the cluster, and how large a node's part of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    network: Network,
    node_prefix: u8,
}

impl Range {
    fn count(self) -> u128 {
        1 << (self.node_prefix - self.network.prefix)
    }

    /// How far the first addresses of two blocks are apart.
    fn step(self) -> u128 {
        1 << (self.network.width() - self.node_prefix)
    }

    fn block(self, index: u128) -> Network {
        let first = self.network.first + index * self.step();
        Network { first, prefix: self.node_prefix, is_ipv6: self.network.is_ipv6 }
    }

    /// The blocks of which `network` has a part.
    fn touched(self, network: Network) -> std::ops::Range<u128> {
        if !self.network.overlaps(network) {
            return 0..0;
        }
        let index = |address: u128| (address - self.network.first) / self.step();
        index(network.first.max(self.network.first))..index(network.last().min(self.network.last())) + 1
    }
}

/// Where nodes' networks come from: kube-controller-manager's `--cluster-cidr`, `--node-cidr-mask-size` and their like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeNetworks {
    ranges: Vec<Range>,
    /// Networks of which nothing is given out: the Services'.
    kept: Vec<Network>,
}

impl NodeNetworks {
    /// The cluster's networks, one or one of each family, with the prefix of a node's part for IPv4 and IPv6 (24 and 64 when not given).
    ///
    /// # Errors
    /// What upstream does not start with either.
    pub fn new(cluster: &[String], (ipv4, ipv6): (Option<u8>, Option<u8>)) -> Result<Self, NodeNetworksError> {
        let parse = |text: &String| Network::parse(text).ok_or_else(|| NodeNetworksError::NoNetwork(text.clone()));
        let networks = cluster.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        match networks.as_slice() {
            [_] => {}
            [one, other] if one.is_ipv6 != other.is_ipv6 => {}
            _ => return Err(NodeNetworksError::Families(networks.len())),
        }
        let range = |network: Network| {
            let asked =
                if network.is_ipv6 { ipv6.unwrap_or(DEFAULT_IPV6_PREFIX) } else { ipv4.unwrap_or(DEFAULT_IPV4_PREFIX) };
            let (least, most) = (network.prefix, network.prefix.saturating_add(MOST_BITS).min(network.width()));
            match (least..=most).contains(&asked) {
                true => Ok(Range { network, node_prefix: asked }),
                false => Err(NodeNetworksError::Prefix { network: network.to_string(), least, most, asked }),
            }
        };
        Ok(Self { ranges: networks.into_iter().map(range).collect::<Result<_, _>>()?, kept: Vec::new() })
    }

    /// Gives nothing of these away.
    #[must_use]
    pub fn without(mut self, kept: impl IntoIterator<Item = Network>) -> Self {
        self.kept.extend(kept);
        self
    }
}

/// What was given and may not have been seen yet, and where to look next: a network that was freed is given again as late as possible.
#[derive(Default)]
pub(super) struct Given {
    pending: BTreeMap<String, Vec<Network>>,
    next: Vec<u128>,
}

impl Given {
    /// The node is known to have its networks, or to be gone.
    pub(super) fn forget(&mut self, node: &str) {
        self.pending.remove(node);
    }

    /// One network of each range for a node, the same when asked again; `None` when a range has none left. `taken` is what nodes have.
    pub(super) fn give(
        &mut self,
        from: &NodeNetworks,
        node: &str,
        taken: &BTreeMap<&str, &[String]>,
    ) -> Option<Vec<Network>> {
        if let Some(given) = self.pending.get(node) {
            return Some(given.clone());
        }
        // What cannot be read is nobody's business to give or to keep; the API lets none in.
        let seen = taken.values().flat_map(|networks| networks.iter()).filter_map(|text| Network::parse(text));
        let used: Vec<Network> =
            seen.chain(self.pending.values().flatten().copied()).chain(from.kept.iter().copied()).collect();
        self.next.resize(from.ranges.len(), 0);
        let found: Vec<u128> = from
            .ranges
            .iter()
            .zip(&self.next)
            .map(|(range, next)| free(*range, *next, &used))
            .collect::<Option<_>>()?;
        let networks: Vec<Network> = from.ranges.iter().zip(&found).map(|(range, index)| range.block(*index)).collect();
        self.next = found.iter().map(|index| index + 1).collect();
        self.pending.insert(node.to_owned(), networks.clone());
        Some(networks)
    }
}

/// The first block from `next` on, around, that nothing touches.
fn free(range: Range, next: u128, used: &[Network]) -> Option<u128> {
    let touched: BTreeSet<u128> = used.iter().flat_map(|network| range.touched(*network)).collect();
    (0..range.count()).map(|offset| (next + offset) % range.count()).find(|index| !touched.contains(index))
}

#[cfg(test)]
mod tests;
