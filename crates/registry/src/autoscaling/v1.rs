//! `autoscaling/v1`: an autoscaler that knows the CPU alone. What else there is travels in annotations, so that a client of this
//! version loses nothing. Upstream: `pkg/apis/autoscaling/v1/conversion.go`.

mod annotations;
mod metrics;

use std::sync::LazyLock;

use sampan_meta::object;
use serde_json::{Value, json};

use crate::shape::Shape;
use crate::strategy::Names;
use crate::view::View;

const SPEC: &str = "targetCPUUtilizationPercentage";
const STATUS: &str = "currentCPUUtilizationPercentage";

/// The version `autoscaling/v1`.
pub(super) struct FirstVersion;

impl View for FirstVersion {
    fn names(&self) -> Names {
        let names = Names::new(
            ("autoscaling", "v1"),
            ("HorizontalPodAutoscaler", "HorizontalPodAutoscalerList"),
            ("horizontalpodautoscalers", "horizontalpodautoscaler"),
            "autoscaling.v1.HorizontalPodAutoscaler",
        );
        names.short(&["hpa"]).in_all()
    }

    fn stored(&self, mut object: Value) -> Value {
        let cpu = object::remove(&mut object, &["spec", SPEC]).filter(|target| !target.is_null());
        let current = object::remove(&mut object, &["status", STATUS]).filter(|current| !current.is_null());
        let cpu = cpu.map(|target| {
            json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}})
        });
        let others = annotations::take_list(&mut object, annotations::METRICS);
        let metrics: Vec<Value> = cpu.into_iter().chain(others.iter().flatten().map(metrics::spec_to_second)).collect();
        if !metrics.is_empty() {
            object::set(&mut object, &["spec", "metrics"], metrics.into());
        }
        let current = current.map(|current| {
            json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": current}}})
        });
        // What the annotation says holds more than the one number does.
        let currents = match annotations::take_list(&mut object, annotations::CURRENT_METRICS) {
            Some(list) => list.iter().map(metrics::status_to_second).collect(),
            None => current.into_iter().collect::<Vec<Value>>(),
        };
        if !currents.is_empty() {
            object::set(&mut object, &["status", "currentMetrics"], currents.into());
        }
        if let Some(conditions) = annotations::take_list(&mut object, annotations::CONDITIONS) {
            object::set(&mut object, &["status", "conditions"], conditions.into());
        }
        if let Some(behavior) = annotations::take_behavior(&mut object) {
            object::set(&mut object, &["spec", "behavior"], behavior);
        }
        annotations::tidy(&mut object);
        object["apiVersion"] = "autoscaling/v2".into();
        object
    }

    fn served(&self, mut object: Value) -> Value {
        annotations::drop_all(&mut object);
        let list = |value: Option<Value>| value.and_then(|value| value.as_array().cloned()).unwrap_or_default();
        let metrics = list(object::remove(&mut object, &["spec", "metrics"]));
        let currents = list(object::remove(&mut object, &["status", "currentMetrics"]));
        let conditions = list(object::remove(&mut object, &["status", "conditions"]));
        let behavior = object::remove(&mut object, &["spec", "behavior"]).filter(Value::is_object);
        if let Some(target) = metrics.iter().find_map(|metric| cpu(metric, "/resource/target/averageUtilization")) {
            object::set(&mut object, &["spec", SPEC], target.clone());
        }
        if let Some(current) = currents.iter().find_map(|metric| cpu(metric, "/resource/current/averageUtilization")) {
            object::set(&mut object, &["status", STATUS], current.clone());
        }
        let mut shown = false;
        let others = metrics.iter().filter(|metric| {
            // One target is said in the spec itself; a second one for the CPU would be lost.
            let said = cpu(metric, "/resource/target/averageUtilization").is_some() && !shown;
            shown |= said;
            !said
        });
        annotations::put_list(&mut object, annotations::METRICS, others.map(metrics::spec_to_first).collect());
        let currents = currents.iter().map(metrics::status_to_first).collect();
        annotations::put_list(&mut object, annotations::CURRENT_METRICS, currents);
        annotations::put_list(&mut object, annotations::CONDITIONS, conditions);
        if let Some(behavior) = behavior {
            annotations::put_behavior(&mut object, &behavior);
        }
        object["apiVersion"] = "autoscaling/v1".into();
        object
    }

    fn shape(&self) -> &'static Shape {
        static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
            let names = FirstVersion.names();
            Shape::bare("autoscaling/v1".to_owned(), names.kind, names.type_name)
        });
        &SHAPE
    }
}

/// The utilization of the CPU, if the metric is about that.
fn cpu<'a>(metric: &'a Value, pointer: &str) -> Option<&'a Value> {
    let about =
        object::str_at(metric, "/type") == Some("Resource") && object::str_at(metric, "/resource/name") == Some("cpu");
    metric.pointer(pointer).filter(|value| about && value.is_number())
}

#[cfg(test)]
mod tests;
