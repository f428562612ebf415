//! What becomes of one object. Pure.
//!
//! As `attemptToDeleteItem` of upstream's `pkg/controller/garbagecollector`.

use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::graph::{FOREGROUND, Node, ORPHAN};

/// What asking the apiserver for an owner gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// It is there to stay, or nobody can say that it is not.
    Solid,
    /// There is no such object with that uid.
    Absent,
    /// It is being deleted and waits for this object to go first.
    Waiting,
}

/// What is known of an object: live, but for the graph.
pub(super) struct Observed<'a> {
    pub(super) meta: &'a ObjectMeta,
    /// Its owner references and what became of those owners.
    pub(super) owners: &'a [(OwnerReference, Owner)],
    /// What names it as owner.
    pub(super) dependents: &'a [&'a Node],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    Nothing,
    /// Take the finalizer away: nothing is left to wait for.
    RemoveFinalizer(&'static str),
    /// Take this object out of the owners of its dependents, then its finalizer.
    Orphan,
    /// Look at the dependents that block; they bring this object back when they are gone.
    WaitForDependents,
    /// Drop the references to owners that are gone or going; others hold it.
    DropOwners(Vec<String>),
    /// Delete it. `unblock`: its owners must not wait for it, as it waits for its own dependents in a circle.
    Delete {
        policy: Policy,
        unblock: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Background,
    Foreground,
    Orphan,
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let finalizers = observed.meta.finalizers.as_deref().unwrap_or_default();
    let has = |finalizer: &str| finalizers.iter().any(|known| known == finalizer);
    if observed.meta.deletion_timestamp.is_some() {
        return match (has(ORPHAN), has(FOREGROUND)) {
            (true, _) => Plan::Orphan,
            (false, true) => foreground(observed),
            (false, false) => Plan::Nothing,
        };
    }
    let with =
        |state: Owner| observed.owners.iter().filter(move |(_, owner)| *owner == state).map(|(reference, _)| reference);
    let going: Vec<String> =
        with(Owner::Absent).chain(with(Owner::Waiting)).map(|reference| reference.uid.clone()).collect();
    if going.is_empty() {
        return Plan::Nothing;
    }
    if with(Owner::Solid).next().is_some() {
        return Plan::DropOwners(going);
    }
    if with(Owner::Waiting).next().is_some() && !observed.dependents.is_empty() {
        // One of the dependents may wait in turn for the owner that waits for this object.
        let circle = observed.dependents.iter().any(|dependent| dependent.deletes_dependents());
        return Plan::Delete { policy: Policy::Foreground, unblock: circle };
    }
    let policy = match (has(ORPHAN), has(FOREGROUND)) {
        (true, _) => Policy::Orphan,
        (false, true) => Policy::Foreground,
        (false, false) => Policy::Background,
    };
    Plan::Delete { policy, unblock: false }
}

/// Goes once nothing that blocks is left.
fn foreground(observed: &Observed<'_>) -> Plan {
    let uid = observed.meta.uid.as_deref().unwrap_or_default();
    if observed.dependents.iter().any(|dependent| dependent.blocks(uid)) {
        return Plan::WaitForDependents;
    }
    Plan::RemoveFinalizer(FOREGROUND)
}

#[cfg(test)]
mod tests;
