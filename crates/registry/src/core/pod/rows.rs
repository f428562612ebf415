//! `kubectl get pods`. Upstream: `printPod`.

use jiff::Timestamp;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::time::age;
use serde_json::Value;

use crate::cell;
use crate::conditions;

pub(super) fn columns() -> Vec<Column> {
    let text = cell::text_column;
    vec![
        Column::name(),
        text("Ready", "How many of its containers are ready for traffic."),
        text("Status", "The state of its containers, in one word."),
        text("Restarts", "How often its containers were started again, and when last."),
        cell::age_column(),
        text("IP", "Address of the pod.").wide(),
        text("Node", "Node it runs on.").wide(),
        text("Nominated Node", "Node that makes room for it.").wide(),
        text("Readiness Gates", "How many further conditions for its readiness hold.").wide(),
    ]
}

pub(super) fn row(pod: &Value, now: Timestamp) -> Vec<Cell> {
    let mut summary = Summary::of(pod);
    if !summary.look_at_init_containers(pod) || is_true(pod, "Initialized") {
        summary.look_at_containers(pod);
    }
    let ip = object::str_at(pod, "/status/podIPs/0/ip").or_else(|| object::str_at(pod, "/status/podIP"));
    vec![
        cell::name(pod),
        format!("{}/{}", summary.ready, summary.total).into(),
        deletion_reason(pod).unwrap_or(&summary.reason).into(),
        summary.restarts(now).into(),
        cell::age(pod, now),
        ip.unwrap_or(cell::NONE).into(),
        cell::text(pod, "/spec/nodeName", cell::NONE),
        cell::text(pod, "/status/nominatedNodeName", cell::NONE),
        readiness_gates(pod).into(),
    ]
}

/// What the loops over container statuses gather.
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Option<Timestamp>,
    /// The same of sidecars alone, which count on once the pod is initialized.
    sidecar_restarts: i64,
    last_sidecar_restart: Option<Timestamp>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let text = |pointer| object::str_at(pod, pointer);
        let mut reason = text("/status/reason").or_else(|| text("/status/phase")).unwrap_or_default();
        let scheduled = conditions::get(pod, "PodScheduled");
        if scheduled.and_then(|condition| object::str_at(condition, "/reason")) == Some("SchedulingGated") {
            reason = "SchedulingGated";
        }
        let sidecars = object::list_at(pod, "/spec/initContainers").iter().filter(|container| is_sidecar(container));
        Self {
            ready: 0,
            total: object::list_at(pod, "/spec/containers").len() + sidecars.count(),
            reason: reason.to_owned(),
            restarts: 0,
            last_restart: None,
            sidecar_restarts: 0,
            last_sidecar_restart: None,
        }
    }

    /// Answers whether the pod is still initializing.
    fn look_at_init_containers(&mut self, pod: &Value) -> bool {
        let containers = object::list_at(pod, "/spec/initContainers");
        for (index, status) in object::list_at(pod, "/status/initContainerStatuses").iter().enumerate() {
            let sidecar =
                containers.iter().any(|container| container.get("name") == status.get("name") && is_sidecar(container));
            self.count_restarts(status, sidecar);
            if object::i64_at(status, "/state/terminated/exitCode") == Some(0) {
                continue;
            }
            if sidecar && object::bool_at(status, "/started") == Some(true) {
                self.ready += usize::from(object::bool_at(status, "/ready") == Some(true));
                continue;
            }
            let waiting = object::str_at(status, "/state/waiting/reason").filter(|reason| *reason != "PodInitializing");
            self.reason = match (ended_reason(status), waiting) {
                (Some(reason), _) => format!("Init:{reason}"),
                (None, Some(reason)) => format!("Init:{reason}"),
                (None, None) => format!("Init:{index}/{}", containers.len()),
            };
            return true;
        }
        false
    }

    fn look_at_containers(&mut self, pod: &Value) {
        self.restarts = self.sidecar_restarts;
        self.last_restart = self.last_sidecar_restart;
        let mut running = false;
        for status in object::list_at(pod, "/status/containerStatuses").iter().rev() {
            self.count_restarts(status, false);
            let waiting = object::str_at(status, "/state/waiting/reason").map(str::to_owned);
            if let Some(reason) = waiting.or_else(|| ended_reason(status)) {
                self.reason = reason;
            } else if object::bool_at(status, "/ready") == Some(true) && status.pointer("/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let reason = if is_true(pod, "Ready") { "Running" } else { "NotReady" };
            reason.clone_into(&mut self.reason);
        }
    }

    fn count_restarts(&mut self, status: &Value, sidecar: bool) {
        let restarts = cell::number(status, "/restartCount");
        let ended = object::time_at(status, "/lastState/terminated/finishedAt");
        self.restarts += restarts;
        self.last_restart = self.last_restart.max(ended);
        if sidecar {
            self.sidecar_restarts += restarts;
            self.last_sidecar_restart = self.last_sidecar_restart.max(ended);
        }
    }

    fn restarts(&self, now: Timestamp) -> String {
        match self.last_restart.filter(|_| self.restarts != 0) {
            Some(last) => format!("{} ({} ago)", self.restarts, age(last, now)),
            None => self.restarts.to_string(),
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    object::str_at(container, "/restartPolicy") == Some("Always")
}

fn is_true(pod: &Value, condition: &str) -> bool {
    let status = conditions::get(pod, condition).and_then(|condition| object::str_at(condition, "/status"));
    status == Some("True")
}

/// Why a container that has ended did: its reason, its signal or its exit code.
fn ended_reason(status: &Value) -> Option<String> {
    let ended = status.pointer("/state/terminated").filter(|ended| ended.is_object())?;
    if let Some(reason) = object::str_at(ended, "/reason") {
        return Some(reason.to_owned());
    }
    Some(match cell::number(ended, "/signal") {
        0 => format!("ExitCode:{}", cell::number(ended, "/exitCode")),
        signal => format!("Signal:{signal}"),
    })
}

fn deletion_reason(pod: &Value) -> Option<&'static str> {
    object::deletion_timestamp(pod)?;
    if object::str_at(pod, "/status/reason") == Some("NodeLost") {
        return Some("Unknown");
    }
    let ended = matches!(object::str_at(pod, "/status/phase"), Some("Succeeded" | "Failed"));
    (!ended).then_some("Terminating")
}

fn readiness_gates(pod: &Value) -> String {
    let gates = object::list_at(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return cell::NONE.to_owned();
    }
    let holds = |gate: &&Value| object::str_at(gate, "/conditionType").is_some_and(|type_| is_true(pod, type_));
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}
