//! What becomes of a ServiceCIDR. Upstream: `pkg/controller/servicecidrs`.

use std::net::IpAddr;

use jiff::Timestamp;
use sampan_meta::object;
use sampan_meta::time::format_time;
use serde_json::{Value, json};

use super::parsed;
use crate::conditions;

pub(super) const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
const READY: &str = "Ready";
/// How long one that is going is kept after nobody needs it, so that every server has seen that it gives no more addresses.
const GRACE_SECONDS: i64 = 10;

/// What to do about one.
#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    Nothing,
    /// Its next state; without finalizers, while it is being deleted, it goes.
    Write(Value),
    /// To be looked at again after so many seconds.
    Later(i64),
}

pub(super) fn is_going(cidr: &Value) -> bool {
    object::deletion_timestamp(cidr).is_some()
}

/// Whether addresses come from it.
pub(super) fn is_ready(cidr: &Value) -> bool {
    let ready = conditions::get(cidr, READY).and_then(|condition| object::str_at(condition, "/status"));
    !is_going(cidr) && ready == Some("True")
}

/// `all` are all ServiceCIDRs, `addresses` those that Services have.
pub(super) fn plan(cidr: &Value, all: &[Value], addresses: &[IpAddr], now: Timestamp) -> Plan {
    let mut next = cidr.clone();
    let mut finalizers: Vec<String> = object::finalizers(cidr).map(str::to_owned).collect();
    let held = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    let Some(since) = object::deletion_timestamp(cidr) else {
        if !held {
            finalizers.push(FINALIZER.to_owned());
            object::set_finalizers(&mut next, finalizers);
        }
        set(&mut next, "True", "", "Kubernetes Service CIDR is ready", now);
        return written(cidr, next);
    };
    if !held {
        return Plan::Nothing;
    }
    if is_needed(cidr, all, addresses) {
        let why =
            "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
        set(&mut next, "False", "Terminating", why, now);
        return written(cidr, next);
    }
    let left = GRACE_SECONDS - (now.as_second() - since.as_second());
    if left > 0 {
        return Plan::Later(left);
    }
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    object::set_finalizers(&mut next, finalizers);
    Plan::Write(next)
}

/// Whether an address of it is in use that no other ServiceCIDR has.
fn is_needed(cidr: &Value, all: &[Value], addresses: &[IpAddr]) -> bool {
    let stay = all.iter().filter(|other| object::name(other) != object::name(cidr) && !is_going(other));
    let stay: Vec<_> = stay.flat_map(parsed).collect();
    parsed(cidr).any(|network| {
        let covered = stay.iter().any(|other| other.holds(network));
        let needed = |address: &IpAddr| network.has(*address) && !stay.iter().any(|other| other.has(*address));
        !covered && addresses.iter().any(needed)
    })
}

fn set(cidr: &mut Value, status: &str, reason: &str, message: &str, now: Timestamp) {
    let condition = json!({"type": READY, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": format_time(now)});
    conditions::set(cidr, condition);
}

fn written(cidr: &Value, next: Value) -> Plan {
    if next == *cidr { Plan::Nothing } else { Plan::Write(next) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const NOW: &str = "2026-01-01T00:01:00Z";

    fn cidr(name: &str, network: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"cidrs": [network]}})
    }

    fn going(mut cidr: Value, since: &str) -> Value {
        cidr["metadata"]["deletionTimestamp"] = json!(since);
        cidr["metadata"]["finalizers"] = json!([FINALIZER]);
        cidr
    }

    fn check(cidr: &Value, others: &[Value], addresses: &[&str], expected: Expect) -> Plan {
        let mut all = others.to_vec();
        all.push(cidr.clone());
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let plan = plan(cidr, &all, &addresses, NOW.parse().unwrap());
        let told = match &plan {
            Plan::Write(next) => {
                let ready = conditions::get(next, READY).map(|ready| ready["status"].clone()).unwrap_or_default();
                format!("finalizers {} ready {ready}", next["metadata"]["finalizers"])
            }
            other => format!("{other:?}"),
        };
        expected.assert_eq(&told);
        plan
    }

    #[test]
    fn a_new_one_is_held_and_ready_and_settled_it_is_left_alone() {
        let plan = check(
            &cidr("a", "10.0.0.0/24"),
            &[],
            &[],
            expect![[r#"finalizers ["networking.k8s.io/service-cidr-finalizer"] ready "True""#]],
        );
        let Plan::Write(settled) = plan else { panic!("nothing was written") };
        check(&settled, &[], &["10.0.0.7"], expect!["Nothing"]);
    }

    #[test]
    fn one_that_goes_waits_for_the_addresses_that_only_it_has() {
        let old = going(cidr("a", "10.0.0.0/24"), "2026-01-01T00:00:00Z");
        let waits = expect![[r#"finalizers ["networking.k8s.io/service-cidr-finalizer"] ready "False""#]];
        let Plan::Write(waiting) = check(&old, &[], &["10.0.0.7"], waits) else { panic!("nothing was written") };
        check(&waiting, &[], &["10.0.0.7"], expect!["Nothing"]);
        check(&waiting, &[cidr("b", "10.0.0.0/16")], &["10.0.0.7"], expect![[r#"finalizers null ready "False""#]]);
        check(&waiting, &[], &["10.0.1.7"], expect![[r#"finalizers null ready "False""#]]);
        check(&going(cidr("a", "10.0.0.0/24"), "2026-01-01T00:00:57Z"), &[], &[], expect!["Later(7)"]);
    }
}
