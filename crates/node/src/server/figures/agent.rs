//! `/metrics`: what the agent does.

use std::collections::BTreeMap;

use axum::extract::State;

use super::Server;
use super::page::{Page, Sample};

/// In the form Prometheus reads. Few names with few labels: how much there is does not depend on what pods are called.
pub(in crate::server) async fn metrics(State(server): State<Server>) -> Page {
    let views = server.workers.views();
    let running = views.iter().flat_map(|view| view.runs.values()).filter(|runs| runs.running.is_some()).count();
    let mut phases: BTreeMap<&str, usize> =
        ["Pending", "Running", "Succeeded", "Failed"].into_iter().map(|phase| (phase, 0)).collect();
    for view in &views {
        if let Some(count) = view.status.phase.as_deref().and_then(|phase| phases.get_mut(phase)) {
            *count += 1;
        }
    }
    let phases: Vec<_> = phases.into_iter().map(|(phase, count)| (Some(phase), count as u64)).collect();
    let mut page = Page::default();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(Option<&str>, u64)]| {
        page.head(name, kind, help);
        for (phase, value) in values {
            let labels: Vec<_> = phase.iter().map(|phase| ("phase", *phase)).collect();
            page.line(name, &Sample { labels: &labels, at: None }, value);
        }
    };
    metric("sampan_node_pods", "gauge", "Pods of this node by phase.", &phases);
    metric("kubelet_running_containers", "gauge", "Containers that run now.", &[(None, running as u64)]);
    metric(
        "sampan_node_status_writes_total",
        "counter",
        "Pod statuses written to the apiserver.",
        &[(None, server.context.status.written())],
    );
    metric(
        "sampan_node_events_dropped_total",
        "counter",
        "Events that found no room in the queue.",
        &[(None, server.context.recorder.dropped())],
    );
    page
}
