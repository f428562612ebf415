//! Which addresses and ports there are to give.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::Pool;
use crate::error::OpenError;
use crate::validation::network::Network;

/// The service network and the node ports, by position.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    network: IpAddr,
    prefix: u8,
    /// Usable addresses: all but the network's own and, for IPv4, the broadcast address.
    addresses: u64,
    ports: RangeInclusive<u16>,
}

impl Ranges {
    pub(crate) fn new((network, prefix): (IpAddr, u8), ports: RangeInclusive<u16>) -> Result<Self, OpenError> {
        let (network, width, unusable) = match network {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
                (IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask)), 32, 2)
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
                (IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask)), 128, 1)
            }
        };
        let unusable_network = |why| OpenError::ServiceNetwork(format!("{network}/{prefix}"), why);
        if prefix > width {
            return Err(unusable_network("the prefix is longer than an address"));
        }
        // Upstream, too, uses no more than 2^16 addresses of an IPv6 network, and 2^20 is plenty for IPv4.
        let bits = u32::from(width - prefix).min(20);
        let addresses = (1u64 << bits).saturating_sub(unusable);
        if addresses < 2 {
            return Err(unusable_network("it has no room for services; use a shorter prefix"));
        }
        Ok(Self { network, prefix, addresses, ports })
    }

    /// The addresses of another network, beside the same ports; `None` if it has no room.
    pub(crate) fn of_network(&self, network: Network) -> Option<Self> {
        Self::new((network.address(), network.length()), self.ports.clone()).ok()
    }

    /// `10.96.0.0/16`.
    pub(crate) fn describe_network(&self) -> String {
        format!("{}/{}", self.network, self.prefix)
    }

    /// The API server's address; given to nobody who does not ask for it.
    pub(crate) fn first_address(&self) -> IpAddr {
        self.address(0)
    }

    pub(crate) fn size(&self, pool: Pool) -> u64 {
        match pool {
            Pool::Addresses => self.addresses - 1,
            Pool::Ports => u64::from(*self.ports.end()).saturating_sub(u64::from(*self.ports.start())) + 1,
        }
    }

    /// The value at a position below [`Ranges::size`].
    pub(crate) fn value(&self, pool: Pool, at: u64) -> String {
        match pool {
            Pool::Addresses => self.address(at + 1).to_string(),
            Pool::Ports => (u64::from(*self.ports.start()) + at).to_string(),
        }
    }

    /// A position for a random number, in the upper part: the lower is for those who choose their address themselves.
    /// Upstream: `calculateRangeOffset` (KEP-3070, KEP-3668).
    pub(crate) fn scatter(&self, pool: Pool, random: u64) -> u64 {
        let size = self.size(pool);
        let low = match pool {
            Pool::Addresses if size >= 16 => (size / 16).clamp(16, 256),
            Pool::Ports if size >= 32 => (size / 32).clamp(16, 128),
            _ => 0,
        };
        let low = low.min(size - 1);
        low + random % (size - low)
    }

    pub(crate) fn contains_address(&self, address: IpAddr) -> bool {
        let offset = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                u32::from(address).checked_sub(network.into()).map(u128::from)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => u128::from(address).checked_sub(network.into()),
            _ => None,
        };
        offset.is_some_and(|offset| (1..=u128::from(self.addresses)).contains(&offset))
    }

    pub(crate) fn contains_port(&self, port: i64) -> bool {
        (i64::from(*self.ports.start())..=i64::from(*self.ports.end())).contains(&port)
    }

    /// `IPv4` or `IPv6`, as Services say it.
    pub(crate) fn family(&self) -> &'static str {
        if self.network.is_ipv4() { "IPv4" } else { "IPv6" }
    }

    /// `30000-32767`.
    pub(crate) fn describe_ports(&self) -> String {
        format!("{}-{}", self.ports.start(), self.ports.end())
    }

    fn address(&self, at: u64) -> IpAddr {
        let offset = at + 1;
        match self.network {
            IpAddr::V4(network) => {
                IpAddr::V4(Ipv4Addr::from(u32::from(network).wrapping_add(u32::try_from(offset).unwrap_or(u32::MAX))))
            }
            IpAddr::V6(network) => IpAddr::V6(Ipv6Addr::from(u128::from(network).wrapping_add(u128::from(offset)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(network: &str, prefix: u8) -> Result<Ranges, OpenError> {
        Ranges::new((network.parse().unwrap(), prefix), 30000..=32767)
    }

    #[test]
    fn the_first_address_is_kept_for_the_api_and_the_edges_are_given_to_nobody() {
        let ranges = ranges("10.96.0.7", 24).unwrap();
        assert_eq!(ranges.first_address().to_string(), "10.96.0.1");
        assert_eq!(ranges.value(Pool::Addresses, 0), "10.96.0.2");
        assert_eq!(ranges.value(Pool::Addresses, ranges.size(Pool::Addresses) - 1), "10.96.0.254");
        for (address, inside) in [
            ("10.96.0.1", true),
            ("10.96.0.254", true),
            ("10.96.0.0", false),
            ("10.96.0.255", false),
            ("10.97.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(ranges.contains_address(address.parse().unwrap()), inside, "{address}");
        }
    }

    #[test]
    fn random_values_leave_the_static_part_alone_and_reach_the_end() {
        let ranges = ranges("127.64.0.0", 16).unwrap();
        let size = ranges.size(Pool::Addresses);
        assert_eq!(ranges.scatter(Pool::Addresses, 0), 256);
        assert!((0..100_000).all(|random| ranges.scatter(Pool::Addresses, random) < size));
        assert_eq!(ranges.value(Pool::Ports, 0), "30000");
        assert_eq!(ranges.value(Pool::Ports, ranges.size(Pool::Ports) - 1), "32767");
    }

    #[test]
    fn a_network_without_room_is_refused() {
        assert!(ranges("10.0.0.0", 32).is_err());
        assert!(ranges("10.0.0.0", 31).is_err());
        assert!(ranges("10.0.0.0", 40).is_err());
        assert!(ranges("fd00::", 112).is_ok());
    }
}
