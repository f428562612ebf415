//! The control loops that make the cluster what its objects say: what upstream's kube-controller-manager does.
//!
//! Each controller is a file that reads and writes (`<name>.rs`) around a pure plan (`<name>/plan.rs`), and one line in [`all`].
//! [`Controllers`] runs them: shared watches, a work queue and workers for each, retries with growing delays, panics contained.
//!
//! # What it does not do
//! It knows the cluster through `client` alone and holds no state that a restart would lose. It elects no leader and reads no
//! configuration; that is the cli's.
//!
//! # Invariants
//! - A reconcile takes a key, never an event's content; once settled a second run writes nothing.
//! - Nothing polls: a key comes back because something changed or because a time has come.
//! - Every controller writes with its own identity and needs no right beyond its table entry.

mod controller;
mod discover;
mod driver;
mod expectations;
mod history;
mod int_or_percent;
mod ownership;
mod settings;
mod signer;
mod slow_start;
mod table;
#[cfg(test)]
mod testing;
mod time;

mod attach_detach;
mod backends;
mod cluster_role_aggregation;
mod cronjob;
mod csr;
mod daemonset;
mod deployment;
mod disruption;
mod disruption_budget;
mod endpoints;
mod endpointslice;
mod endpointslice_mirroring;
mod ephemeral_volume;
mod garbage_collector;
mod horizontal_pod_autoscaler;
mod job;
mod legacy_token_cleaner;
mod local_path;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod persistent_volume;
mod pod_gc;
mod protection;
mod pv_protection;
mod pvc_protection;
mod replicaset;
mod replicationcontroller;
mod resource_claim;
mod resource_quota;
mod root_ca;
mod service_account;
mod service_account_token;
mod service_load_balancer;
mod stale_disruption;
mod statefulset;
mod taint_eviction;
mod token_cleaner;
mod ttl_after_finished;
mod vac_protection;
mod volume_expand;

pub use controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
pub use driver::{Controllers, INFORMERS, Options};
pub use node_ipam::{Network, NodeNetworks, NodeNetworksError};
pub use settings::Settings;
pub use signer::{RequestedIdentity, Signer, SigningError};
pub use table::{Entry, served};

/// All controllers, in no particular order.
#[must_use]
pub fn all() -> Vec<Entry> {
    vec![
        attach_detach::ENTRY,
        cluster_role_aggregation::ENTRY,
        cronjob::ENTRY,
        csr::ENTRY,
        daemonset::ENTRY,
        deployment::ENTRY,
        disruption_budget::ENTRY,
        endpoints::ENTRY,
        endpointslice::ENTRY,
        endpointslice_mirroring::ENTRY,
        ephemeral_volume::ENTRY,
        garbage_collector::ENTRY,
        horizontal_pod_autoscaler::ENTRY,
        job::ENTRY,
        legacy_token_cleaner::ENTRY,
        local_path::ENTRY,
        namespace::ENTRY,
        node_ipam::ENTRY,
        node_lifecycle::ENTRY,
        persistent_volume::ENTRY,
        pod_gc::ENTRY,
        pv_protection::ENTRY,
        pvc_protection::ENTRY,
        replicaset::ENTRY,
        replicationcontroller::ENTRY,
        resource_claim::ENTRY,
        resource_quota::ENTRY,
        root_ca::ENTRY,
        service_account::ENTRY,
        service_account_token::ENTRY,
        service_load_balancer::ENTRY,
        stale_disruption::ENTRY,
        statefulset::ENTRY,
        taint_eviction::ENTRY,
        token_cleaner::ENTRY,
        ttl_after_finished::ENTRY,
        vac_protection::ENTRY,
        volume_expand::ENTRY,
    ]
}
