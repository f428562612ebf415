//! Which addresses a guest may use, and what the ones it names mean inside its pod.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sampan_runtime::NetworkAttachment;
use wasmtime_wasi::sockets::SocketAddrUse;

/// A pod's place on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PodAddress {
    ip: IpAddr,
    /// Addresses mean what they say: on the node's network (`hostNetwork`), or because this process lives in the pod's own.
    host: bool,
    /// The network is the pod's alone: its servers listen on all addresses there are.
    own: bool,
}

impl PodAddress {
    /// A network namespace is entered by the process before it becomes this program (`process::start`).
    pub(crate) fn new(network: &NetworkAttachment) -> Self {
        match network {
            NetworkAttachment::Address { ip } => PodAddress { ip: *ip, host: false, own: false },
            NetworkAttachment::Host { ip } => PodAddress { ip: *ip, host: true, own: false },
            NetworkAttachment::Namespace { ip, .. } => PodAddress { ip: *ip, host: true, own: true },
        }
    }

    /// Where a server of requests listens: containers of other runtimes in the pod ask for it on localhost.
    pub(crate) fn serves_on(&self, port: u16) -> SocketAddr {
        let all = if self.ip.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        SocketAddr::new(if self.own { all } else { self.ip }, port)
    }

    /// What binding `address` means: all addresses of the pod are one, and so is its loopback.
    pub(crate) fn bind(&self, address: SocketAddr) -> SocketAddr {
        let own = address.ip().is_unspecified() || is_localhost(address.ip());
        if !self.host && own && same_family(address.ip(), self.ip) {
            SocketAddr::new(self.ip, address.port())
        } else {
            address
        }
    }

    /// What connecting to `address` means: localhost is the pod itself, not the node.
    pub(crate) fn connect(&self, address: SocketAddr) -> SocketAddr {
        if !self.host && is_localhost(address.ip()) { SocketAddr::new(self.ip, address.port()) } else { address }
    }

    /// The address to bind before connecting to `address`; `None` leaves the choice to the kernel, which refuses to send from a
    /// loopback address to the world.
    pub(crate) fn source(&self, address: SocketAddr) -> Option<SocketAddr> {
        let reachable = same_family(address.ip(), self.ip) && (!self.ip.is_loopback() || address.ip().is_loopback());
        (!self.host && reachable).then(|| SocketAddr::new(self.ip, 0))
    }

    /// The address a datagram socket is bound to before it first sends to `address`. Unlike a connection it hears from anyone who finds
    /// its port, so the choice is never the kernel's, which would open it on every address of the node; `None` when no address of the
    /// pod's can reach `address`. From loopback there is no way to the world.
    pub(crate) fn datagram_source(&self, address: SocketAddr) -> Option<SocketAddr> {
        (!self.host && same_family(address.ip(), self.ip)).then(|| SocketAddr::new(self.ip, 0))
    }

    /// Whether a guest may use `address` so, after the translations above.
    pub(crate) fn allows(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        if self.host {
            return true;
        }
        match usage {
            // No wildcard for datagrams: what is bound there would hear those of other pods and send from any address.
            SocketAddrUse::TcpListen | SocketAddrUse::UdpBind => address.ip() == self.ip,
            // The wildcard with port 0 is what an implicit bind before a connection shows.
            SocketAddrUse::TcpBind => address.ip() == self.ip || (address.ip().is_unspecified() && address.port() == 0),
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend => !is_of_the_node(address.ip()),
            SocketAddrUse::TcpAccept | SocketAddrUse::UdpReceive => true,
        }
    }
}

fn is_localhost(ip: IpAddr) -> bool {
    ip == IpAddr::V4(Ipv4Addr::LOCALHOST) || ip == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

/// The node's own loopback: services that listen there trust whoever reaches them. Cluster addresses of loopback mode are 127.64.0.0/10.
fn is_of_the_node(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() && ip.octets()[1] < 64,
        IpAddr::V6(ip) => ip == Ipv6Addr::LOCALHOST,
    }
}

fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(ip: &str) -> PodAddress {
        PodAddress::new(&NetworkAttachment::Address { ip: ip.parse().unwrap() })
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_server_on_all_addresses_listens_on_the_pods() {
        let pod = pod("127.70.0.5");
        assert_eq!(pod.bind(at("0.0.0.0:8080")), at("127.70.0.5:8080"));
        assert_eq!(pod.bind(at("127.0.0.1:8080")), at("127.70.0.5:8080"));
        assert_eq!(pod.bind(at("127.70.0.6:8080")), at("127.70.0.6:8080"));
        assert!(pod.allows(at("127.70.0.5:8080"), SocketAddrUse::TcpBind));
        assert!(!pod.allows(at("127.70.0.6:8080"), SocketAddrUse::TcpBind), "the neighbour's address");
        assert!(!pod.allows(at("0.0.0.0:8080"), SocketAddrUse::TcpBind));
        assert!(!pod.allows(at("0.0.0.0:0"), SocketAddrUse::TcpListen));
    }

    #[test]
    fn localhost_is_the_pod_and_never_the_node() {
        let pod = pod("127.70.0.5");
        assert_eq!(pod.connect(at("127.0.0.1:80")), at("127.70.0.5:80"));
        assert_eq!(pod.connect(at("[::1]:80")), at("127.70.0.5:80"));
        assert!(!pod.allows(at("127.0.0.53:53"), SocketAddrUse::UdpSend));
        assert!(!pod.allows(at("127.1.2.3:22"), SocketAddrUse::TcpConnect));
        assert!(pod.allows(at("127.134.0.1:443"), SocketAddrUse::TcpConnect));
        assert!(pod.allows(at("192.0.2.1:443"), SocketAddrUse::TcpConnect));
    }

    #[test]
    fn connections_start_from_the_pods_address_where_the_kernel_can() {
        let pod = pod("127.70.0.5");
        assert_eq!(pod.source(at("127.134.0.1:443")), Some(at("127.70.0.5:0")));
        assert_eq!(pod.source(at("192.0.2.1:443")), None);
    }

    #[test]
    fn datagrams_leave_from_the_pods_address_or_not_at_all() {
        let pod = pod("127.70.0.5");
        assert_eq!(pod.datagram_source(at("127.134.0.1:53")), Some(at("127.70.0.5:0")));
        assert_eq!(pod.datagram_source(at("192.0.2.1:53")), Some(at("127.70.0.5:0")));
        assert_eq!(pod.datagram_source(at("[2001:db8::1]:53")), None);
        assert!(pod.allows(at("127.70.0.5:0"), SocketAddrUse::UdpBind));
        for other in ["0.0.0.0:0", "[::]:0", "127.70.0.6:0"] {
            assert!(!pod.allows(at(other), SocketAddrUse::UdpBind), "{other}");
        }
    }

    #[test]
    fn host_network_changes_nothing() {
        let pod = PodAddress::new(&NetworkAttachment::Host { ip: "192.0.2.7".parse().unwrap() });
        assert_eq!(pod.bind(at("0.0.0.0:80")), at("0.0.0.0:80"));
        assert_eq!(pod.connect(at("127.0.0.1:80")), at("127.0.0.1:80"));
        assert_eq!(pod.datagram_source(at("192.0.2.1:53")), None);
        assert!(pod.allows(at("0.0.0.0:53"), SocketAddrUse::UdpBind));
        assert!(pod.allows(at("127.0.0.1:80"), SocketAddrUse::TcpConnect));
    }

    #[test]
    fn in_a_network_of_the_pods_own_localhost_is_what_it_is() {
        let network = NetworkAttachment::Namespace { ip: "10.0.0.7".parse().unwrap(), path: "/run/netns/a".into() };
        let pod = PodAddress::new(&network);
        assert_eq!(
            (pod.bind(at("127.0.0.1:80")), pod.connect(at("127.0.0.1:80"))),
            (at("127.0.0.1:80"), at("127.0.0.1:80"))
        );
        assert_eq!((pod.serves_on(80), self::pod("127.70.0.5").serves_on(80)), (at("0.0.0.0:80"), at("127.70.0.5:80")));
    }
}
