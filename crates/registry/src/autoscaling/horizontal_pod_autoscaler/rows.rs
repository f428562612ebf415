//! The row of an autoscaler. Upstream: `printHorizontalPodAutoscaler`, `formatHPAMetrics`.

use jiff::Timestamp;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;

/// How many metrics a row shows.
const SHOWN: usize = 2;
const UNKNOWN: &str = "<unknown>";

pub(super) fn columns() -> Vec<Column> {
    let text = cell::text_column;
    vec![
        Column::name(),
        text("Reference", "What it scales."),
        text("Targets", "What it looks at: the current and the wanted value."),
        text("MinPods", "The fewest pods it sets."),
        text("MaxPods", "The most pods it sets."),
        text("Replicas", "How many pods there are."),
        cell::age_column(),
    ]
}

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Cell> {
    let text = |pointer| object::str_at(object, pointer).unwrap_or_default();
    let reference = format!("{}/{}", text("/spec/scaleTargetRef/kind"), text("/spec/scaleTargetRef/name"));
    let min = object::i64_at(object, "/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), |min| min.to_string());
    vec![
        cell::name(object),
        reference.into(),
        targets(object).into(),
        min.into(),
        cell::number(object, "/spec/maxReplicas").into(),
        cell::number(object, "/status/currentReplicas").into(),
        cell::age(object, now),
    ]
}

fn targets(object: &Value) -> String {
    let metrics = object::list_at(object, "/spec/metrics");
    let statuses = object::list_at(object, "/status/currentMetrics");
    if metrics.is_empty() {
        return cell::NONE.to_owned();
    }
    let shown = metrics.iter().take(SHOWN).enumerate().map(|(index, metric)| target(metric, statuses.get(index)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match metrics.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

fn target(metric: &Value, status: Option<&Value>) -> String {
    let type_ = object::str_at(metric, "/type").unwrap_or_default();
    let member = match type_ {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let wanted = |name: &str| amount(metric.pointer(&format!("/{member}/target/{name}")));
    let current = |name: &str| {
        let value = status.and_then(|status| status.pointer(&format!("/{member}/current/{name}")));
        amount(value).unwrap_or_else(|| UNKNOWN.to_owned())
    };
    let average = wanted("averageValue").map(|wanted| format!("{}/{wanted}", current("averageValue")));
    match (member, average) {
        ("external" | "object", Some(average)) => format!("{average} (avg)"),
        ("external" | "object", None) => format!("{}/{}", current("value"), wanted("value").unwrap_or_default()),
        ("pods", average) => average.unwrap_or_default(),
        (_, average) => {
            let name = object::str_at(metric, &format!("/{member}/name")).unwrap_or_default();
            format!("{name}: {}", average.unwrap_or_else(|| utilization(&wanted, &current)))
        }
    }
}

fn utilization(wanted: &dyn Fn(&str) -> Option<String>, current: &dyn Fn(&str) -> String) -> String {
    let now = match current("averageUtilization") {
        now if now == UNKNOWN => now,
        now => format!("{now}%"),
    };
    let wanted = wanted("averageUtilization").map_or_else(|| "<auto>".to_owned(), |wanted| format!("{wanted}%"));
    format!("{now}/{wanted}")
}

fn amount(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
