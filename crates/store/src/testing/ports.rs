//! Ports for the servers of tests.

use std::net::{Ipv4Addr, TcpListener};

use parking_lot::Mutex;

/// Below the kernel's own choice (`ip_local_port_range`): a port of that may become the near end of anybody's connection while the test's
/// server is down, even of the connection that tries to reach the server. Below the NodePorts as well.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// What this process has been given, until its end.
static CLAIMS: Mutex<Vec<TcpListener>> = Mutex::new(Vec::new());

/// A port on 127.0.0.1 that nobody listens on, and that no other test on this machine will be given as long as this process lives.
///
/// # Panics
/// When every port is taken.
pub fn free_port() -> u16 {
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(97) % count;
    for number in 0..count {
        let offset = u16::try_from((first + number) % count).expect("it is smaller than the number of ports");
        if let Some(claim) = claim(PORTS.start + offset) {
            CLAIMS.lock().push(claim);
            return PORTS.start + offset;
        }
    }
    panic!("every port of {PORTS:?} on 127.0.0.1 is taken")
}

/// The claim is the same port on another loopback address, which stays bound.
fn claim(port: u16) -> Option<TcpListener> {
    let claim = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_though_nobody_listens_on_it() {
        let ports: std::collections::BTreeSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()));
    }
}
