//! What a Job's `podFailurePolicy` makes of a failed pod. As upstream's `pod_failure_policy.go` and KEP-3329.

use sampan_api::k8s::api::batch::v1::{
    PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use sampan_api::k8s::api::core::v1::{ContainerStatus, Pod, PodCondition};

/// What becomes of the failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts.
    Count,
    /// It does not.
    Ignore,
    /// It counts, and its index is not tried again.
    FailIndex,
    /// The Job has failed, for this reason.
    FailJob(String),
}

/// The verdict of the first rule that fits; what fits none counts.
pub(super) fn verdict(policy: Option<&PodFailurePolicy>, pod: &Pod) -> Verdict {
    let rules = policy.map(|policy| policy.rules.as_slice()).unwrap_or_default();
    let mut matching = rules.iter().enumerate().filter_map(|(at, rule)| Some((at, rule, why(rule, pod)?)));
    let Some((at, rule, why)) = matching.next() else { return Verdict::Count };
    match rule.action.as_str() {
        "Ignore" => Verdict::Ignore,
        "FailIndex" => Verdict::FailIndex,
        "FailJob" => Verdict::FailJob(format!("{why} matching {} rule at index {at}", rule.action)),
        _ => Verdict::Count,
    }
}

/// In which way the pod fits the rule, if it does.
fn why(rule: &PodFailurePolicyRule, pod: &Pod) -> Option<String> {
    let meta = &pod.metadata;
    let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    if let Some(requirement) = &rule.on_exit_codes {
        let (container, code) = exit_code(requirement, pod)?;
        return Some(format!("Container {container} for pod {namespace}/{name} failed with exit code {code}"));
    }
    let condition = condition(rule.on_pod_conditions.as_deref()?, pod)?;
    Some(format!("Pod {namespace}/{name} has condition {}", condition.type_))
}

/// The first container that ended with such a code. Zero is no failure and fits nothing.
fn exit_code<'a>(requirement: &PodFailurePolicyOnExitCodesRequirement, pod: &'a Pod) -> Option<(&'a str, i32)> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
    let named =
        |container: &&ContainerStatus| requirement.container_name.as_ref().is_none_or(|name| *name == container.name);
    let mut ended = containers.filter(named).filter_map(|container| {
        Some((container.name.as_str(), container.state.as_ref()?.terminated.as_ref()?.exit_code))
    });
    let fits = |code: i32| match requirement.operator.as_str() {
        "In" => requirement.values.contains(&code),
        "NotIn" => !requirement.values.contains(&code),
        _ => false,
    };
    ended.find(|(_, code)| *code != 0 && fits(*code))
}

fn condition<'a>(patterns: &[PodFailurePolicyOnPodConditionsPattern], pod: &'a Pod) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let fits = |pattern: &PodFailurePolicyOnPodConditionsPattern, condition: &PodCondition| {
        pattern.type_ == condition.type_ && pattern.status.as_deref().unwrap_or("True") == condition.status
    };
    conditions.iter().find(|condition| patterns.iter().any(|pattern| fits(pattern, condition)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::object;

    fn pod(code: i64, condition: &str) -> Pod {
        let ended = |name: &str, code: i64| json!({ "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { "terminated": { "exitCode": code } } });
        object(json!({
            "metadata": { "name": "pi-0", "namespace": "default" },
            "status": { "phase": "Failed", "containerStatuses": [ended("side", 0), ended("main", code)], "conditions": [{ "type": condition, "status": "True" }] },
        }))
    }

    #[test]
    fn the_first_rule_that_fits_says_what_becomes_of_a_failure() {
        let codes = |action: &str, operator: &str, values: Value, container: Value| json!({ "action": action, "onExitCodes": { "operator": operator, "values": values, "containerName": container } });
        let disrupted = |action: &str| json!({ "action": action, "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] });
        let message = |text: &str| Verdict::FailJob(text.to_owned());
        for (rules, code, expected) in [
            (json!([]), 1, Verdict::Count),
            (json!([codes("Ignore", "In", json!([1, 2]), json!(null))]), 2, Verdict::Ignore),
            (json!([codes("Ignore", "In", json!([1, 2]), json!(null))]), 3, Verdict::Count),
            (json!([codes("Ignore", "In", json!([1]), json!("side"))]), 1, Verdict::Count),
            (json!([codes("FailIndex", "NotIn", json!([1]), json!("main"))]), 7, Verdict::FailIndex),
            (
                json!([disrupted("Ignore"), codes("FailJob", "In", json!([42]), json!(null))]),
                42,
                message(
                    "Container main for pod default/pi-0 failed with exit code 42 matching FailJob rule at index 1",
                ),
            ),
            (json!([codes("FailIndex", "NotIn", json!([5]), json!(null))]), 0, Verdict::Count),
        ] {
            let policy: PodFailurePolicy = object(json!({ "rules": rules.clone() }));
            assert_eq!(verdict(Some(&policy), &pod(code, "Ready")), expected, "{rules} {code}");
        }
        let policy: PodFailurePolicy = object(json!({ "rules": [disrupted("FailJob")] }));
        let expected = "Pod default/pi-0 has condition DisruptionTarget matching FailJob rule at index 0";
        assert_eq!(verdict(Some(&policy), &pod(1, "DisruptionTarget")), message(expected));
    }
}
