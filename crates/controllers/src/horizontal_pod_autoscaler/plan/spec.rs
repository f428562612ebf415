//! The metrics a spec names, read once.

use sampan_meta::{Quantity, object};
use serde_json::Value;

/// What a metric is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Percent of what the pods request.
    Utilization(i64),
    /// So much for each pod, in thousandths.
    Average(i64),
    /// So much altogether, in thousandths.
    Value(i64),
}

/// One metric of a spec.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Metric {
    /// Of the pods, or of one container of each.
    Resource { name: String, container: Option<String>, goal: Goal },
    /// A custom metric of each pod.
    Pods { name: String, selector: Value, goal: Goal },
    /// A custom metric of another object.
    Object { name: String, selector: Value, described: Value, goal: Goal },
    /// A metric from outside of the cluster.
    External { name: String, selector: Value, goal: Goal },
    /// None of these.
    Unknown(String),
}

/// The metrics of an autoscaler's spec. What lacks a goal, which validation does not let in, is unknown.
pub(crate) fn metrics(spec: &Value) -> Vec<Metric> {
    object::list_at(spec, "/metrics").iter().map(metric).collect()
}

fn metric(spec: &Value) -> Metric {
    let type_ = object::str_at(spec, "/type").unwrap_or_default();
    read(type_, spec).unwrap_or_else(|| Metric::Unknown(type_.to_owned()))
}

fn read(type_: &str, spec: &Value) -> Option<Metric> {
    let text = |source: &Value, pointer: &str| object::str_at(source, pointer).map(str::to_owned);
    let named = |source: &Value| {
        let selector = source.pointer("/metric/selector").cloned().unwrap_or_default();
        Some((text(source, "/metric/name")?, selector, goal(source)?))
    };
    Some(match type_ {
        "Resource" => {
            let source = spec.get("resource")?;
            Metric::Resource { name: text(source, "/name")?, container: None, goal: goal(source)? }
        }
        "ContainerResource" => {
            let source = spec.get("containerResource")?;
            let container = Some(text(source, "/container")?);
            Metric::Resource { name: text(source, "/name")?, container, goal: goal(source)? }
        }
        "Pods" => {
            let (name, selector, goal) = named(spec.get("pods")?)?;
            Metric::Pods { name, selector, goal }
        }
        "Object" => {
            let source = spec.get("object")?;
            let (name, selector, goal) = named(source)?;
            Metric::Object { name, selector, described: source.get("describedObject")?.clone(), goal }
        }
        "External" => {
            let (name, selector, goal) = named(spec.get("external")?)?;
            Metric::External { name, selector, goal }
        }
        _ => return None,
    })
}

fn goal(source: &Value) -> Option<Goal> {
    let target = source.get("target")?;
    let amount = |name: &str| {
        let text = target.get(name)?.as_str()?;
        i64::try_from(Quantity::parse(text).ok()?.milli()).ok()
    };
    let percent = target.get("averageUtilization").and_then(Value::as_i64);
    amount("averageValue")
        .map(Goal::Average)
        .or_else(|| percent.map(Goal::Utilization))
        .or_else(|| amount("value").map(Goal::Value))
}
