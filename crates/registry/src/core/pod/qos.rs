//! The quality of service a pod's resources earn it. Upstream: `pkg/apis/core/v1/helper/qos`.

use sampan_meta::{Quantity, object};
use serde_json::{Map, Value};

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub(super) fn class(pod: &Value) -> String {
    let containers = || {
        let all = object::list_at(pod, "/spec/containers").iter();
        all.chain(object::list_at(pod, "/spec/initContainers"))
    };
    let any = containers()
        .any(|container| !amounts(container, "requests").is_empty() || !amounts(container, "limits").is_empty());
    let class = match () {
        () if !any => "BestEffort",
        () if containers().all(is_guaranteed) => "Guaranteed",
        () => "Burstable",
    };
    class.to_owned()
}

/// CPU and memory are both limited, and what is requested is the limit.
fn is_guaranteed(container: &Value) -> bool {
    let (requests, limits) = (amounts(container, "requests"), amounts(container, "limits"));
    let limited = ["cpu", "memory"].iter().all(|name| limits.iter().any(|(limited, _)| limited == name));
    limited
        && requests
            .iter()
            .all(|(name, request)| limits.iter().any(|(limited, limit)| limited == name && limit == request))
}

/// CPU and memory of one list, as far as they are more than nothing.
fn amounts<'a>(container: &'a Value, list: &str) -> Vec<(&'a str, i128)> {
    let resources = container.get("resources").and_then(|resources| resources.get(list));
    let entries = resources.and_then(Value::as_object).into_iter().flat_map(Map::iter);
    let of_note = entries.filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"));
    let parsed =
        of_note.filter_map(|(name, amount)| Some((name.as_str(), Quantity::parse(amount.as_str()?).ok()?.milli())));
    parsed.filter(|(_, amount)| *amount > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_class_follows_from_requests_and_limits() {
        let pod = |resources: Value| json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
        for (resources, expected) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "0"}}), "BestEffort"),
            (json!({"requests": {"cpu": "100m"}}), "Burstable"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
            (
                json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}),
                "Guaranteed",
            ),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Mi"}}), "Burstable"),
        ] {
            assert_eq!(class(&pod(resources.clone())), expected, "{resources}");
        }
    }
}
