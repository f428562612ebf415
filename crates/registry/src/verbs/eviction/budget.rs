//! Whether the budgets of a pod allow its eviction. Upstream: `EvictionREST.checkAndDecrement` and what is around it.

use jiff::Timestamp;
use sampan_meta::selector::LabelSelector;
use sampan_meta::time::format_time;
use sampan_meta::{GroupResource, Status, object};
use serde_json::{Value, json};

use crate::conditions;

/// Evictions a budget's controller has not seen; beyond so many, no more are allowed. Upstream: `MaxDisruptedPodSize`.
const MAX_DISRUPTED_PODS: usize = 2000;
/// Seconds after which a client may hope that the controller has caught up.
const RETRY_SECONDS: u32 = 10;
const VIOLATED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// The reason of the cause. Upstream: `policyv1.DisruptionBudgetCause`.
const CAUSE: &str = "DisruptionBudget";

/// What has to happen before the pod may go.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing: no budget is about the pod.
    Free,
    /// Nothing, as long as the pod is as it was seen: it is not healthy, so the budget (its name) loses nothing.
    Unchanged(String),
    /// The budget is written in this state first.
    Spend(Value),
}

/// Whether a budget selects the pod. One without a selector, or with an empty one, selects nothing here.
pub(super) fn selects(budget: &Value, pod: &Value) -> bool {
    let Some(selector) = budget.pointer("/spec/selector").filter(|selector| selector.is_object()) else { return false };
    LabelSelector::from_json(selector)
        .is_ok_and(|selector| !selector.is_empty() && selector.matches_map(object::labels(pod)))
}

/// # Errors
/// 429 when the budget is spent or its state is not known, 403 when it is broken, 500 when there are several.
pub(super) fn decide(pod: &Value, budgets: &[Value], now: Timestamp) -> Result<Verdict, Status> {
    let budget = match budgets {
        [] => return Ok(Verdict::Free),
        [budget] => budget,
        _ => {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            let mut status = Status::internal(why);
            why.clone_into(&mut status.message);
            return Err(status);
        }
    };
    if !is_ready(pod) && spares_unhealthy(budget) {
        return Ok(Verdict::Unchanged(object::name(budget).to_owned()));
    }
    spend(pod, budget.clone(), now).map(Verdict::Spend)
}

/// 429 for a budget that may allow more once its controller has looked.
pub(super) fn still_processed(name: &str) -> Status {
    let message = format!("The disruption budget {name} is still being processed by the server.");
    Status::too_many_requests(VIOLATED, RETRY_SECONDS).with_cause(CAUSE, message, "")
}

fn is_ready(pod: &Value) -> bool {
    conditions::get(pod, "Ready").and_then(|ready| object::str_at(ready, "/status")) == Some("True")
}

/// Whether a pod that is not ready may go whatever the budget has left.
fn spares_unhealthy(budget: &Value) -> bool {
    let number = |name: &str| object::i64_at(budget, &format!("/status/{name}")).unwrap_or(0);
    let (current, desired) = (number("currentHealthy"), number("desiredHealthy"));
    let always = object::str_at(budget, "/spec/unhealthyPodEvictionPolicy") == Some("AlwaysAllow");
    always || (current >= desired && desired > 0)
}

fn spend(pod: &Value, mut budget: Value, now: Timestamp) -> Result<Value, Status> {
    let name = object::name(&budget).to_owned();
    let number = |pointer: &str| object::i64_at(&budget, pointer).unwrap_or(0);
    if number("/status/observedGeneration") < object::generation(&budget) {
        return Err(still_processed(&name));
    }
    let allowed = number("/status/disruptionsAllowed");
    let forbidden = |why: &str| Status::forbidden(&GroupResource::new("policy", "poddisruptionbudget"), &name, why);
    if allowed < 0 {
        return Err(forbidden("pdb disruptions allowed is negative"));
    }
    let disrupted = budget.pointer("/status/disruptedPods").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if disrupted > MAX_DISRUPTED_PODS {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(forbidden(why));
    }
    if allowed == 0 {
        return Err(Status::too_many_requests(VIOLATED, 0).with_cause(CAUSE, spent(&budget, &name), ""));
    }
    object::set(&mut budget, &["status", "disruptionsAllowed"], (allowed - 1).into());
    object::set(&mut budget, &["status", "disruptedPods", object::name(pod)], format_time(now).into());
    if allowed == 1 {
        let generation = object::i64_at(&budget, "/status/observedGeneration");
        conditions::set(
            &mut budget,
            json!({"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": "",
                "observedGeneration": generation, "lastTransitionTime": format_time(now)}),
        );
    }
    Ok(budget)
}

/// Why nothing is left.
fn spent(budget: &Value, name: &str) -> String {
    let condition = conditions::get(budget, "DisruptionAllowed");
    if let Some(failed) = condition.filter(|condition| object::str_at(condition, "/reason") == Some("SyncFailed")) {
        let why = object::str_at(failed, "/message").unwrap_or_default();
        return format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}"
        );
    }
    let number = |pointer| object::i64_at(budget, pointer).unwrap_or(0);
    let (needed, healthy) = (number("/status/desiredHealthy"), number("/status/currentHealthy"));
    format!("The disruption budget {name} needs {needed} healthy pods and has {healthy} currently")
}
