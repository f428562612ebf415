//! `/metrics/resource`: CPU and memory of the node, its pods and their containers, in the kubelet's names
//! (pkg/kubelet/metrics/collectors/resource_metrics.go). Times are to the millisecond, so rates can be made of it.

use axum::extract::State;

use super::page::{Page, Sample, seconds};
use super::{Pod, Server, pods};
use crate::pod::facts;

pub(in crate::server) async fn metrics(State(server): State<Server>) -> Page {
    let pods = pods(&server).await;
    let mut page = Page::default();
    containers(&mut page, &pods);
    let failed = node(&mut page, &server).inspect_err(|error| tracing::warn!(%error, "the machine could not be read"));
    totals(&mut page, &pods);
    page.head(
        "resource_scrape_error",
        "gauge",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
    );
    page.line("resource_scrape_error", &Sample { labels: &[], at: None }, u8::from(failed.is_err()));
    page
}

fn containers(page: &mut Page, pods: &[Pod]) {
    let (cpu, memory, start) =
        ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_start_time_seconds");
    page.head(cpu, "counter", "[STABLE] Cumulative cpu time consumed by the container in core-seconds");
    each(pods, |labels, container| {
        let sample = Sample { labels, at: Some(container.at) };
        page.line(cpu, &sample, container.stats.cpu_usage.as_secs_f64());
    });
    page.head(memory, "gauge", "[STABLE] Current working set of the container in bytes");
    each(pods, |labels, container| {
        page.line(memory, &Sample { labels, at: Some(container.at) }, container.stats.memory_bytes);
    });
    page.head(start, "gauge", "[STABLE] Start time of the container since unix epoch in seconds");
    each(pods, |labels, container| {
        if let Some(started) = container.started {
            page.line(start, &Sample { labels, at: None }, seconds(started));
        }
    });
}

fn each(pods: &[Pod], mut tell: impl FnMut(&[(&str, &str)], &super::Container)) {
    for Pod { view, containers } in pods {
        let (namespace, pod) = (facts::namespace(&view.pod), facts::name(&view.pod));
        for container in containers {
            tell(&[("container", &container.name), ("namespace", namespace), ("pod", pod)], container);
        }
    }
}

fn node(page: &mut Page, server: &Server) -> std::io::Result<()> {
    let machine = &server.context.machine;
    let (cpu, memory) = (machine.cpu(), machine.memory());
    let sample = Sample { labels: &[], at: Some(server.context.now()) };
    page.head(
        "node_cpu_usage_seconds_total",
        "counter",
        "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
    );
    page.line("node_cpu_usage_seconds_total", &sample, cpu?.0.as_secs_f64());
    page.head("node_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the node in bytes");
    page.line("node_memory_working_set_bytes", &sample, memory?.working_set);
    Ok(())
}

fn totals(page: &mut Page, pods: &[Pod]) {
    let (cpu, memory) = ("pod_cpu_usage_seconds_total", "pod_memory_working_set_bytes");
    page.head(cpu, "counter", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds");
    each_pod(pods, |sample, pod| page.line(cpu, sample, pod.total().cpu_usage.as_secs_f64()));
    page.head(memory, "gauge", "[STABLE] Current working set of the pod in bytes");
    each_pod(pods, |sample, pod| page.line(memory, sample, pod.total().memory_bytes));
}

/// Those of which something runs.
fn each_pod(pods: &[Pod], mut tell: impl FnMut(&Sample<'_>, &Pod)) {
    for pod in pods {
        let Some(at) = pod.containers.iter().map(|container| container.at).max() else { continue };
        let labels = [("namespace", facts::namespace(&pod.view.pod)), ("pod", facts::name(&pod.view.pod))];
        tell(&Sample { labels: &labels, at: Some(at) }, pod);
    }
}
