//! How long a pod may stay on a tainted node. Pure.

use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Pod, Taint, Toleration};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use sampan_api::taints;

use crate::time::until;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Keep,
    Wait(Duration),
    Evict,
}

/// Every taint has to be tolerated; the shortest time given counts, from the moment its taint was added.
pub(super) fn plan(pod: &Pod, taints: &[Taint], now: Timestamp) -> Plan {
    let tolerations: Vec<_> =
        pod.spec.iter().flat_map(|spec| spec.tolerations.iter().flatten()).filter_map(read).collect();
    let mut plan = Plan::Keep;
    for taint in taints.iter().filter(|taint| taint.effect == "NoExecute") {
        let matching: Vec<_> = tolerations.iter().filter(|(toleration, _)| toleration.tolerates(taint)).collect();
        if matching.is_empty() {
            return Plan::Evict;
        }
        let Some(seconds) = matching.iter().filter_map(|(_, seconds)| *seconds).min() else {
            continue;
        };
        let added = taint.time_added.clone().unwrap_or(Time(now));
        match (until(&added, seconds, now), &plan) {
            (None, _) => return Plan::Evict,
            (Some(left), Plan::Wait(other)) => plan = Plan::Wait(left.min(*other)),
            (Some(left), _) => plan = Plan::Wait(left),
        }
    }
    plan
}

/// A toleration and how many seconds it lasts; for ever without any.
fn read(toleration: &Toleration) -> Option<(taints::Toleration, Option<i64>)> {
    Some((taints::Toleration::new(toleration)?, toleration.toleration_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ago, now, object};
    use serde_json::{Value, json};

    fn check(tolerations: Value, expected: Plan) {
        let pod: Pod = object(json!({ "metadata": {}, "spec": { "containers": [], "tolerations": tolerations } }));
        let taints: Vec<Taint> = object(json!([
            { "key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": ago(100) },
            { "key": "node.kubernetes.io/unreachable", "effect": "NoSchedule", "timeAdded": ago(100) },
        ]));
        assert_eq!(plan(&pod, &taints, now()), expected);
    }

    #[test]
    fn a_pod_goes_at_once_later_or_never_as_it_tolerates() {
        let key = "node.kubernetes.io/unreachable";
        check(json!([]), Plan::Evict);
        check(json!([{ "operator": "Exists" }]), Plan::Keep);
        check(json!([{ "key": key, "operator": "Exists", "effect": "NoExecute" }]), Plan::Keep);
        check(json!([{ "key": key, "operator": "Exists", "effect": "NoSchedule" }]), Plan::Evict);
        check(
            json!([{ "key": key, "operator": "Exists", "tolerationSeconds": 300 }]),
            Plan::Wait(Duration::from_secs(200)),
        );
        check(json!([{ "key": key, "operator": "Exists", "tolerationSeconds": 100 }]), Plan::Evict);
        check(json!([{ "key": key, "value": "other" }]), Plan::Evict);
        check(json!([{ "key": "other", "operator": "Exists" }]), Plan::Evict);
        check(
            json!([{ "operator": "Exists", "tolerationSeconds": 300 }, { "key": key, "tolerationSeconds": 130 }]),
            Plan::Wait(Duration::from_secs(30)),
        );
    }
}
