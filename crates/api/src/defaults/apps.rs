//! Workloads that keep pods running (`pkg/apis/apps/v1/defaults.go`).

use super::fill::{Members, if_absent, if_zero, object, text};

pub(super) fn deployment(deployment: &mut Members) {
    let Some(spec) = object(deployment, "spec") else { return };
    if_absent(spec, "replicas", 1);
    if let Some(strategy) = object(spec, "strategy") {
        if_zero(strategy, "type", "RollingUpdate");
        rolling_update(strategy, |rolling| {
            if_absent(rolling, "maxUnavailable", "25%");
            if_absent(rolling, "maxSurge", "25%");
        });
    }
    if_absent(spec, "revisionHistoryLimit", 10);
    if_absent(spec, "progressDeadlineSeconds", 600);
}

pub(super) fn replica_set(replica_set: &mut Members) {
    if let Some(spec) = object(replica_set, "spec") {
        if_absent(spec, "replicas", 1);
    }
}

pub(super) fn daemon_set(daemon_set: &mut Members) {
    let Some(spec) = object(daemon_set, "spec") else { return };
    if let Some(strategy) = object(spec, "updateStrategy") {
        if_zero(strategy, "type", "RollingUpdate");
        rolling_update(strategy, |rolling| {
            if_absent(rolling, "maxUnavailable", 1);
            if_absent(rolling, "maxSurge", 0);
        });
    }
    if_absent(spec, "revisionHistoryLimit", 10);
}

pub(super) fn stateful_set(stateful_set: &mut Members) {
    let Some(spec) = object(stateful_set, "spec") else { return };
    if_zero(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = object(spec, "updateStrategy") {
        let unnamed = text(strategy, "type").is_empty();
        if_zero(strategy, "type", "RollingUpdate");
        // A strategy named by the user without parameters stays without; upstream makes them only for its own choice.
        if unnamed || strategy.contains_key("rollingUpdate") {
            rolling_update(strategy, |rolling| if_absent(rolling, "partition", 0));
        }
    }
    if let Some(policy) = object(spec, "persistentVolumeClaimRetentionPolicy") {
        if_zero(policy, "whenDeleted", "Retain");
        if_zero(policy, "whenScaled", "Retain");
    }
    if_absent(spec, "replicas", 1);
    if_absent(spec, "revisionHistoryLimit", 10);
}

fn rolling_update(strategy: &mut Members, complete: impl FnOnce(&mut Members)) {
    if text(strategy, "type") == "RollingUpdate" {
        object(strategy, "rollingUpdate").map(complete);
    }
}
