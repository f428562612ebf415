//! What a pod may use as a whole, from what its containers ask for: `PodRequests` and `PodLimits`
//! (staging/src/k8s.io/component-helpers/resource/helpers.go), put together as `ResourceConfigForPod` (pkg/kubelet/cm/helpers_linux.go).

use std::collections::BTreeMap;

use sampan_api::k8s::api::core::v1::{Container, Pod};
use sampan_api::k8s::apimachinery::pkg::api::resource::Quantity;
use sampan_runtime::{PodResources, ServiceClass};

use super::facts;
use crate::environment::fields;

/// Requests or limits of a container.
type Of = fn(&Container) -> Option<&BTreeMap<String, Quantity>>;

pub(crate) fn resources(pod: &Pod) -> PodResources {
    let class = match facts::qos_class(pod) {
        "Guaranteed" => ServiceClass::Guaranteed,
        "Burstable" => ServiceClass::Burstable,
        _ => ServiceClass::BestEffort,
    };
    let overhead = |name: &str| amount(facts::spec(pod).and_then(|spec| spec.overhead.as_ref()), name).unwrap_or(0);
    // A limit of the whole binds only where every container has one.
    let limit = |name: &str| Some(together(pod, limits, name)? + overhead(name));
    PodResources {
        class,
        cpu_request_millis: sum(pod, requests, "cpu") + overhead("cpu"),
        cpu_limit_millis: limit("cpu"),
        memory_limit_bytes: limit("memory").map(|millis| millis.div_ceil(1000)),
    }
}

fn limits(container: &Container) -> Option<&BTreeMap<String, Quantity>> {
    container.resources.as_ref()?.limits.as_ref()
}

fn requests(container: &Container) -> Option<&BTreeMap<String, Quantity>> {
    container.resources.as_ref()?.requests.as_ref()
}

/// In thousandths.
fn amount(amounts: Option<&BTreeMap<String, Quantity>>, name: &str) -> Option<u64> {
    fields::millis(amounts?.get(name))
}

/// `None` unless every container says.
fn together(pod: &Pod, of: Of, name: &str) -> Option<u64> {
    let all = facts::all_containers(pod).all(|container| amount(of(container), name).is_some());
    all.then(|| sum(pod, of, name))
}

/// What runs at a time at most: the containers proper beside all sidecars, or an init container beside the sidecars before it.
fn sum(pod: &Pod, of: Of, name: &str) -> u64 {
    let own = |container: &Container| amount(of(container), name).unwrap_or(0);
    let (mut sidecars, mut most) = (0_u64, 0);
    for container in facts::init_containers(pod) {
        let beside = sidecars.saturating_add(own(container));
        most = beside.max(most);
        if facts::is_sidecar(container) {
            sidecars = beside;
        }
    }
    let proper = facts::containers(pod).map(own).fold(sidecars, u64::saturating_add);
    proper.max(most)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;

    fn check(spec: Value, expect: Expect) {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).expect("a pod");
        let PodResources { class, cpu_request_millis, cpu_limit_millis, memory_limit_bytes } = resources(&pod);
        expect.assert_eq(&format!("{class:?} {cpu_request_millis}m of {cpu_limit_millis:?}, {memory_limit_bytes:?}"));
    }

    fn with(name: &str, requests: Value, limits: Value) -> Value {
        json!({"name": name, "resources": {"requests": requests, "limits": limits}})
    }

    #[test]
    fn what_runs_at_a_time_is_added_up() {
        let all = json!({"cpu": "500m", "memory": "64Mi"});
        check(
            json!({"containers": [with("a", all.clone(), all.clone()), with("b", all.clone(), all.clone())]}),
            expect!["Guaranteed 1000m of Some(1000), Some(134217728)"],
        );
        let mut sidecar = with("side", json!({"cpu": "100m"}), json!({}));
        sidecar["restartPolicy"] = json!("Always");
        let init = with("init", json!({"cpu": "2"}), json!({}));
        let main = with("main", json!({"cpu": "1"}), json!({}));
        check(
            json!({"initContainers": [sidecar, init], "containers": [main]}),
            expect!["Burstable 2100m of None, None"],
        );
    }

    #[test]
    fn a_limit_of_the_whole_needs_one_of_everybody() {
        let limited = with("a", json!({}), json!({"memory": "1Gi"}));
        check(json!({"containers": [limited, {"name": "b"}]}), expect!["Burstable 0m of None, None"]);
        check(json!({"containers": [{"name": "b"}]}), expect!["BestEffort 0m of None, None"]);
        let overhead = json!({"cpu": "10m", "memory": "1Mi"});
        let main = with("a", json!({"cpu": "1"}), json!({"cpu": "2", "memory": "1Mi"}));
        check(
            json!({"overhead": overhead, "containers": [main]}),
            expect!["Burstable 1010m of Some(2010), Some(2097152)"],
        );
    }
}
