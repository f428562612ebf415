//! `/stats/summary` and `/metrics`: what pods use, and what the agent does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use futures::StreamExt;
use sampan_meta::time::format_time;
use sampan_runtime::ContainerStats;
use serde_json::{Value, json};

use super::Server;
use crate::pod::facts;
use crate::pod::workers::View;

/// Runtimes asked at the same time.
const AT_ONCE: usize = 16;

pub(super) async fn summary(State(server): State<Server>) -> Response {
    let now = format_time(server.context.now());
    let views = server.workers.views();
    let pods =
        futures::stream::iter(views).map(|view| pod(&server, view, &now)).buffered(AT_ONCE).collect::<Vec<_>>().await;
    super::json(&json!({"node": {"nodeName": server.context.node_name}, "pods": pods}))
}

async fn pod(server: &Server, view: Arc<View>, now: &str) -> Value {
    let mut containers = Vec::new();
    let mut total = ContainerStats::default();
    for (name, runs) in &view.runs {
        let Some((runtime, id)) = &runs.running else { continue };
        // One that ended meanwhile has no figures.
        let Ok(stats) = server.context.runtimes[*runtime].stats(id).await else { continue };
        total.cpu_usage += stats.cpu_usage;
        total.memory_bytes += stats.memory_bytes;
        containers.push(json!({"name": name, "cpu": cpu(stats, now), "memory": memory(stats, now)}));
    }
    let reference =
        json!({"name": facts::name(&view.pod), "namespace": facts::namespace(&view.pod), "uid": facts::uid(&view.pod)});
    let started = view.status.start_time.as_ref().map(|time| format_time(time.0));
    json!({"podRef": reference, "startTime": started, "containers": containers, "cpu": cpu(total, now), "memory": memory(total, now)})
}

fn cpu(stats: ContainerStats, now: &str) -> Value {
    json!({"time": now, "usageCoreNanoSeconds": u64::try_from(stats.cpu_usage.as_nanos()).unwrap_or(u64::MAX)})
}

fn memory(stats: ContainerStats, now: &str) -> Value {
    json!({"time": now, "workingSetBytes": stats.memory_bytes, "usageBytes": stats.memory_bytes})
}

/// In the form Prometheus reads. Few names with few labels: how much there is does not depend on what pods are called.
pub(super) async fn metrics(State(server): State<Server>) -> String {
    let views = server.workers.views();
    let running = views.iter().flat_map(|view| view.runs.values()).filter(|runs| runs.running.is_some()).count();
    let mut phases: BTreeMap<&str, usize> =
        ["Pending", "Running", "Succeeded", "Failed"].into_iter().map(|phase| (phase, 0)).collect();
    for view in &views {
        if let Some(count) = view.status.phase.as_deref().and_then(|phase| phases.get_mut(phase)) {
            *count += 1;
        }
    }
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _infallible = writeln!(text, "{name}{labels} {value}");
        }
    };
    let one = |value: u64| vec![(String::new(), value)];
    let phases: Vec<_> =
        phases.into_iter().map(|(phase, count)| (format!("{{phase=\"{phase}\"}}"), count as u64)).collect();
    metric("sampan_node_pods", "gauge", "Pods of this node by phase.", &phases);
    metric("kubelet_running_containers", "gauge", "Containers that run now.", &one(running as u64));
    metric(
        "sampan_node_status_writes_total",
        "counter",
        "Pod statuses written to the apiserver.",
        &one(server.context.status.written()),
    );
    metric(
        "sampan_node_events_dropped_total",
        "counter",
        "Events that found no room in the queue.",
        &one(server.context.recorder.dropped()),
    );
    text
}
