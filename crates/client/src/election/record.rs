//! What is read from a lease and written into it.

use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::coordination::v1::{Lease, LeaseSpec};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

use super::ElectionOptions;

/// When the lease was last seen to change, by this candidate's own clock: clocks of different machines are never compared.
#[derive(Default)]
pub(super) struct Observation {
    spec: Option<LeaseSpec>,
    changed: Option<Instant>,
}

impl Observation {
    pub(super) fn see(&mut self, lease: &Lease, now: Instant) {
        if self.changed.is_none() || self.spec != lease.spec {
            self.spec.clone_from(&lease.spec);
            self.changed = Some(now);
        }
    }

    pub(super) fn expired(&self, now: Instant, ours: Duration) -> bool {
        let theirs = self.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let duration = theirs.and_then(|seconds| u64::try_from(seconds).ok()).map_or(ours, Duration::from_secs);
        self.changed.is_none_or(|changed| now.duration_since(changed) >= duration)
    }
}

/// One candidate's wish at one time.
pub(super) struct Claim<'a> {
    pub(super) options: &'a ElectionOptions,
    pub(super) now: Timestamp,
}

impl Claim<'_> {
    pub(super) fn belongs_to_another(&self, lease: &Lease) -> bool {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or("");
        !holder.is_empty() && holder != self.options.identity
    }

    /// A lease where there was none.
    pub(super) fn first(&self) -> Lease {
        let metadata = ObjectMeta {
            namespace: Some(self.options.namespace.clone()),
            name: Some(self.options.name.clone()),
            ..ObjectMeta::default()
        };
        Lease { metadata, spec: Some(self.spec(LeaseSpec::default())) }
    }

    /// The lease taken over or renewed. Its resourceVersion stays, so that of two candidates one fails.
    pub(super) fn on(&self, mut lease: Lease) -> Lease {
        lease.spec = Some(self.spec(lease.spec.unwrap_or_default()));
        lease
    }

    /// The lease free for the next one, as client-go releases it: no holder and a duration of one second.
    pub(super) fn returned(&self, mut lease: Lease) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(self.now));
        lease
    }

    fn spec(&self, mut spec: LeaseSpec) -> LeaseSpec {
        if spec.holder_identity.as_ref() != Some(&self.options.identity) {
            let taken_over = spec.holder_identity.is_some();
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + i32::from(taken_over));
            spec.acquire_time = Some(MicroTime(self.now));
            spec.holder_identity = Some(self.options.identity.clone());
        }
        spec.lease_duration_seconds = i32::try_from(self.options.lease_duration.as_secs()).ok();
        spec.renew_time = Some(MicroTime(self.now));
        spec
    }
}
