//! `NodeMetrics` and `PodMetrics` as metrics-server writes them.

use std::time::Duration;

use jiff::Timestamp;
use sampan_meta::{Format, Quantity, object, time};
use serde_json::{Map, Value, json};

use super::reading::{Reading, Used};
use super::{GROUP, Kind};
use crate::encode::Include;

/// What a node uses.
pub(super) fn node(node: &Value, before: &Reading, latest: &Reading, now: Timestamp) -> Option<Value> {
    let used = latest.node.since(Some(&before.node))?;
    let mut document = head(node, &used, now);
    document["usage"] = usage(&used);
    Some(document)
}

/// What a pod's containers use; nothing of a pod as long as one of its containers has no rate, so that sums are not too small.
pub(super) fn pod(pod: &Value, before: &Reading, latest: &Reading, now: Timestamp) -> Option<Value> {
    let (namespace, name) = (object::namespace(pod), object::name(pod));
    let mut containers = Vec::new();
    for (container, figures) in latest.containers(namespace, name) {
        containers.push((container, figures.since(before.container(namespace, name, container))?));
    }
    let (_, oldest) = containers.iter().min_by_key(|(_, used)| used.at)?;
    let mut document = head(pod, oldest, now);
    let containers = containers.iter().map(|(name, used)| json!({ "name": name, "usage": usage(used) }));
    document["containers"] = containers.collect();
    Some(document)
}

fn head(object: &Value, used: &Used, now: Timestamp) -> Value {
    let mut metadata = json!({ "name": object::name(object), "creationTimestamp": time::format_time(now) });
    if !object::namespace(object).is_empty() {
        metadata["namespace"] = object::namespace(object).into();
    }
    if let Some(labels) = object::labels(object).filter(|labels| !labels.is_empty()) {
        metadata["labels"] = Value::Object(labels.clone());
    }
    json!({ "metadata": metadata, "timestamp": time::format_time(used.at), "window": go_duration(used.window) })
}

fn usage(used: &Used) -> Value {
    let cpu = format!("{}n", used.nanocores);
    let cpu = Quantity::canonicalize(&cpu).map_or_else(|_| cpu.clone(), std::borrow::Cow::into_owned);
    let memory = i64::try_from(used.memory_bytes).unwrap_or(i64::MAX);
    json!({ "cpu": cpu, "memory": Quantity::from_value(memory, Format::BinarySi).to_string() })
}

/// `15.021s`, `1m0s`: as Go writes durations of at least a second; to the millisecond.
fn go_duration(duration: Duration) -> String {
    let (minutes, milliseconds) = (duration.as_secs() / 60, duration.as_millis() % 60_000);
    let seconds = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.').to_owned();
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// One object with its kind and version.
pub(super) fn named(kind: &Kind, document: Value) -> Value {
    let mut named = json!({ "kind": kind.kind, "apiVersion": api_version() });
    if let (Some(named), Value::Object(members)) = (named.as_object_mut(), document) {
        named.extend(members);
    }
    named
}

/// All of them.
pub(super) fn list(kind: &Kind, items: Vec<Value>) -> Value {
    json!({ "kind": format!("{}List", kind.kind), "apiVersion": api_version(), "metadata": {}, "items": items })
}

fn api_version() -> String {
    format!("{}/{}", GROUP.0, GROUP.1)
}

/// What `kubectl get pods.metrics.k8s.io` prints, of a list or one object.
pub(super) fn table(document: Value, beta: bool, include: Include) -> Value {
    let items = match document.get("items") {
        Some(items) => items.as_array().cloned().unwrap_or_default(),
        None => vec![document],
    };
    let rows = items.into_iter().map(|item| row(item, include));
    json!({
        "kind": "Table",
        "apiVersion": if beta { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" },
        "metadata": {},
        "columnDefinitions": [
            column("Name", "name", "Name of the resource"),
            column("cpu", "quantity", ""),
            column("memory", "quantity", ""),
            column("Window", "duration", ""),
        ],
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn column(name: &str, format: &str, description: &str) -> Value {
    json!({ "name": name, "type": "string", "format": format, "description": description, "priority": 0 })
}

fn row(item: Value, include: Include) -> Value {
    let cells = json!([object::name(&item), sum(&item, "cpu"), sum(&item, "memory"), item["window"]]);
    let object = match include {
        Include::None => Value::Null,
        Include::Object => item,
        Include::Metadata => json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"],
        }),
    };
    json!({ "cells": cells, "object": object })
}

/// A node's usage, or the sum of a pod's containers'.
fn sum(item: &Value, resource: &str) -> String {
    let of = |usage: &Map<String, Value>| usage.get(resource)?.as_str().and_then(|text| Quantity::parse(text).ok());
    let containers = object::list_at(item, "/containers").iter().map(|container| &container["usage"]);
    let all = containers.chain(item.get("usage")).filter_map(Value::as_object);
    all.filter_map(of).sum::<Quantity>().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_written_as_go_writes_durations() {
        for (milliseconds, expected) in
            [(1000, "1s"), (15_021, "15.021s"), (60_000, "1m0s"), (61_500, "1m1.5s"), (3_600_000, "1h0m0s")]
        {
            assert_eq!(go_duration(Duration::from_millis(milliseconds)), expected);
        }
    }
}
