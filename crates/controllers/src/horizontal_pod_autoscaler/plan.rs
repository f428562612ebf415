//! How many replicas a target shall have. Pure: what was measured comes in, with the times of what was done before.
//!
//! Upstream: `pkg/controller/podautoscaler/horizontal.go`.

mod behavior;
mod replicas;
mod spec;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use sampan_meta::{object, time};
use serde_json::{Value, json};

pub(super) use behavior::{Bounds, History, Rules};
pub(super) use replicas::{Calculator, Measured, Sample, Tolerance};
pub(super) use spec::{Goal, Metric, metrics};

/// What a metric asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Proposal {
    pub(super) replicas: i32,
    /// How the metric is called in events and conditions.
    pub(super) name: String,
    /// What `status.currentMetrics` says of it.
    pub(super) status: Value,
}

/// Why a metric asks for nothing: the condition's reason, and the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unmeasured {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What all metrics together ask for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// The most that one asks for, and which; `None`: nothing may be done.
    pub(super) replicas: Option<(i32, String)>,
    pub(super) statuses: Vec<Value>,
    pub(super) failure: Option<String>,
}

/// Puts metrics together (`computeReplicasForMetrics`): the most counts, and a metric that is missing never makes the target smaller.
pub(super) fn together(
    results: Vec<Result<Proposal, Unmeasured>>,
    current: i32,
    conditions: &mut Conditions,
) -> Wanted {
    let (total, mut missing, mut first) = (results.len(), 0, None::<Unmeasured>);
    let (mut most, mut statuses) = (None::<(i32, String)>, Vec::new());
    for result in results {
        match result {
            Ok(Proposal { replicas, name, status }) => {
                statuses.push(status);
                if most.as_ref().is_none_or(|(most, _)| replicas > *most) {
                    most = Some((replicas, name));
                }
            }
            Err(unmeasured) => {
                missing += 1;
                first.get_or_insert(unmeasured);
            }
        }
    }
    let failure = first
        .as_ref()
        .map(|first| format!("invalid metrics ({missing} invalid out of {total}), first error is: {}", first.message));
    let smaller = most.as_ref().is_none_or(|(most, _)| *most < current);
    match (&first, &most) {
        (Some(first), _) if smaller => {
            let message = format!("the HPA was unable to compute the replica count: {}", first.message);
            conditions.set("ScalingActive", false, first.reason, message);
            Wanted { replicas: None, statuses, failure }
        }
        (_, Some((_, name))) => {
            let message = format!("the HPA was able to successfully calculate a replica count from {name}");
            conditions.set("ScalingActive", true, "ValidMetricFound", message);
            Wanted { replicas: most, statuses, failure }
        }
        _ => Wanted { replicas: None, statuses, failure },
    }
}

/// What the bounds alone say, before anything is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bounded {
    /// A target of zero replicas is switched off.
    Off,
    /// It is outside its bounds: this many, for this reason.
    To(i32, &'static str),
    /// Measure.
    Inside,
}

pub(super) fn bounds(current: i32, least: i32, most: i32) -> Bounded {
    match current {
        0 if least != 0 => Bounded::Off,
        current if current > most => Bounded::To(most, "Current number of replicas above Spec.MaxReplicas"),
        current if current < least => Bounded::To(least, "Current number of replicas below Spec.MinReplicas"),
        _ => Bounded::Inside,
    }
}

/// The conditions of a status.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conditions {
    pub(super) list: Vec<Value>,
    now: Timestamp,
}

impl Conditions {
    pub(super) fn of(autoscaler: &Value, now: Timestamp) -> Self {
        Self { list: object::list_at(autoscaler, "/status/conditions").to_vec(), now }
    }

    /// Its time is that of the last change between true and false.
    pub(super) fn set(&mut self, type_: &str, status: bool, reason: &str, message: impl Into<String>) {
        let status = if status { "True" } else { "False" };
        let known = self.list.iter_mut().find(|condition| condition["type"] == type_);
        let since =
            known.as_ref().filter(|known| known["status"] == status).map(|known| known["lastTransitionTime"].clone());
        let since = since.unwrap_or_else(|| json!(time::format_time(self.now)));
        let new = json!({ "type": type_, "status": status, "lastTransitionTime": since, "reason": reason, "message": message.into() });
        match known {
            Some(known) => *known = new,
            None => self.list.push(new),
        }
    }
}

/// The status to write.
pub(super) fn status(
    autoscaler: &Value,
    current: i32,
    desired: i32,
    metrics: Vec<Value>,
    conditions: Conditions,
    scaled: Option<Timestamp>,
) -> Value {
    let last = scaled.map(|now| json!(time::format_time(now)));
    let last = last.or_else(|| autoscaler.pointer("/status/lastScaleTime").cloned());
    let mut status = json!({
        "currentReplicas": current, "desiredReplicas": desired, "conditions": conditions.list,
        "observedGeneration": autoscaler.pointer("/metadata/generation"),
    });
    if !metrics.is_empty() {
        status["currentMetrics"] = metrics.into();
    }
    if let Some(last) = last.filter(|last| !last.is_null()) {
        status["lastScaleTime"] = last;
    }
    status
}
