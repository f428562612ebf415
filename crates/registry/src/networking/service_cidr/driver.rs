//! The task that settles ServiceCIDRs, and makes the IPAddress of a Service anew when somebody has deleted it.
//!
//! Every server runs it: what it writes is a compare-and-swap of what anyone of them would write.

use std::net::IpAddr;
use std::sync::Weak;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use sampan_meta::{Status, object};
use sampan_store::cache::Change;
use sampan_store::{At, Durability, Error, Key, Op, Revision, Scope, Write};
use serde_json::{Value, json};

use super::plan::{self, Plan, plan};
use super::{DEFAULT, STORAGE};
use crate::allocator::{Claimant, Pool, holds, values};
use crate::networking::ip_address;
use crate::object::Object;
use crate::registry::Registry;
use crate::stored;

/// Where addresses were recorded before they were objects.
const FORMER: &str = "sampan/serviceaddresses";

/// Settles what changes, for as long as the registry is there.
pub(crate) async fn run(registry: Weak<Registry>) {
    loop {
        let Some(watched) = registry.upgrade().map(|registry| {
            let revision = registry.cache.current();
            let watch = |storage| registry.cache.watch(storage, Scope::default(), revision);
            (watch(STORAGE), watch(ip_address::STORAGE))
        }) else {
            return;
        };
        let (Ok(mut networks), Ok(mut addresses)) = watched else { continue };
        loop {
            let Some(strong) = registry.upgrade() else { return };
            let again = strong.settle_service_cidrs().await;
            let going = again.is_some() || strong.service_cidrs().iter().any(plan::is_going);
            drop(strong);
            let goes_on = loop {
                tokio::select! { biased;
                    change = networks.next() => break matches!(change, Some(Ok(_))),
                    change = addresses.next() => match change {
                        Some(Ok(change)) => {
                            let Some(strong) = registry.upgrade() else { return };
                            strong.restore(&change).await;
                            if going && change.op == Op::Delete {
                                break true;
                            }
                        }
                        _ => break false,
                    },
                    () = tokio::time::sleep(again.unwrap_or(Duration::MAX)), if again.is_some() => break true,
                }
            };
            if !goes_on {
                break;
            }
        }
    }
}

impl Registry {
    /// Makes the ServiceCIDR every cluster has, and the IPAddresses of Services that have none yet.
    pub(crate) async fn bootstrap_addresses(&self) -> Result<(), Status> {
        let network = self.ranges.describe_network();
        let default = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": DEFAULT},
            "spec": {"cidrs": [network]}});
        self.ensure(default).await?;
        self.settle_service_cidrs().await;
        let Ok(services) = self.cache.snapshot("/services", &At::Latest) else { return Ok(()) };
        for service in services.range(None, None).map(|service| service.value()) {
            for address in values(Pool::Addresses, &service) {
                self.restore_address(&address, &service).await;
            }
        }
        let Ok(former) = self.cache.snapshot(FORMER, &At::Latest) else { return Ok(()) };
        for record in former.range(None, None) {
            let write = Write::Delete { expect: Revision(record.revision()) };
            self.tell(
                record.name(),
                self.cache.write(record.key().clone(), write, Durability::Relaxed).await.map(drop),
            );
        }
        Ok(())
    }

    /// Brings all ServiceCIDRs to what they should be; answers when to look again.
    async fn settle_service_cidrs(&self) -> Option<Duration> {
        let all = self.service_cidrs();
        let addresses = if all.iter().any(plan::is_going) { self.addresses() } else { Vec::new() };
        let mut again = None;
        for cidr in &all {
            match plan(cidr, &all, &addresses, self.clock.now()) {
                Plan::Nothing => (),
                Plan::Later(seconds) => {
                    let wait = Duration::from_secs(seconds.unsigned_abs());
                    again = Some(again.map_or(wait, |known: Duration| known.min(wait)));
                }
                Plan::Write(next) => self.tell(object::name(cidr), self.write_service_cidr(next).await),
            }
        }
        again
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let Ok(snapshot) = self.cache.snapshot(ip_address::STORAGE, &At::Latest) else { return Vec::new() };
        snapshot.range(None, None).filter_map(|object| object.name().parse().ok()).collect()
    }

    async fn write_service_cidr(&self, mut next: Value) -> Result<(), Error> {
        let resource = self.find("networking.k8s.io", "v1", "servicecidrs").expect("ServiceCIDRs are built in");
        let Some(old) = self.cache.get(&self.key(&resource, "", object::name(&next))) else { return Ok(()) };
        if old.revision().to_string() != object::resource_version(&next) {
            // Somebody was quicker; the change is on its way here.
            return Ok(());
        }
        crate::verbs::change::unversioned(&mut next);
        if plan::is_going(&next) && object::finalizers(&next).next().is_none() {
            return self.write_away(&resource, &old).await.map(drop);
        }
        self.write_over(&resource, &old, &next).await.map(drop)
    }

    /// An IPAddress that was deleted while its Service still has the address comes back. Upstream: `repair`.
    async fn restore(&self, change: &Change<Object>) {
        if change.op != Op::Delete {
            return;
        }
        let Some(key) = ip_address::service_of(&change.object.value()) else { return };
        let Some(service) = self.cache.get(&key) else { return };
        self.restore_address(change.object.name(), &service.value()).await;
    }

    async fn restore_address(&self, address: &str, service: &Value) {
        let key = Key::new(ip_address::STORAGE, "", address);
        if !holds(Pool::Addresses, address, service) || self.cache.get(&key).is_some() {
            return;
        }
        let claimant = Claimant { namespace: object::namespace(service), name: object::name(service) };
        let data = Bytes::from(stored::encode(&self.ip_address(address, claimant)));
        let made = self.cache.write(key, Write::Create { data, expires: None }, Durability::Relaxed).await;
        self.tell(address, made.map(drop));
    }

    fn tell(&self, name: &str, written: Result<(), Error>) {
        if let Err(error) = written {
            tracing::debug!(name, %error, "an address or network was not written");
        }
    }
}
