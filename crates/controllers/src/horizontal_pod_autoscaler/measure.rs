//! One metric: asked for, compared, and said in the status. Upstream: the `computeStatusFor…Metric` of
//! `pkg/controller/podautoscaler/horizontal.go`.

use sampan_meta::{Format, Quantity, object};
use serde_json::{Value, json};

use super::plan::{Calculator, Goal, Measured, Metric, Proposal, Unmeasured};
use super::source::Source;

/// Where metrics are looked for.
pub(super) struct Place<'a> {
    pub(super) source: &'a Source,
    pub(super) namespace: &'a str,
    /// Of the target's pods.
    pub(super) selector: &'a str,
}

type Result<T> = std::result::Result<T, Unmeasured>;

pub(super) async fn measure(
    metric: &Metric,
    spec: &Value,
    place: &Place<'_>,
    calculator: &Calculator<'_>,
) -> Result<Proposal> {
    match metric {
        Metric::Resource { name, container, goal } => {
            resource(name, container.as_deref(), *goal, place, calculator).await
        }
        Metric::Pods { name, selector, goal } => pods(name, selector, *goal, spec, place, calculator).await,
        Metric::Object { name, selector, described, goal } => {
            object_metric(name, selector, described, *goal, spec, place, calculator).await
        }
        Metric::External { name, selector, goal } => external(name, selector, *goal, spec, place, calculator).await,
        Metric::Unknown(type_) => {
            let message = format!("unknown metric source type {type_:?}");
            Err(Unmeasured { reason: "InvalidMetricSourceType", message })
        }
    }
}

async fn resource(
    name: &str,
    container: Option<&str>,
    goal: Goal,
    place: &Place<'_>,
    calculator: &Calculator<'_>,
) -> Result<Proposal> {
    let (reason, type_, member) = match container {
        None => ("FailedGetResourceMetric", "Resource", "resource"),
        Some(_) => ("FailedGetContainerResourceMetric", "ContainerResource", "containerResource"),
    };
    let what = if matches!(goal, Goal::Utilization(_)) { "utilization" } else { "usage" };
    let failed = |why: String| Unmeasured { reason, message: format!("failed to get {name} {what}: {why}") };
    let samples = place.source.resource(place.namespace, place.selector, name, container).await.map_err(failed)?;
    let measured = match goal {
        Goal::Utilization(goal) => calculator.by_utilization(samples, goal, name, container),
        Goal::Average(goal) | Goal::Value(goal) => calculator.by_average(samples, goal, name),
    };
    let Measured { replicas, utilization, average } = measured.map_err(failed)?;
    let mut current = json!({ "averageValue": amount(average) });
    let mut called = match container {
        None => format!("{name} resource"),
        Some(container) => format!("{name} container resource of container {container}"),
    };
    if let Some(utilization) = utilization {
        current["averageUtilization"] = json!(utilization);
        called.push_str(" utilization (percentage of request)");
    }
    let mut status = json!({ "name": name, "current": current });
    if let Some(container) = container {
        status["container"] = json!(container);
    }
    Ok(Proposal { replicas, name: called, status: json!({ "type": type_, member: status }) })
}

async fn pods(
    name: &str,
    selector: &Value,
    goal: Goal,
    spec: &Value,
    place: &Place<'_>,
    calculator: &Calculator<'_>,
) -> Result<Proposal> {
    let failed = |why: String| Unmeasured {
        reason: "FailedGetPodsMetric",
        message: format!("failed to get pods metric value: {why}"),
    };
    let selector = text(selector).map_err(failed)?;
    let samples = place.source.pods(place.namespace, place.selector, name, &selector).await.map_err(failed)?;
    let (Goal::Average(goal) | Goal::Value(goal) | Goal::Utilization(goal)) = goal;
    let Measured { replicas, average, .. } = calculator.by_average(samples, goal, "").map_err(failed)?;
    let current = json!({ "averageValue": amount(average) });
    let status = json!({ "metric": spec.pointer("/pods/metric"), "current": current });
    Ok(Proposal { replicas, name: format!("pods metric {name}"), status: json!({ "type": "Pods", "pods": status }) })
}

async fn object_metric(
    name: &str,
    selector: &Value,
    described: &Value,
    goal: Goal,
    spec: &Value,
    place: &Place<'_>,
    calculator: &Calculator<'_>,
) -> Result<Proposal> {
    let failed = |why: String| Unmeasured {
        reason: "FailedGetObjectMetric",
        message: format!("failed to get object metric value: {why}"),
    };
    let selector = text(selector).map_err(failed)?;
    let (kind, object) = (
        object::str_at(described, "/kind").unwrap_or_default(),
        object::str_at(described, "/name").unwrap_or_default(),
    );
    let resource = plural(described, kind);
    let usage = place.source.object(place.namespace, (&resource, object), name, &selector).await.map_err(failed)?;
    let (replicas, current) = total(usage, goal, calculator).map_err(failed)?;
    let status = json!({ "metric": spec.pointer("/object/metric"), "describedObject": described, "current": current });
    Ok(Proposal {
        replicas,
        name: format!("{kind} metric {name}"),
        status: json!({ "type": "Object", "object": status }),
    })
}

async fn external(
    name: &str,
    selector: &Value,
    goal: Goal,
    spec: &Value,
    place: &Place<'_>,
    calculator: &Calculator<'_>,
) -> Result<Proposal> {
    let failed = |why: String| Unmeasured {
        reason: "FailedGetExternalMetric",
        message: format!("failed to get {name} external metric value: {why}"),
    };
    let labels = text(selector).map_err(failed)?;
    let usage = place.source.external(place.namespace, name, &labels).await.map_err(failed)?;
    let (replicas, current) = total(usage, goal, calculator).map_err(failed)?;
    let status = json!({ "metric": spec.pointer("/external/metric"), "current": current });
    let called = format!("external metric {name}({labels})");
    Ok(Proposal { replicas, name: called, status: json!({ "type": "External", "external": status }) })
}

/// By a value of all replicas together.
fn total(usage: i64, goal: Goal, calculator: &Calculator<'_>) -> std::result::Result<(i32, Value), String> {
    match goal {
        Goal::Average(goal) => {
            let (replicas, share) = calculator.by_share(usage, goal);
            Ok((replicas, json!({ "averageValue": amount(share) })))
        }
        Goal::Value(goal) | Goal::Utilization(goal) => {
            Ok((calculator.by_value(usage, goal)?, json!({ "value": amount(usage) })))
        }
    }
}

/// A whole number where it is one.
fn amount(milli: i64) -> String {
    let quantity = if milli % 1000 == 0 {
        Quantity::from_value(milli / 1000, Format::DecimalSi)
    } else {
        Quantity::from_milli(milli)
    };
    quantity.to_string()
}

/// A label selector as a query has it; none selects everything.
fn text(selector: &Value) -> std::result::Result<String, String> {
    if selector.is_null() {
        return Ok(String::new());
    }
    let selector = sampan_meta::selector::LabelSelector::from_json(selector);
    selector.map(|selector| selector.to_string()).map_err(|problem| problem.to_string())
}

/// `ingresses.networking.k8s.io`: the plural a kind has in all of Kubernetes' own groups.
fn plural(described: &Value, kind: &str) -> String {
    let lower = kind.to_lowercase();
    let plural = match lower.as_bytes() {
        [.., b's' | b'x'] => format!("{lower}es"),
        [.., b'c' | b'g' | b't', b'y'] => format!("{}ies", &lower[..lower.len() - 1]),
        _ => format!("{lower}s"),
    };
    match object::str_at(described, "/apiVersion").and_then(|version| version.split_once('/')) {
        Some((group, _)) => format!("{plural}.{group}"),
        None => plural,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_by_the_plural_of_its_kind() {
        let check = |version: &str, kind: &str, expected: &str| {
            assert_eq!(plural(&json!({ "apiVersion": version }), kind), expected);
        };
        check("v1", "Service", "services");
        check("networking.k8s.io/v1", "Ingress", "ingresses.networking.k8s.io");
        check("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies.networking.k8s.io");
        check("gateway.networking.k8s.io/v1", "Gateway", "gateways.gateway.networking.k8s.io");
    }
}
