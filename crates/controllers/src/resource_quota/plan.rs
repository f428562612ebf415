//! What a quota's status shall say, given what was counted. Pure.
//!
//! Admission charges a quota before it writes the object, so what is charged may not be there yet when the controller counts. Taking it
//! for gone would let in one object too many. A lower count is therefore believed only against a mark: what had been charged by then has
//! been written or refused by now, and what was charged since is kept on top.

use std::time::Duration;

use sampan_api::amounts::Amounts;
use sampan_meta::Quantity;
use tokio::time::Instant;

/// How long after a charge its object has been written, or never will be: between the two there is nothing but the store.
pub(super) const SETTLES: Duration = Duration::from_secs(1);

/// What was charged at some time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) used: Amounts,
    pub(super) at: Instant,
}

/// What a quota says.
pub(super) struct Quota {
    /// What it allows, by its spec and by its status.
    pub(super) hard: Amounts,
    pub(super) status_hard: Amounts,
    /// What is charged.
    pub(super) used: Amounts,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// What the status shall say is used; `None`: it does.
    pub(super) write: Option<Amounts>,
    /// To be remembered until the next time; with it, that is when [`SETTLES`] has passed since.
    pub(super) mark: Option<Mark>,
}

/// `counted`: what the objects that are there use, of all that the quota names.
pub(super) fn plan(quota: &Quota, counted: &Amounts, mark: Option<&Mark>, now: Instant) -> Plan {
    let old = mark.filter(|mark| now.duration_since(mark.at) >= SETTLES);
    let target: Amounts = quota.hard.keys().map(|name| (name.clone(), amount(name, quota, counted, old))).collect();
    let lower = target.iter().any(|(name, amount)| of(counted, name) < *amount);
    // A mark that is not old enough goes on; the one that was used is replaced.
    let fresh = || Mark { used: target.clone(), at: now };
    let mark = lower.then(|| mark.filter(|_| old.is_none()).cloned().unwrap_or_else(fresh));
    let written = target == quota.used && quota.hard == quota.status_hard;
    Plan { write: (!written).then_some(target), mark }
}

fn amount(name: &str, quota: &Quota, counted: &Amounts, mark: Option<&Mark>) -> Quantity {
    let counted = of(counted, name);
    let Some(charged) = quota.used.get(name).copied().filter(|charged| counted < *charged) else { return counted };
    let Some(mark) = mark else { return charged };
    let since = (charged - mark.used.get(name).copied().unwrap_or(charged)).max(Quantity::ZERO);
    (counted + since).min(charged)
}

fn of(amounts: &Amounts, name: &str) -> Quantity {
    amounts.get(name).copied().unwrap_or(Quantity::ZERO)
}

#[cfg(test)]
mod tests;
