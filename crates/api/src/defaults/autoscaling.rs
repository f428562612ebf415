//! Autoscalers (`pkg/apis/autoscaling/{v1,v2}/defaults.go`).

use super::fill::{Members, if_absent, if_zero, object};
use serde_json::{Value, json};

/// Percent of what the pods ask for.
const CPU_UTILIZATION: i64 = 80;

pub(super) fn horizontal_pod_autoscaler(autoscaler: &mut Members) {
    let Some(spec) = object(autoscaler, "spec") else { return };
    if_absent(spec, "minReplicas", 1);
    if_zero(
        spec,
        "metrics",
        json!([{"type": "Resource", "resource": {"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": CPU_UTILIZATION}}}]),
    );
    let Some(behavior) = spec.get_mut("behavior").and_then(Value::as_object_mut) else { return };
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    if let Some(up) = object(behavior, "scaleUp") {
        if_absent(up, "stabilizationWindowSeconds", 0);
        if_absent(up, "selectPolicy", "Max");
        if_absent(up, "policies", json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, percent.clone()]));
    }
    if let Some(down) = object(behavior, "scaleDown") {
        if_absent(down, "selectPolicy", "Max");
        if_absent(down, "policies", json!([percent]));
    }
}

/// The first version's; the CPU target it leaves out is filled in once the object is in the second's form.
pub(super) fn first_horizontal_pod_autoscaler(autoscaler: &mut Members) {
    if let Some(spec) = object(autoscaler, "spec") {
        if_absent(spec, "minReplicas", 1);
    }
}
