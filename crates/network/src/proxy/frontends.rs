//! The listeners that are open now, and how they follow what each Service wants.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use sampan_meta::NamespacedName;
use tokio_util::sync::CancellationToken;

use super::balance::Balancer;
use super::plan::{Frontend, Protocol, Route};
use super::{tcp, udp};

/// A frontend that could not be opened, and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) frontend: Frontend,
    pub(super) error: io::Error,
}

impl Refused {
    /// What to tell the Service's owner, with the next step.
    pub(super) fn message(&self) -> String {
        let address = self.frontend.address;
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                format!(
                    "port {} is in use on {}; stop what listens there or choose another port",
                    address.port(),
                    address.ip()
                )
            }
            io::ErrorKind::PermissionDenied => format!(
                "not allowed to listen on {address}: ports below {} need privileges; use a higher port or the node port, or lower \
                 net.ipv4.ip_unprivileged_port_start",
                1024
            ),
            _ => format!("failed to listen on {address}: {}", self.error),
        }
    }
}

/// Open listeners, by the Service they belong to.
#[derive(Default)]
pub(super) struct Frontends {
    services: HashMap<NamespacedName, BTreeMap<Frontend, Listener>>,
}

struct Listener {
    balancer: Arc<Balancer>,
    stop: CancellationToken,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Frontends {
    /// Makes what is open for `service` equal to `wanted`: closes what went, redirects what stays, opens what is new. Returns what
    /// could not be opened; calling again tries again.
    pub(super) fn apply(&mut self, service: &NamespacedName, wanted: BTreeMap<Frontend, Route>) -> Vec<Refused> {
        let mut open = self.services.remove(service).unwrap_or_default();
        open.retain(|frontend, _| wanted.contains_key(frontend));
        let mut refused = Vec::new();
        for (frontend, route) in wanted {
            match open.get(&frontend) {
                Some(listener) => listener.balancer.replace(route),
                None => match Listener::open(frontend, route) {
                    Ok(listener) => drop(open.insert(frontend, listener)),
                    Err(error) => refused.push(Refused { frontend, error }),
                },
            }
        }
        if !open.is_empty() {
            self.services.insert(service.clone(), open);
        }
        refused
    }
}

impl Listener {
    fn open(frontend: Frontend, route: Route) -> io::Result<Self> {
        let balancer = Arc::new(Balancer::new(route));
        let stop = CancellationToken::new();
        match frontend.protocol {
            Protocol::Tcp => {
                drop(tokio::spawn(tcp::serve(tcp::bind(frontend.address)?, balancer.clone(), stop.clone())))
            }
            Protocol::Udp => {
                drop(tokio::spawn(udp::serve(udp::bind(frontend.address)?, balancer.clone(), stop.clone())))
            }
        }
        Ok(Self { balancer, stop })
    }
}

#[cfg(test)]
mod tests;
