//! Flow control (`pkg/apis/flowcontrol/v1/defaults.go`) and API services (`kube-aggregator/pkg/apis/apiregistration/v1`).

use super::fill::{Members, if_absent, if_zero};

pub(super) fn flow_schema(spec: &mut Members) {
    if_zero(spec, "matchingPrecedence", 1000);
}

pub(super) fn exempt_level(level: &mut Members) {
    if_absent(level, "nominalConcurrencyShares", 0);
    if_absent(level, "lendablePercent", 0);
}

pub(super) fn limited_level(level: &mut Members) {
    if_absent(level, "nominalConcurrencyShares", 30);
    if_absent(level, "lendablePercent", 0);
}

pub(super) fn queuing(queuing: &mut Members) {
    if_zero(queuing, "handSize", 8);
    if_zero(queuing, "queues", 64);
    if_zero(queuing, "queueLengthLimit", 50);
}

pub(super) fn api_service_reference(service: &mut Members) {
    if_absent(service, "port", 443);
}
