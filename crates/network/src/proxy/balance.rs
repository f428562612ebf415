//! Choosing an endpoint for a new connection.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use super::plan::Route;

/// Clients remembered for session affinity before the oldest are forgotten.
const MOST_CLIENTS: usize = 10_000;

/// The endpoints of one frontend, changed while connections come in.
pub(super) struct Balancer {
    route: RwLock<Route>,
    turn: AtomicUsize,
    clients: Mutex<HashMap<IpAddr, (SocketAddr, Instant)>>,
}

impl Balancer {
    pub(super) fn new(route: Route) -> Self {
        Self { route: RwLock::new(route), turn: AtomicUsize::new(0), clients: Mutex::default() }
    }

    /// New connections go to the endpoints of `route` from now on; running ones stay where they are.
    pub(super) fn replace(&self, route: Route) {
        *self.route.write() = route;
    }

    /// Endpoints in the order they should be tried for this client: its own turn first, then the others, so that one dead endpoint
    /// fails no request.
    pub(super) fn candidates(&self, client: IpAddr) -> Vec<SocketAddr> {
        let route = self.route.read();
        let count = route.endpoints.len();
        let start = match route.affinity.and_then(|_| self.remembered(client, &route)) {
            Some(position) => position,
            None => self.turn.fetch_add(1, Ordering::Relaxed) % count.max(1),
        };
        (0..count).map(|step| route.endpoints[(start + step) % count]).collect()
    }

    /// Notes that `client` is served by `endpoint`.
    pub(super) fn served(&self, client: IpAddr, endpoint: SocketAddr) {
        if self.route.read().affinity.is_none() {
            return;
        }
        let mut clients = self.clients.lock();
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&client) {
            let oldest = clients.iter().min_by_key(|(_, (_, seen))| *seen).map(|(client, _)| *client);
            oldest.map(|oldest| clients.remove(&oldest));
        }
        clients.insert(client, (endpoint, Instant::now()));
    }

    fn remembered(&self, client: IpAddr, route: &Route) -> Option<usize> {
        let (endpoint, seen) = *self.clients.lock().get(&client)?;
        let fresh = seen.elapsed() < route.affinity?;
        route.endpoints.iter().position(|candidate| *candidate == endpoint).filter(|_| fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn route(affinity: Option<u64>, endpoints: &[&str]) -> Route {
        let endpoints = endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect();
        Route { endpoints, affinity: affinity.map(Duration::from_secs) }
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn connections_go_round_and_every_endpoint_is_a_fallback() {
        let balancer = Balancer::new(route(None, &["127.1.0.1:1", "127.1.0.2:1", "127.1.0.3:1"]));
        let firsts: Vec<_> = (0..6).map(|_| balancer.candidates(CLIENT)[0].ip().to_string()).collect();
        assert_eq!(firsts, ["127.1.0.1", "127.1.0.2", "127.1.0.3", "127.1.0.1", "127.1.0.2", "127.1.0.3"]);
        assert_eq!(balancer.candidates(CLIENT).len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sticky_client_keeps_its_endpoint_until_it_expires_or_goes() {
        let balancer = Balancer::new(route(Some(60), &["127.1.0.1:1", "127.1.0.2:1"]));
        let chosen = balancer.candidates(CLIENT)[0];
        balancer.served(CLIENT, chosen);
        assert_eq!(balancer.candidates(CLIENT)[0], chosen);
        assert_eq!(balancer.candidates(CLIENT)[0], chosen);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_ne!(balancer.candidates(CLIENT)[0], chosen);
        balancer.served(CLIENT, chosen);
        balancer.replace(route(Some(60), &["127.1.0.2:1"]));
        assert_eq!(balancer.candidates(CLIENT)[0], "127.1.0.2:1".parse().unwrap());
    }
}
