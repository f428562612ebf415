//! `/stats/summary` in upstream's form (staging/src/k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go).

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use sampan_meta::time::format_time;
use sampan_runtime::ContainerStats;
use serde_json::{Value, json};

use super::{Container, Pod, Server, pods};
use crate::machine;
use crate::pod::facts;

pub(in crate::server) async fn summary(State(server): State<Server>) -> Response {
    let pods = pods(&server).await;
    let now = server.context.now();
    let pods: Vec<Value> = pods.iter().map(|found| pod(found, now)).collect();
    crate::server::json(&json!({ "node": node(&server, now), "pods": pods }))
}

fn pod(pod: &Pod, now: Timestamp) -> Value {
    let Pod { view, containers } = pod;
    let reference =
        json!({"name": facts::name(&view.pod), "namespace": facts::namespace(&view.pod), "uid": facts::uid(&view.pod)});
    let started = view.status.start_time.as_ref().map(|time| format_time(time.0));
    let total = pod.total();
    json!({
        "podRef": reference,
        "startTime": started,
        "containers": containers.iter().map(container).collect::<Vec<_>>(),
        "cpu": cpu(total, now),
        "memory": memory(total, now),
    })
}

fn container(container: &Container) -> Value {
    let Container { name, stats, at, started, .. } = container;
    json!({
        "name": name,
        "startTime": started.map(format_time),
        "cpu": cpu(*stats, *at),
        "memory": memory(*stats, *at),
    })
}

fn cpu(stats: ContainerStats, at: Timestamp) -> Value {
    let nanoseconds = u64::try_from(stats.cpu_usage.as_nanos()).unwrap_or(u64::MAX);
    json!({ "time": format_time(at), "usageCoreNanoSeconds": nanoseconds })
}

fn memory(stats: ContainerStats, at: Timestamp) -> Value {
    json!({ "time": format_time(at), "workingSetBytes": stats.memory_bytes, "usageBytes": stats.memory_bytes })
}

/// What of the machine could be read; the rest is left out.
fn node(server: &Server, now: Timestamp) -> Value {
    let time = format_time(now);
    let mut node = json!({ "nodeName": server.context.node_name });
    if let Ok((used, started)) = server.context.machine.cpu() {
        node["startTime"] = format_time(started).into();
        node["cpu"] = cpu(ContainerStats { cpu_usage: used, ..ContainerStats::default() }, now);
    }
    if let Ok(memory) = server.context.machine.memory() {
        node["memory"] = json!({
            "time": time,
            "availableBytes": memory.available(),
            "usageBytes": memory.used,
            "workingSetBytes": memory.working_set,
        });
    }
    if let Ok(found) = machine::file_system(&server.context.directories.pods()) {
        node["fs"] = json!({
            "time": time,
            "availableBytes": found.available,
            "capacityBytes": found.capacity,
            "usedBytes": found.used,
            "inodesFree": found.inodes_free,
            "inodes": found.inodes,
            "inodesUsed": found.inodes.saturating_sub(found.inodes_free),
        });
        node["runtime"] = json!({ "imageFs": node["fs"] });
    }
    if let Ok(processes) = server.context.machine.processes() {
        node["rlimit"] = json!({ "time": time, "maxpid": processes.most, "curproc": processes.running });
    }
    node
}
