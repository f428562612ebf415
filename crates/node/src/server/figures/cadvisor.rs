//! `/metrics/cadvisor`: the same figures in the names cAdvisor gives them (its `metrics/prometheus.go`), for dashboards made for those.

use axum::extract::State;
use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Container as Spec;
use sampan_meta::Quantity;

use super::page::{Page, Sample, seconds};
use super::{Container, Pod, Server, pods};
use crate::pod::facts;
use crate::usage::status;

/// One metric of containers: its name, its kind, what it says, and its value where there is one.
type Metric = (&'static str, &'static str, &'static str, Value);
type Value = fn(&Container, Option<&Spec>) -> Option<f64>;

/// Sorted by name. A limit that is not set is 0, as cAdvisor has it for memory; a CPU quota that is not set is left out.
const METRICS: [Metric; 8] = [
    ("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", |container, _| {
        Some(container.stats.cpu_usage.as_secs_f64())
    }),
    ("container_last_seen", "gauge", "Last time a container was seen by the exporter", |container, _| {
        Some(seconds(container.at).floor())
    }),
    (
        "container_memory_usage_bytes",
        "gauge",
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        |container, _| Some(container.stats.memory_bytes as f64),
    ),
    ("container_memory_working_set_bytes", "gauge", "Current working set in bytes.", |container, _| {
        Some(container.stats.memory_bytes as f64)
    }),
    ("container_spec_cpu_period", "gauge", "CPU period of the container.", |_, spec| {
        limit(spec, "cpu").map(|_| PERIOD)
    }),
    ("container_spec_cpu_quota", "gauge", "CPU quota of the container.", |_, spec| {
        limit(spec, "cpu").map(|cores| cores * PERIOD)
    }),
    ("container_spec_memory_limit_bytes", "gauge", "Memory limit for the container.", |_, spec| {
        Some(limit(spec, "memory").unwrap_or(0.0))
    }),
    (
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds.",
        |container, _| container.started.map(seconds),
    ),
];

/// The microseconds a CPU quota is counted over.
const PERIOD: f64 = 100_000.0;

pub(in crate::server) async fn metrics(State(server): State<Server>) -> Page {
    let pods = pods(&server).await;
    let mut page = Page::default();
    for (name, kind, help, value) in METRICS {
        page.head(name, kind, help);
        for pod in &pods {
            for container in &pod.containers {
                line(&mut page, &server, pod, container, (name, value));
            }
        }
    }
    let capacity = server.context.capacity;
    let one = Sample { labels: &[], at: None };
    page.head("machine_cpu_cores", "gauge", "Number of logical CPU cores.");
    page.line("machine_cpu_cores", &one, capacity.cpu_millis as f64 / 1000.0);
    page.head("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.");
    page.line("machine_memory_bytes", &one, capacity.memory_bytes);
    page
}

fn line(page: &mut Page, server: &Server, pod: &Pod, container: &Container, (name, value): (&str, Value)) {
    let spec = facts::container(&pod.view.pod, &container.name);
    let Some(value) = value(container, spec) else { return };
    let image = status(&pod.view, &container.name).map_or("", |status| &status.image);
    let handler = server.context.runtimes[container.runtime].handler();
    let id = format!("{handler}://{}", container.id);
    let all = [
        ("container", container.name.as_str()),
        ("cpu", "total"),
        ("id", &id),
        ("image", image),
        ("name", &container.id),
        ("namespace", facts::namespace(&pod.view.pod)),
        ("pod", facts::name(&pod.view.pod)),
    ];
    let labels: Vec<_> =
        all.into_iter().filter(|(label, _)| *label != "cpu" || name.starts_with("container_cpu_")).collect();
    let timed = |at: Timestamp| Some(at).filter(|_| !name.starts_with("container_spec_"));
    page.line(name, &Sample { labels: &labels, at: timed(container.at) }, value);
}

fn limit(spec: Option<&Spec>, resource: &str) -> Option<f64> {
    let limits = spec?.resources.as_ref()?.limits.as_ref()?;
    Quantity::parse(&limits.get(resource)?.0).ok().map(|limit| limit.as_f64())
}
