//! What a budget allows. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_api::k8s::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{Condition, OwnerReference, Time};
use sampan_api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use sampan_api::pod;
use sampan_meta::selector::LabelSelector;

use crate::controller::Failure;
use crate::int_or_percent::{Rounding, scaled};
use crate::ownership;
use crate::time::until;

/// How long an evicted pod may take until its deletion is seen. Upstream: `DeletionTimeout`.
const DELETION_SECONDS: i64 = 2 * 60;
const ALLOWED: &str = "DisruptionAllowed";

/// What is known of a budget.
pub(super) struct Observed<'a> {
    pub(super) budget: &'a PodDisruptionBudget,
    /// The pods it selects.
    pub(super) pods: &'a [Arc<Pod>],
    /// How many pods a controller wants.
    pub(super) scale: &'a dyn Fn(&OwnerReference) -> Option<Scale>,
    pub(super) now: Timestamp,
}

/// A controller and the pods it wants.
pub(super) struct Scale {
    uid: String,
    replicas: i32,
}

impl Scale {
    pub(super) fn new(owner: &OwnerReference, replicas: Option<i32>) -> Self {
        Self { uid: owner.uid.clone(), replicas: replicas.unwrap_or(1) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) status: Option<PodDisruptionBudgetStatus>,
    /// Reason and message of events.
    pub(super) notes: Vec<(&'static str, String)>,
    /// Pods whose eviction was allowed and that were not deleted.
    pub(super) late: Vec<Arc<Pod>>,
    /// When the next of those is late.
    pub(super) requeue: Option<Duration>,
}

/// What a budget selects by; `None`: it selects nothing. An empty selector selects everything in its namespace.
pub(super) fn selector(budget: &PodDisruptionBudget) -> Result<Option<LabelSelector>, Failure> {
    budget.spec.as_ref().and_then(|spec| spec.selector.as_ref()).map(ownership::selector).transpose()
}

pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::default();
    if observed.pods.is_empty() {
        plan.notes.push(("NoPods", "No matching pods found".to_owned()));
    }
    let (expected, desired) = match wanted(observed) {
        Ok(wanted) => wanted,
        Err(why) => {
            let message = format!("Failed to calculate the number of expected pods: {why}");
            plan.notes.push(("CalculateExpectedPodCountFailed", message));
            plan.status = changed(observed, fail_safe(observed, &why));
            return plan;
        }
    };
    let disrupted = disrupted(observed, &mut plan);
    let counts = |pod: &&Arc<Pod>| {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        !pod::is_terminating(pod) && pod::is_ready(pod) && !disrupted.contains_key(name)
    };
    let healthy = number(observed.pods.iter().filter(counts).count());
    // A budget that expects nobody allows nothing: who knows whom it will be about.
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let mut status = PodDisruptionBudgetStatus {
        current_healthy: Some(healthy),
        desired_healthy: Some(desired),
        expected_pods: Some(expected),
        disruptions_allowed: Some(allowed),
        disrupted_pods: Some(disrupted).filter(|disrupted| !disrupted.is_empty()),
        observed_generation: observed.budget.metadata.generation,
        conditions: old(observed).conditions,
    };
    let (value, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_allowed(observed, &mut status, value, reason, String::new());
    plan.status = changed(observed, status);
    plan
}

fn old(observed: &Observed<'_>) -> PodDisruptionBudgetStatus {
    observed.budget.status.clone().unwrap_or_default()
}

fn changed(observed: &Observed<'_>, status: PodDisruptionBudgetStatus) -> Option<PodDisruptionBudgetStatus> {
    (observed.budget.status.as_ref() != Some(&status)).then_some(status)
}

/// The pods that are expected, and how many of them have to be healthy. Upstream: `getExpectedPodCount`.
fn wanted(observed: &Observed<'_>) -> Result<(i32, i32), String> {
    let Some(spec) = observed.budget.spec.as_ref() else { return Ok((0, 0)) };
    match (&spec.max_unavailable, &spec.min_available) {
        (Some(max_unavailable), _) => {
            let expected = expected(observed)?;
            Ok((expected, (expected - scaled(max_unavailable, expected, Rounding::Up)).max(0)))
        }
        (None, Some(IntOrString::Int(min_available))) => Ok((number(observed.pods.len()), *min_available)),
        (None, Some(share)) => {
            let expected = expected(observed)?;
            Ok((expected, scaled(share, expected, Rounding::Up)))
        }
        (None, None) => Ok((0, 0)),
    }
}

/// The sum of what the pods' controllers want, each counted once. Pods without one are not expected.
fn expected(observed: &Observed<'_>) -> Result<i32, String> {
    let mut scales: BTreeMap<String, i32> = BTreeMap::new();
    for pod in observed.pods {
        let Some(owner) = ownership::controller_of(&pod.metadata) else { continue };
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let Scale { uid, replicas } =
            (observed.scale)(owner).ok_or_else(|| format!("found no controllers for pod {name:?}"))?;
        scales.insert(uid, replicas);
    }
    Ok(scales.values().fold(0, |sum, replicas| sum.saturating_add(*replicas)))
}

/// Evictions that were allowed and are not seen yet as deletions. Upstream: `buildDisruptedPodMap`.
fn disrupted(observed: &Observed<'_>, plan: &mut Plan) -> BTreeMap<String, Time> {
    let allowed = old(observed).disrupted_pods.unwrap_or_default();
    let mut disrupted = BTreeMap::new();
    for pod in observed.pods.iter().filter(|pod| !pod::is_terminating(pod)) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let Some(since) = allowed.get(&name) else { continue };
        match until(since, DELETION_SECONDS, observed.now) {
            None => plan.late.push(pod.clone()),
            Some(left) => {
                plan.requeue = Some(plan.requeue.map_or(left, |other| other.min(left)));
                disrupted.insert(name, since.clone());
            }
        }
    }
    disrupted
}

/// When nobody knows how many pods there should be, none may go.
fn fail_safe(observed: &Observed<'_>, why: &str) -> PodDisruptionBudgetStatus {
    let mut status = PodDisruptionBudgetStatus {
        disruptions_allowed: Some(0),
        observed_generation: observed.budget.metadata.generation,
        ..old(observed)
    };
    set_allowed(observed, &mut status, "False", "SyncFailed", why.to_owned());
    status
}

/// The time changes with the value alone.
fn set_allowed(
    observed: &Observed<'_>,
    status: &mut PodDisruptionBudgetStatus,
    value: &str,
    reason: &str,
    message: String,
) {
    let conditions = status.conditions.get_or_insert_default();
    let known = conditions.iter().find(|known| known.type_ == ALLOWED && known.status == value);
    let since = known.map_or(Time(observed.now), |known| known.last_transition_time.clone());
    conditions.retain(|known| known.type_ != ALLOWED);
    conditions.push(Condition {
        type_: ALLOWED.to_owned(),
        status: value.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since,
        observed_generation: observed.budget.metadata.generation,
    });
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{ago, now, object};

    fn budget(spec: Value, status: Value) -> PodDisruptionBudget {
        let mut budget = json!({ "metadata": { "name": "b", "namespace": "default", "generation": 3 }, "spec": spec });
        budget["status"] = status;
        object(budget)
    }

    fn pod(name: &str, owner: Option<&str>, ready: bool, going: bool) -> Arc<Pod> {
        let owners: Vec<Value> = owner.map(|uid| json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": uid, "uid": uid, "controller": true })).into_iter().collect();
        let deleted = going.then(|| ago(1));
        let ready = json!([{ "type": "Ready", "status": if ready { "True" } else { "False" } }]);
        Arc::new(object(json!({
            "metadata": { "name": name, "ownerReferences": owners, "deletionTimestamp": deleted }, "status": { "conditions": ready },
        })))
    }

    /// ReplicaSet `ten` wants ten pods, `two` two, others are not known.
    fn run(budget: &PodDisruptionBudget, pods: &[Arc<Pod>]) -> Plan {
        let scale = |owner: &OwnerReference| match owner.name.as_str() {
            "ten" => Some(Scale::new(owner, Some(10))),
            "two" => Some(Scale::new(owner, Some(2))),
            _ => None,
        };
        plan(&Observed { budget, pods, scale: &scale, now: now() })
    }

    fn counts(plan: &Plan) -> String {
        let status = plan.status.clone().unwrap_or_default();
        let counts = [status.expected_pods, status.desired_healthy, status.current_healthy, status.disruptions_allowed];
        let [expected, desired, healthy, allowed] = counts.map(|count| count.unwrap_or(-1));
        let condition =
            status.conditions.unwrap_or_default().pop().map(|condition| condition.reason).unwrap_or_default();
        format!("expected={expected} desired={desired} healthy={healthy} allowed={allowed} {condition}")
    }

    #[test]
    fn a_budget_allows_what_is_healthy_beyond_what_is_wanted() {
        let pods: Vec<_> = (0..10).map(|at| pod(&format!("p{at}"), Some("ten"), at < 8, at == 0)).collect();
        for (spec, expected) in [
            (json!({ "minAvailable": 5 }), "expected=10 desired=5 healthy=7 allowed=2 SufficientPods"),
            (json!({ "minAvailable": "75%" }), "expected=10 desired=8 healthy=7 allowed=0 InsufficientPods"),
            (json!({ "maxUnavailable": 4 }), "expected=10 desired=6 healthy=7 allowed=1 SufficientPods"),
            (json!({ "maxUnavailable": "35%" }), "expected=10 desired=6 healthy=7 allowed=1 SufficientPods"),
            (json!({ "maxUnavailable": 20 }), "expected=10 desired=0 healthy=7 allowed=7 SufficientPods"),
            (json!({}), "expected=0 desired=0 healthy=7 allowed=0 InsufficientPods"),
        ] {
            assert_eq!(counts(&run(&budget(spec.clone(), json!({})), &pods)), expected, "{spec}");
        }
    }

    #[test]
    fn each_controller_counts_once_and_pods_without_one_not_at_all() {
        let pods = [
            pod("a", Some("ten"), true, false),
            pod("b", Some("ten"), true, false),
            pod("c", Some("two"), true, false),
            pod("d", None, true, false),
        ];
        let plan = run(&budget(json!({ "maxUnavailable": 9 }), json!({})), &pods);
        assert_eq!(counts(&plan), "expected=12 desired=3 healthy=4 allowed=1 SufficientPods");
    }

    #[test]
    fn a_pod_whose_controller_is_not_known_makes_the_budget_allow_nothing() {
        let status = json!({ "disruptionsAllowed": 3, "currentHealthy": 5 });
        let plan = run(&budget(json!({ "maxUnavailable": 1 }), status), &[pod("a", Some("job"), true, false)]);
        assert_eq!(counts(&plan), "expected=-1 desired=-1 healthy=5 allowed=0 SyncFailed");
        assert_eq!(
            plan.notes[0].1,
            "Failed to calculate the number of expected pods: found no controllers for pod \"a\""
        );
    }

    #[test]
    fn an_eviction_counts_until_it_is_seen_or_late() {
        let status =
            json!({ "disruptedPods": { "fresh": ago(100), "late": ago(121), "going": ago(5), "gone": ago(5) } });
        let pods = [
            pod("fresh", Some("two"), true, false),
            pod("late", Some("two"), true, false),
            pod("going", Some("two"), true, true),
        ];
        let plan = run(&budget(json!({ "minAvailable": 1 }), status), &pods);
        assert_eq!(counts(&plan), "expected=3 desired=1 healthy=1 allowed=0 InsufficientPods");
        assert_eq!(plan.requeue, Some(Duration::from_secs(20)));
        assert_eq!(plan.late.len(), 1);
        let kept = plan.status.unwrap().disrupted_pods.unwrap();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["fresh"]);
    }

    #[test]
    fn what_is_said_already_is_not_written_again() {
        let mut budget = budget(json!({ "minAvailable": 1 }), json!({}));
        let pods = [pod("a", Some("two"), true, false)];
        budget.status = run(&budget, &pods).status;
        assert_eq!(run(&budget, &pods).status, None);
        budget.metadata.generation = Some(4);
        assert!(run(&budget, &pods).status.is_some());
    }
}
