//! The pod's conditions, as pkg/kubelet/status/generate.go words them.

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, Pod, PodCondition, PodStatus};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

use super::whole_seconds;
use crate::pod::facts;
use crate::pod::state::{PodState, Step};

/// A condition before it has a time: type, whether it holds, why not, and what exactly.
struct Verdict {
    kind: &'static str,
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Verdict {
    fn new(kind: &'static str, holds: bool) -> Self {
        Self { kind, holds, reason: None, message: None }
    }

    fn because(kind: &'static str, holds: bool, reason: &'static str, message: Option<String>) -> Self {
        Self { kind, holds, reason: Some(reason), message }
    }
}

pub(super) fn conditions(
    pod: &Pod,
    state: &PodState,
    phase: &str,
    last: Option<&PodStatus>,
    now: Timestamp,
) -> Vec<PodCondition> {
    let containers_ready = containers_ready(pod, state, phase);
    let verdicts = [
        Verdict::new("PodReadyToStartContainers", state.network == Step::Done && state.tear_down != Step::Done),
        initialized(pod, state, phase),
        ready(pod, &containers_ready),
        containers_ready,
        Verdict::new("PodScheduled", true),
    ];
    verdicts.into_iter().chain(disrupted(state, phase)).map(|verdict| dated(verdict, pod, last, now)).collect()
}

/// The node took the pod's place away from it.
fn disrupted(state: &PodState, phase: &str) -> Option<Verdict> {
    let eviction = state.evicted.as_ref().filter(|eviction| eviction.disruption && phase == "Failed")?;
    Some(Verdict::because("DisruptionTarget", true, "TerminationByKubelet", Some(eviction.message.clone())))
}

fn dated(verdict: Verdict, pod: &Pod, last: Option<&PodStatus>, now: Timestamp) -> PodCondition {
    let status = if verdict.holds { "True" } else { "False" };
    let known = last.and_then(|last| last.conditions.as_ref()).into_iter().flatten();
    let same = |known: &&PodCondition| known.type_ == verdict.kind && known.status == status;
    let since = known.filter(same).find_map(|known| known.last_transition_time.clone());
    PodCondition {
        type_: verdict.kind.to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.map(str::to_owned),
        message: verdict.message,
        last_transition_time: Some(since.unwrap_or_else(|| Time(whole_seconds(now)))),
        last_probe_time: None,
        observed_generation: pod.metadata.generation,
    }
}

fn initialized(pod: &Pod, state: &PodState, phase: &str) -> Verdict {
    if phase == "Succeeded" {
        return Verdict::because("Initialized", true, "PodCompleted", None);
    }
    let incomplete = facts::init_containers(pod).filter(|container| !init_complete(container, state));
    let names: Vec<&str> = incomplete.map(|container| container.name.as_str()).collect();
    if names.is_empty() || facts::is_initialized(pod, state) {
        return Verdict::new("Initialized", true);
    }
    let message = format!("containers with incomplete status: [{}]", names.join(" "));
    Verdict::because("Initialized", false, "ContainersNotInitialized", Some(message))
}

fn init_complete(container: &Container, state: &PodState) -> bool {
    let Some(known) = state.containers.get(&container.name) else { return false };
    if facts::is_sidecar(container) {
        return known.is_running() && known.health.started;
    }
    known.exit().is_some_and(|exit| exit.code == 0)
}

fn containers_ready(pod: &Pod, state: &PodState, phase: &str) -> Verdict {
    match phase {
        "Succeeded" => return Verdict::because("ContainersReady", false, "PodCompleted", None),
        "Failed" => return Verdict::because("ContainersReady", false, "PodFailed", None),
        _ => {}
    }
    let sidecars = facts::init_containers(pod).filter(|container| facts::is_sidecar(container));
    let unready =
        sidecars.chain(facts::containers(pod)).filter(|container| !super::containers::is_ready(container, state));
    let names: Vec<&str> = unready.map(|container| container.name.as_str()).collect();
    if names.is_empty() {
        return Verdict::new("ContainersReady", true);
    }
    let message = format!("containers with unready status: [{}]", names.join(" "));
    Verdict::because("ContainersReady", false, "ContainersNotReady", Some(message))
}

fn ready(pod: &Pod, containers: &Verdict) -> Verdict {
    if !containers.holds {
        return Verdict { kind: "Ready", holds: false, reason: containers.reason, message: containers.message.clone() };
    }
    let gates = facts::spec(pod).and_then(|spec| spec.readiness_gates.as_ref()).into_iter().flatten();
    let closed: Vec<String> = gates.filter_map(|gate| closed_gate(pod, &gate.condition_type)).collect();
    if closed.is_empty() {
        return Verdict::new("Ready", true);
    }
    Verdict::because("Ready", false, "ReadinessGatesNotReady", Some(closed.join(", ")))
}

/// Gates are conditions that somebody else writes.
fn closed_gate(pod: &Pod, gate: &str) -> Option<String> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    let Some(condition) = conditions.into_iter().find(|condition| condition.type_ == gate) else {
        return Some(format!("corresponding condition of pod readiness gate \"{gate}\" does not exist."));
    };
    let status = &condition.status;
    (status != "True").then(|| format!("the status of pod readiness gate \"{gate}\" is not \"True\", but {status}"))
}
