//! Addresses and networks. Upstream: `apimachinery/pkg/util/validation/ip.go`.

use std::net::IpAddr;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::{dns1123_label, dns1123_subdomain};

/// A network in CIDR form, as far as it could be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`; bits behind the prefix are let pass here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length: u8 = if digits { length.parse().ok()? } else { return None };
        (length <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, length })
    }

    /// The first address of the network.
    fn first(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
        }
    }

    pub(crate) fn address(self) -> IpAddr {
        self.address
    }

    pub(crate) fn length(self) -> u8 {
        self.length
    }

    /// Whether the address lies in this network.
    pub(crate) fn has(self, address: IpAddr) -> bool {
        self.is_ipv4() == address.is_ipv4() && Self { address, ..self }.first() == self.first()
    }

    /// Whether all of `other` lies in this network.
    pub(crate) fn holds(self, other: Self) -> bool {
        self.length <= other.length && self.has(other.address)
    }

    pub(crate) fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether all of `other` lies in this network, and not all of this network in it.
    pub(crate) fn strictly_holds(self, other: Self) -> bool {
        let same = self.is_ipv4() == other.is_ipv4();
        same && self.length < other.length && Self { address: other.address, ..self }.first() == self.first()
    }
}

/// What is wrong with an address that has to be in canonical form. Upstream: `IsValidIP`.
pub(crate) fn ip_messages(text: &str) -> Vec<String> {
    match text.parse::<IpAddr>() {
        Err(_) => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()],
        Ok(address) if address.to_string() != text => {
            vec![format!("must be in canonical form ({:?})", address.to_string())]
        }
        Ok(_) => Vec::new(),
    }
}

/// A network; in canonical form where `canonical` says so. Upstream: `IsValidCIDR`, `IsValidCIDRForLegacyField`.
pub(crate) fn validate_cidr(errors: &mut ErrorList, text: &str, canonical: bool, path: &Path) {
    let Some(network) = Network::parse(text) else {
        let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        errors.push(field::invalid(path, text, why));
        return;
    };
    if network.first() != network.address {
        errors.push(field::invalid(path, text, "must not have bits set beyond the prefix length"));
    } else if canonical && format!("{}/{}", network.address, network.length) != text {
        let form = format!("{}/{}", network.address, network.length);
        errors.push(field::invalid(path, text, format!("must be in canonical form ({form:?})")));
    }
}

/// A host name, possibly `*.` and a domain. Upstream: `IsWildcardDNS1123Subdomain`.
pub(crate) fn host_messages(host: &str) -> Vec<String> {
    if !host.contains('*') {
        return dns1123_subdomain(host);
    }
    let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let valid = host.strip_prefix("*.").is_some_and(|domain| dns1123_subdomain(domain).is_empty());
    let why = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case \
               alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    let form = format!("{why} (e.g. '*.example.com', regex used for validation is '\\*\\.{label}(\\.{label})*')");
    if valid { Vec::new() } else { vec![form] }
}

/// A domain and a path, `example.com/controller`. Upstream: `IsDomainPrefixedPath`.
pub(crate) fn validate_domain_path(errors: &mut ErrorList, text: &str, path: &Path) {
    let Some((domain, behind)) = text.split_once('/') else {
        errors.push(field::invalid(path, text, "must be a domain-prefixed path (such as \"acme.io/foo\")"));
        return;
    };
    if domain.is_empty() || behind.is_empty() {
        errors.push(field::invalid(path, text, "must be a domain-prefixed path (such as \"acme.io/foo\")"));
        return;
    }
    super::invalid_all(errors, path, domain, dns1123_subdomain(domain));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.~%!$&'()*+,;=:".contains(&byte);
    if !behind.bytes().all(allowed) {
        let why = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        errors.push(field::invalid(path, behind, why));
    }
}

/// Upstream: `ValidateNamespaceName`.
pub(crate) fn namespace_messages(name: &str) -> Vec<String> {
    dns1123_label(name)
}
