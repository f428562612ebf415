//! ClusterIPs and NodePorts: each belongs to one Service.
//!
//! Who has what is written in the store: for each address an IPAddress object, for each port a small record, created with the store's own
//! "create fails if it is there". That makes an allocation exact between tasks and between processes alike, and leaves nothing to rebuild
//! at start: the watch cache holds them, so finding a free address asks nobody. One whose Service never came to be (the process died
//! in between) is taken over by the next who wants it once it is older than [`STALE_SECONDS`]. Addresses come from the networks of all
//! ServiceCIDRs that are ready.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use sampan_meta::{Status, object};
use sampan_store::{Durability, Error, Key, Revision, WatchCache, Write};
use serde_json::{Value, json};

use crate::networking::ip_address;
use crate::object::Object;
use crate::registry::Registry;
use crate::stored;

mod ranges;
mod reservation;

pub(crate) use ranges::Ranges;
pub(crate) use reservation::Reservation;

/// Age at which a record without its Service counts as left behind; far longer than a create takes.
const STALE_SECONDS: i64 = 60;
/// Random probes before the range is searched from its beginning.
const PROBES: usize = 16;

/// What is allocated, each below its own key in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    Addresses,
    Ports,
}

impl Pool {
    fn storage(self) -> &'static str {
        match self {
            Self::Addresses => ip_address::STORAGE,
            Self::Ports => "sampan/nodeports",
        }
    }

    fn key(self, name: &str) -> Key {
        Key::new(self.storage(), "", name)
    }
}

/// The Service an address or port is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimant<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

/// What came of asking for a certain address or port.
pub(crate) enum Claim {
    Granted,
    Taken,
}

impl Registry {
    /// Gives the claimant this very address or port.
    pub(crate) async fn claim(
        &self,
        reservation: &mut Reservation,
        pool: Pool,
        value: &str,
        claimant: Claimant<'_>,
    ) -> Result<Claim, Status> {
        let key = pool.key(value);
        let data = self.claim_record(pool, value, claimant);
        let present = self.cache.get(&key);
        let write = match &present {
            None => Write::Create { data, expires: None },
            Some(record) if self.left_behind(pool, value, record) => {
                Write::Update { expect: Revision(record.revision()), data, expires: None }
            }
            Some(_) => return Ok(Claim::Taken),
        };
        if reservation.is_rehearsal() {
            return Ok(Claim::Granted);
        }
        match self.cache.write(key.clone(), write, Durability::Durable).await {
            Ok(revision) => {
                reservation.took(key, revision);
                Ok(Claim::Granted)
            }
            Err(Error::Exists(_) | Error::Conflict { .. } | Error::NotFound(_)) => Ok(Claim::Taken),
            Err(error) => Err(super::verbs::change::store_unreachable(&error)),
        }
    }

    /// Gives the claimant any free address or port; `None` when there is none.
    pub(crate) async fn claim_any(
        &self,
        reservation: &mut Reservation,
        pool: Pool,
        claimant: Claimant<'_>,
    ) -> Result<Option<String>, Status> {
        for range in self.address_ranges(pool).iter() {
            for _ in 0..PROBES {
                let value = self.random_value(range, pool);
                if let Claim::Granted = self.claim(reservation, pool, &value, claimant).await? {
                    return Ok(Some(value));
                }
            }
            for at in 0..range.size(pool) {
                let value = range.value(pool, at);
                if let Claim::Granted = self.claim(reservation, pool, &value, claimant).await? {
                    return Ok(Some(value));
                }
            }
        }
        Ok(None)
    }

    /// Whether a network that is ready has this address.
    pub(crate) fn offers_address(&self, address: IpAddr) -> bool {
        self.address_ranges(Pool::Addresses).iter().any(|range| range.contains_address(address))
    }

    fn address_ranges(&self, pool: Pool) -> Arc<Vec<Ranges>> {
        match pool {
            Pool::Addresses => self.networks.current(self),
            Pool::Ports => Arc::new(vec![self.ranges.clone()]),
        }
    }

    fn random_value(&self, range: &Ranges, pool: Pool) -> String {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        range.value(pool, range.scatter(pool, u64::from_le_bytes(bytes)))
    }

    fn claim_record(&self, pool: Pool, value: &str, claimant: Claimant<'_>) -> Bytes {
        if pool == Pool::Addresses {
            return Bytes::from(stored::encode(&self.ip_address(value, claimant)));
        }
        let mut record = json!({"apiVersion": "sampan.dev/v1", "kind": "Reservation", "metadata": {"name": value},
            "spec": {"pool": pool.storage(), "namespace": claimant.namespace, "name": claimant.name}});
        object::set_creation_timestamp(&mut record, self.clock.now());
        Bytes::from(stored::encode(&record))
    }

    /// Whether the Service a record was made for does not have the address or port, and had time to get it.
    fn left_behind(&self, pool: Pool, value: &str, record: &Object) -> bool {
        let record = record.value();
        let made = object::creation_timestamp(&record).map_or(0, |time| time.as_second());
        if self.clock.now().as_second() - made < STALE_SECONDS {
            return false;
        }
        let key = match pool {
            Pool::Addresses => ip_address::service_of(&record),
            Pool::Ports => {
                let text = |pointer| object::str_at(&record, pointer).unwrap_or_default();
                Some(Key::new("/services", text("/spec/namespace"), text("/spec/name")))
            }
        };
        // An address that somebody else than a Service has is theirs.
        let Some(key) = key else { return false };
        !self.cache.get(&key).is_some_and(|service| holds(pool, value, &service.value()))
    }

    /// Gives back all that a deleted Service had.
    pub(crate) async fn release_all(&self, service: &Value) {
        let mut reservation = Reservation::new(self.cache.clone(), false);
        for pool in [Pool::Addresses, Pool::Ports] {
            values(pool, service).iter().for_each(|value| reservation.leave(pool, value));
        }
        reservation.settle(true).await;
    }
}

/// Whether the Service has this address or port.
pub(crate) fn holds(pool: Pool, value: &str, service: &Value) -> bool {
    values(pool, service).iter().any(|held| held == value)
}

/// The addresses or ports a Service has.
pub(crate) fn values(pool: Pool, service: &Value) -> Vec<String> {
    let list = |pointer| object::list_at(service, pointer).iter();
    let mut values: Vec<String> = match pool {
        Pool::Addresses => {
            let listed = list("/spec/clusterIPs").filter_map(Value::as_str);
            let all = listed.chain(object::str_at(service, "/spec/clusterIP"));
            all.filter(|address| address.parse::<IpAddr>().is_ok()).map(str::to_owned).collect()
        }
        Pool::Ports => {
            let ports = list("/spec/ports").filter_map(|port| object::i64_at(port, "/nodePort"));
            let health = object::i64_at(service, "/spec/healthCheckNodePort");
            ports.chain(health).filter(|port| *port > 0).map(|port| port.to_string()).collect()
        }
    };
    values.sort();
    values.dedup();
    values
}

/// Takes records away, as far as they are still the ones that were seen.
pub(crate) async fn release(cache: Arc<WatchCache<Object>>, records: Vec<(Key, Revision)>) {
    for (key, revision) in records {
        let gone = cache.write(key.clone(), Write::Delete { expect: revision }, Durability::Durable).await;
        if let Err(error) = gone {
            tracing::debug!(%key, %error, "a reservation was not released; it is taken over once it is wanted");
        }
    }
}
