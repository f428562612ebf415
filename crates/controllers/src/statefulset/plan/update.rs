//! Which pods go so that newer ones can come. As upstream's `updateStatefulSetAfterInvariantEstablished` and KEP-961.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use sampan_api::pod;

use super::identity::is_up_to_date;
use super::{Observed, Place};
use crate::int_or_percent::{Rounding, scaled};

/// The pods of older revisions that may go now, highest ordinal first, none below the partition.
pub(super) fn outdated(observed: &Observed<'_>, places: &[Place]) -> Vec<Arc<Pod>> {
    if observed.is_on_delete() {
        return Vec::new();
    }
    let unavailable = places.iter().filter(|place| is_unavailable(observed, place)).count();
    let mut budget = max_unavailable(observed).saturating_sub(unavailable);
    let partition = usize::try_from(observed.partition()).unwrap_or(0);
    let mut outdated: Vec<Arc<Pod>> = Vec::new();
    for place in places.iter().skip(partition).rev() {
        let Place::Taken(pod) = place else { continue };
        // One that ended is on its way out already.
        if is_up_to_date(observed, pod) || pod::is_terminating(pod) || pod::is_terminal(pod) {
            continue;
        }
        // Under `Parallel` a pod that serves nobody costs nothing. An ordered set does not get here while it has one.
        if observed.is_unavailable(pod) {
            outdated.push(pod.clone());
        } else if budget > 0 {
            budget -= 1;
            outdated.push(pod.clone());
        }
    }
    outdated
}

fn is_unavailable(observed: &Observed<'_>, place: &Place) -> bool {
    match place {
        Place::Free(_) => true,
        Place::Taken(pod) => observed.is_unavailable(pod),
    }
}

fn max_unavailable(observed: &Observed<'_>) -> usize {
    let one = IntOrString::Int(1);
    let value = observed.rolling().and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&one);
    usize::try_from(scaled(value, observed.replicas(), Rounding::Down)).unwrap_or(1).max(1)
}
