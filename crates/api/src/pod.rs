//! Small questions about pods, answered once.

use crate::k8s::api::core::v1::{ContainerStatus, Pod, PodCondition};

/// `status.phase`; empty when unset.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

/// Whether every container has ended for good: the phase is `Succeeded` or `Failed`.
pub fn is_terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether deletion has begun.
pub fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether the pod runs or is going to: neither ended nor being deleted (upstream's `IsPodActive`).
pub fn is_active(pod: &Pod) -> bool {
    !is_terminal(pod) && !is_terminating(pod)
}

/// The condition of this type.
pub fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition `Ready` is `True`.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// Whether the pod has been ready for `min_ready_seconds` at `now` (upstream's `IsPodAvailable`).
pub fn is_available(pod: &Pod, min_ready_seconds: i64, now: crate::k8s::jiff::Timestamp) -> bool {
    let Some(ready) = condition(pod, "Ready").filter(|ready| ready.status == "True") else { return false };
    if min_ready_seconds == 0 {
        return true;
    }
    let since = ready.last_transition_time.as_ref().map(|time| time.0);
    since.is_some_and(|since| now.as_second() - since.as_second() >= min_ready_seconds)
}

/// The node the pod is bound to.
pub fn node_name(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// The status of a container or init container by name.
pub fn container_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    lists.into_iter().flatten().flatten().find(|status| status.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_pod_without_status_is_active_and_not_ready() {
        let pod = pod(json!({"metadata": {"name": "a"}}));
        assert!(is_active(&pod) && !is_ready(&pod) && !is_terminal(&pod));
        assert_eq!((phase(&pod), node_name(&pod)), ("", None));
    }

    #[test]
    fn availability_counts_from_the_moment_the_pod_became_ready() {
        let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"});
        let pod = pod(json!({"metadata": {}, "status": {"conditions": [ready]}}));
        let at = |text: &str| text.parse().unwrap();
        assert!(is_ready(&pod));
        assert!(is_available(&pod, 0, at("2026-01-02T03:04:05Z")));
        assert!(!is_available(&pod, 10, at("2026-01-02T03:04:14Z")));
        assert!(is_available(&pod, 10, at("2026-01-02T03:04:15Z")));
    }

    #[test]
    fn an_ended_or_deleted_pod_is_not_active() {
        assert!(!is_active(&pod(json!({"metadata": {}, "status": {"phase": "Failed"}}))));
        assert!(!is_active(&pod(json!({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}}))));
    }

    #[test]
    fn container_statuses_are_found_in_every_list() {
        let status = |name: &str| json!({"name": name, "image": "i", "imageID": "", "ready": true, "restartCount": 0});
        let pod = pod(
            json!({"metadata": {}, "status": {"containerStatuses": [status("a")], "initContainerStatuses": [status("b")]}}),
        );
        assert!(container_status(&pod, "a").is_some() && container_status(&pod, "b").is_some());
        assert!(container_status(&pod, "c").is_none());
    }
}
