//! Addresses and ranges of them. Upstream: `apiserver/pkg/cel/library/ip.go`, `cidr.go`, which go by Go's `netip`.

use std::fmt;
use std::net::IpAddr;

use super::{Overload, T, function, method};
use crate::error::Error;
use crate::value::{Cidr, Value};

const IP: T = T::Opaque("net.IP");
const CIDR: T = T::Opaque("net.CIDR");

pub(super) const OVERLOADS: &[Overload] = &[
    function("ip", &[T::String], IP, |budget, a| {
        budget.traverse(a[0].size())?;
        parse_ip(a[0].as_text()?).map(Value::Ip)
    }),
    function("isIP", &[T::String], T::Bool, |budget, a| {
        budget.traverse(a[0].size())?;
        Ok(Value::Bool(parse_ip(a[0].as_text()?).is_ok()))
    }),
    function("ip.isCanonical", &[T::String], T::Bool, |budget, a| {
        budget.traverse(a[0].size().saturating_mul(2))?;
        let text = a[0].as_text()?;
        Ok(Value::Bool(parse_ip(text)?.to_string() == text))
    }),
    method("family", &[IP], T::Int, |_, a| Ok(Value::Int(if ip(&a[0])?.is_ipv4() { 4 } else { 6 }))),
    method("isUnspecified", &[IP], T::Bool, |_, a| Ok(Value::Bool(ip(&a[0])?.is_unspecified()))),
    method("isLoopback", &[IP], T::Bool, |_, a| Ok(Value::Bool(ip(&a[0])?.is_loopback()))),
    method("isLinkLocalMulticast", &[IP], T::Bool, |_, a| Ok(Value::Bool(is_link_local_multicast(ip(&a[0])?)))),
    method("isLinkLocalUnicast", &[IP], T::Bool, |_, a| Ok(Value::Bool(is_link_local_unicast(ip(&a[0])?)))),
    method("isGlobalUnicast", &[IP], T::Bool, |_, a| {
        let address = ip(&a[0])?;
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        let special = address.is_unspecified() || address.is_loopback() || address.is_multicast();
        Ok(Value::Bool(!broadcast && !special && !is_link_local_unicast(address)))
    }),
    function("cidr", &[T::String], CIDR, |budget, a| {
        budget.traverse(a[0].size())?;
        parse_cidr(a[0].as_text()?).map(Value::Cidr)
    }),
    function("isCIDR", &[T::String], T::Bool, |budget, a| {
        budget.traverse(a[0].size())?;
        Ok(Value::Bool(parse_cidr(a[0].as_text()?).is_ok()))
    }),
    method("containsIP", &[CIDR, IP], T::Bool, |_, a| Ok(Value::Bool(cidr(&a[0])?.contains(ip(&a[1])?)))),
    method("containsIP", &[CIDR, T::String], T::Bool, |budget, a| {
        budget.traverse(a[1].size())?;
        Ok(Value::Bool(cidr(&a[0])?.contains(parse_ip(a[1].as_text()?)?)))
    }),
    method("containsCIDR", &[CIDR, CIDR], T::Bool, |_, a| Ok(Value::Bool(cidr(&a[0])?.covers(cidr(&a[1])?)))),
    method("containsCIDR", &[CIDR, T::String], T::Bool, |budget, a| {
        budget.traverse(a[1].size())?;
        Ok(Value::Bool(cidr(&a[0])?.covers(parse_cidr(a[1].as_text()?)?)))
    }),
    method("ip", &[CIDR], IP, |_, a| Ok(Value::Ip(cidr(&a[0])?.address))),
    method("masked", &[CIDR], CIDR, |_, a| Ok(Value::Cidr(cidr(&a[0])?.masked()))),
    method("prefixLength", &[CIDR], T::Int, |_, a| Ok(Value::Int(i64::from(cidr(&a[0])?.prefix)))),
];

fn ip(value: &Value<'_>) -> Result<IpAddr, Error> {
    match value {
        Value::Ip(address) => Ok(*address),
        _ => Err(Error::no_such_overload()),
    }
}

fn cidr(value: &Value<'_>) -> Result<Cidr, Error> {
    match value {
        Value::Cidr(cidr) => Ok(*cidr),
        _ => Err(Error::no_such_overload()),
    }
}

fn is_link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    }
}

/// An address, but none of the other family in disguise.
fn parse_ip(text: &str) -> Result<IpAddr, Error> {
    let wrong = || Error::failed(format!("IP Address {text:?} parse error during conversion from string"));
    let address: IpAddr = text.parse().map_err(|_| wrong())?;
    match address {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => {
            Err(Error::failed(format!("IPv4-mapped IPv6 address {text:?} is not allowed")))
        }
        address => Ok(address),
    }
}

fn parse_cidr(text: &str) -> Result<Cidr, Error> {
    let wrong = || {
        Error::failed(format!(
            "network address parse error during conversion from string: invalid CIDR address {text:?}"
        ))
    };
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address = parse_ip(address)?;
    let digits = !prefix.is_empty()
        && prefix.bytes().all(|byte| byte.is_ascii_digit())
        && (prefix == "0" || !prefix.starts_with('0'));
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse::<u8>().ok().filter(|prefix| digits && *prefix <= most).ok_or_else(wrong)?;
    Ok(Cidr { address, prefix })
}

impl Cidr {
    /// The address as a number at the upper end of 128 bits, and how many it has.
    fn bits(address: IpAddr) -> (u128, bool) {
        match address {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
            IpAddr::V6(address) => (address.to_bits(), false),
        }
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0)
    }

    fn contains(self, address: IpAddr) -> bool {
        let ((own, own_family), (other, family)) = (Self::bits(self.address), Self::bits(address));
        own_family == family && own & self.mask() == other & self.mask()
    }

    fn covers(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    fn masked(self) -> Self {
        let (bits, is_v4) = Self::bits(self.address);
        let bits = bits & self.mask();
        let address = match is_v4 {
            true => IpAddr::V4(u32::try_from(bits >> 96).unwrap_or_default().into()),
            false => IpAddr::V6(bits.into()),
        };
        Self { address, ..self }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}
