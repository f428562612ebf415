use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::pod::state::{
    ContainerState, CrashBackoff, Ending, Failure, Health, ImageState, Run, RunExit, RunPhase, Step, Why,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_767_323_000 + seconds, 0).expect("a time")
}

fn pod(spec: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": spec}))
        .expect("a pod")
}

fn simple(policy: &str) -> Pod {
    pod(json!({"restartPolicy": policy, "containers": [{"name": "main", "image": "a:1"}]}))
}

fn node() -> NodeFacts {
    NodeFacts { address: [127, 70, 0, 1].into(), handlers: vec!["wasm"] }
}

fn container(attempt: u32, phase: RunPhase) -> ContainerState {
    let id = format!("u_main_{attempt}");
    let run = Run { runtime: 0, shown: id.clone(), id, attempt, image_id: "a@sha256:1".into(), phase };
    ContainerState {
        current: Some(run),
        health: Health { started: true, ready: true, condemned: None },
        ..ContainerState::default()
    }
}

fn running() -> ContainerState {
    container(0, RunPhase::Running { started_at: at(1) })
}

fn exited(code: i32) -> ContainerState {
    let exit = RunExit { started_at: at(1), finished_at: at(2), code, reason: "Error".into(), message: String::new() };
    container(0, RunPhase::Exited(exit))
}

fn state(containers: &[(&str, ContainerState)]) -> PodState {
    let containers = containers.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect();
    let address = Some([127, 70, 0, 9].into());
    PodState { volumes: Step::Done, network: Step::Done, address, containers, ..PodState::new(at(0)) }
}

fn summary(status: &PodStatus) -> String {
    let mut lines =
        vec![format!("{} {:?} {:?}", status.phase.as_deref().unwrap_or_default(), status.pod_ip, status.reason)];
    for condition in status.conditions.iter().flatten() {
        lines.push(format!("{}={} {:?} {:?}", condition.type_, condition.status, condition.reason, condition.message));
    }
    for container in status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten()) {
        let state = serde_json::to_string(&container.state).expect("json");
        let last = serde_json::to_string(&container.last_state).expect("json");
        lines.push(format!(
            "{} ready={} started={:?} restarts={} {state} last={last}",
            container.name, container.ready, container.started, container.restart_count
        ));
    }
    lines.join("\n") + "\n"
}

fn check(pod: &Pod, state: &PodState, expect: Expect) {
    expect.assert_eq(&summary(&status(pod, state, None, &node(), at(5))));
}

#[test]
fn a_pod_that_is_being_made_is_pending() {
    check(
        &simple("Always"),
        &PodState::new(at(0)),
        expect![[r#"
        Pending None None
        PodReadyToStartContainers=False None None
        Initialized=True None None
        Ready=False Some("ContainersNotReady") Some("containers with unready status: [main]")
        ContainersReady=False Some("ContainersNotReady") Some("containers with unready status: [main]")
        PodScheduled=True None None
        main ready=false started=Some(false) restarts=0 {"waiting":{"reason":"ContainerCreating"}} last={}
    "#]],
    );
}

#[test]
fn a_running_pod_is_ready() {
    check(
        &simple("Always"),
        &state(&[("main", running())]),
        expect![[r#"
        Running Some("127.70.0.9") None
        PodReadyToStartContainers=True None None
        Initialized=True None None
        Ready=True None None
        ContainersReady=True None None
        PodScheduled=True None None
        main ready=true started=Some(true) restarts=0 {"running":{"startedAt":"2026-01-02T03:03:21Z"}} last={}
    "#]],
    );
}

fn line(pod: &Pod, state: &PodState) -> String {
    let text = summary(&status(pod, state, None, &node(), at(5)));
    let phase = text.split(' ').next().unwrap_or_default();
    format!("{phase}: {}", text.lines().last().unwrap_or_default())
}

#[test]
fn a_crashing_container_says_how_long_it_waits() {
    let mut container = exited(3);
    container.backoff = Some(CrashBackoff { delay: Duration::from_secs(80), updated: at(0) });
    container.backing_off = true;
    expect![[r#"Running: main ready=false started=Some(false) restarts=0 {"waiting":{"message":"back-off 1m20s restarting failed container=main pod=p_default(u)","reason":"CrashLoopBackOff"}} last={"terminated":{"containerID":"wasm://u_main_0","exitCode":3,"finishedAt":"2026-01-02T03:03:22Z","reason":"Error","startedAt":"2026-01-02T03:03:21Z"}}"#]]
        .assert_eq(&line(&simple("Always"), &state(&[("main", container)])));
}

#[test]
fn a_failed_pull_is_shown_first_as_such_then_as_backing_off() {
    let failure = Failure::after(None, "ErrImagePull", "registry is down".into(), at(0));
    let mut container = ContainerState { image: ImageState::Failed(failure), ..ContainerState::default() };
    expect![[r#"Pending: main ready=false started=Some(false) restarts=0 {"waiting":{"message":"registry is down","reason":"ErrImagePull"}} last={}"#]]
        .assert_eq(&line(&simple("Always"), &state(&[("main", container.clone())])));
    container.backing_off = true;
    expect![[r#"Pending: main ready=false started=Some(false) restarts=0 {"waiting":{"message":"Back-off pulling image \"a:1\": ErrImagePull: registry is down","reason":"ImagePullBackOff"}} last={}"#]]
        .assert_eq(&line(&simple("Always"), &state(&[("main", container)])));
}

#[test]
fn a_terminal_phase_waits_until_all_is_over_and_stays() {
    let ending = Some(Ending { why: Why::Done, deadline: at(40) });
    for (codes, phase) in [([0, 0], "Succeeded"), ([0, 1], "Failed")] {
        let pod = pod(json!({"restartPolicy": "Never", "containers": [{"name": "a"}, {"name": "b"}]}));
        let mut state = state(&[("a", exited(codes[0])), ("b", running())]);
        state.ending = ending.clone();
        assert_eq!(status(&pod, &state, None, &node(), at(5)).phase.as_deref(), Some("Running"));
        state.containers.insert("b".into(), exited(codes[1]));
        let ended = status(&pod, &state, None, &node(), at(5));
        assert_eq!(ended.phase.as_deref(), Some(phase));
        state.containers.insert("b".into(), running());
        assert_eq!(status(&pod, &state, Some(&ended), &node(), at(9)).phase.as_deref(), Some(phase));
    }
}

#[test]
fn a_passed_deadline_is_a_failure_with_its_reason() {
    let mut state = state(&[("main", exited(0))]);
    state.ending = Some(Ending { why: Why::Deleted, deadline: at(40) });
    state.deadline_exceeded = true;
    let status = status(&simple("Always"), &state, None, &node(), at(5));
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Failed"), Some("DeadlineExceeded")));
}

#[test]
fn a_readiness_gate_holds_the_pod_back_but_not_its_containers() {
    let mut pod =
        pod(json!({"readinessGates": [{"conditionType": "example.com/up"}], "containers": [{"name": "main"}]}));
    let state = state(&[("main", running())]);
    let ready = |pod: &Pod| {
        let status = status(pod, &state, None, &node(), at(5));
        summary(&status).lines().filter(|line| line.contains("Ready=")).collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        Ready=False Some("ReadinessGatesNotReady") Some("corresponding condition of pod readiness gate \"example.com/up\" does not exist.")
        ContainersReady=True None None"#]].assert_eq(&ready(&pod));
    let condition = json!({"conditions": [{"type": "example.com/up", "status": "True"}]});
    pod.status = serde_json::from_value(condition).expect("a status");
    assert!(ready(&pod).starts_with("Ready=True"));
}

#[test]
fn init_containers_hold_back_the_others() {
    let pod = pod(json!({"initContainers": [{"name": "one"}, {"name": "two"}], "containers": [{"name": "main"}]}));
    check(
        &pod,
        &state(&[("one", exited(0))]),
        expect![[r#"
        Pending Some("127.70.0.9") None
        PodReadyToStartContainers=True None None
        Initialized=False Some("ContainersNotInitialized") Some("containers with incomplete status: [two]")
        Ready=False Some("ContainersNotReady") Some("containers with unready status: [main]")
        ContainersReady=False Some("ContainersNotReady") Some("containers with unready status: [main]")
        PodScheduled=True None None
        one ready=true started=Some(false) restarts=0 {"terminated":{"containerID":"wasm://u_main_0","exitCode":0,"finishedAt":"2026-01-02T03:03:22Z","reason":"Error","startedAt":"2026-01-02T03:03:21Z"}} last={}
        two ready=false started=Some(false) restarts=0 {"waiting":{"reason":"PodInitializing"}} last={}
        main ready=false started=Some(false) restarts=0 {"waiting":{"reason":"PodInitializing"}} last={}
    "#]],
    );
}

#[test]
fn a_condition_keeps_its_time_until_it_changes() {
    let pod = simple("Always");
    let first = status(&pod, &state(&[("main", running())]), None, &node(), at(5));
    let second = status(&pod, &state(&[("main", running())]), Some(&first), &node(), at(50));
    assert_eq!(first, second);
    let mut unready = running();
    unready.health.ready = false;
    let third = status(&pod, &state(&[("main", unready)]), Some(&second), &node(), at(60));
    let times: Vec<_> = third
        .conditions
        .iter()
        .flatten()
        .map(|condition| {
            (
                condition.type_.as_str(),
                condition.last_transition_time.clone().map(|time| time.0.as_second() - at(0).as_second()),
            )
        })
        .collect();
    assert_eq!(
        times,
        [
            ("PodReadyToStartContainers", Some(5)),
            ("Initialized", Some(5)),
            ("Ready", Some(60)),
            ("ContainersReady", Some(60)),
            ("PodScheduled", Some(5))
        ]
    );
}

#[test]
fn the_quality_of_service_class_follows_the_resources() {
    let of =
        |resources: Value| facts::qos_class(&pod(json!({"containers": [{"name": "main", "resources": resources}]})));
    assert_eq!(of(json!({})), "BestEffort");
    assert_eq!(of(json!({"requests": {"cpu": "1"}})), "Burstable");
    assert_eq!(of(json!({"limits": {"cpu": "1", "memory": "1Gi"}})), "Guaranteed");
    assert_eq!(of(json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}})), "Burstable");
}
