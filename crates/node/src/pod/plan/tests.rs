mod ending;
mod initializing;

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::pod::state::{
    Condemned, ContainerState, CrashBackoff, Ending, Failure, Health, ReadyImage, Run, RunExit, RunPhase,
};
use std::time::Duration;

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

fn with_init() -> Pod {
    pod(json!({
        "initContainers": [{"name": "one", "image": "a:1"}, {"name": "side", "image": "a:1", "restartPolicy": "Always"}, {"name": "two", "image": "a:1"}],
        "containers": [{"name": "main", "image": "a:1"}, {"name": "other", "image": "a:1"}],
    }))
}

/// A pod whose volumes and network are there.
fn prepared() -> PodState {
    PodState { volumes: Step::Done, network: Step::Done, ..PodState::new(at(0)) }
}

fn image() -> ImageState {
    let image = sampan_runtime::Image {
        references: Vec::new(),
        digest: "sha256:1".into(),
        size: 1,
        command: Vec::new(),
        serves: false,
    };
    ImageState::Ready(ReadyImage { runtime: 0, image })
}

fn in_phase(phase: RunPhase) -> ContainerState {
    let run = Run { runtime: 0, id: "id".into(), shown: "id".into(), attempt: 0, image_id: String::new(), phase };
    let health = Health { started: true, ready: true, condemned: None };
    ContainerState { image: image(), current: Some(run), health, ..ContainerState::default() }
}

fn running() -> ContainerState {
    in_phase(RunPhase::Running { started_at: at(0) })
}

fn exited(code: i32) -> ContainerState {
    let exit = RunExit { started_at: at(0), finished_at: at(10), code, reason: "Error".into(), message: String::new() };
    in_phase(RunPhase::Exited(exit))
}

fn with(containers: &[(&str, ContainerState)]) -> PodState {
    let containers = containers.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect();
    PodState { containers, ..prepared() }
}

fn check(pod: &Pod, state: &PodState, now: i64, expect: Expect) {
    let Plan { actions, wake } = plan(pod, state, at(now));
    let mut text = String::new();
    for action in actions {
        match action {
            Action::Stop(stop) => {
                writeln!(
                    text,
                    "Stop {} in {}s {:?}",
                    stop.container,
                    stop.deadline.as_second() - at(now).as_second(),
                    stop.probe
                )
            }
            action => writeln!(text, "{action:?}"),
        }
        .expect("a string takes all");
    }
    if let Some(wake) = wake {
        writeln!(text, "wake in {}s", wake.as_second() - at(now).as_second()).expect("a string takes all");
    }
    expect.assert_eq(&text);
}

#[test]
fn a_new_pod_gets_volumes_network_and_image_at_once() {
    check(
        &simple("Always"),
        &PodState::new(at(0)),
        0,
        expect![[r#"
        Mount
        Attach
        Pull("main")
    "#]],
    );
}

#[test]
fn among_several_runtimes_the_first_image_or_the_class_says_whose_network_it_is() {
    let choosing = || PodState { chooses: true, volumes: Step::Done, ..PodState::new(at(0)) };
    check(
        &simple("Always"),
        &choosing(),
        0,
        expect![[r#"
        Pull("main")
    "#]],
    );
    let mut found = choosing();
    found.container("main").image = image();
    check(
        &simple("Always"),
        &found,
        0,
        expect![[r#"
        Attach
    "#]],
    );
    let classed = pod(json!({"runtimeClassName": "wasm", "containers": [{"name": "main", "image": "a:1"}]}));
    check(
        &classed,
        &choosing(),
        0,
        expect![[r#"
        Attach
    "#]],
    );
    check(
        &classed,
        &PodState { network: Step::Done, ..choosing() },
        0,
        expect![[r#"
        Pull("main")
    "#]],
    );
}

#[test]
fn a_container_starts_once_image_volumes_and_network_are_there() {
    let mut state = with(&[("main", ContainerState { image: image(), ..ContainerState::default() })]);
    check(
        &simple("Always"),
        &state,
        0,
        expect![[r#"
        Start("main")
    "#]],
    );
    state.volumes = Step::Working;
    check(&simple("Always"), &state, 0, expect![[""]]);
}

#[test]
fn nothing_is_asked_for_twice() {
    let mut state = prepared();
    state.container("main").image = ImageState::Pulling { after: None };
    check(&simple("Always"), &state, 0, expect![[""]]);
    state.container("main").image = image();
    state.container("main").starting = true;
    check(&simple("Always"), &state, 0, expect![[""]]);
    check(&simple("Always"), &with(&[("main", running())]), 0, expect![[""]]);
}

#[test]
fn a_failed_pull_is_tried_again_when_its_time_has_come() {
    let failure = Failure::after(None, "ErrImagePull", "no".into(), at(0));
    let state = with(&[("main", ContainerState { image: ImageState::Failed(failure), ..ContainerState::default() })]);
    check(
        &simple("Always"),
        &state,
        1,
        expect![[r#"
        wake in 1s
    "#]],
    );
    check(
        &simple("Always"),
        &state,
        4,
        expect![[r#"
        BackOff("main")
        wake in 6s
    "#]],
    );
    let mut state = state;
    state.container("main").backing_off = true;
    check(
        &simple("Always"),
        &state,
        10,
        expect![[r#"
        Pull("main")
    "#]],
    );
}

#[test]
fn the_restart_policy_decides_about_an_exit() {
    let (start, end) = ("[Start(\"main\")]", "[End(Done)]");
    for (policy, code, expected) in [
        ("Always", 0, start),
        ("Always", 1, start),
        ("OnFailure", 0, end),
        ("OnFailure", 1, start),
        ("Never", 0, end),
        ("Never", 1, end),
    ] {
        let plan = plan(&simple(policy), &with(&[("main", exited(code))]), at(10));
        assert_eq!(format!("{:?}", plan.actions), expected, "{policy} after {code}");
    }
}

#[test]
fn the_second_restart_waits() {
    let mut container = exited(1);
    container.backoff = Some(CrashBackoff { delay: Duration::from_secs(20), updated: at(0) });
    check(
        &simple("Always"),
        &with(&[("main", container.clone())]),
        12,
        expect![[r#"
        BackOff("main")
        wake in 18s
    "#]],
    );
    container.backing_off = true;
    check(
        &simple("Always"),
        &with(&[("main", container)]),
        12,
        expect![[r#"
        wake in 18s
    "#]],
    );
}

#[test]
fn backoff_doubles_to_five_minutes_and_is_forgotten_after_ten() {
    let mut container = exited(1);
    let mut delays = Vec::new();
    for second in 0..7 {
        container.begin_start(at(second));
        delays.push(container.backoff.as_ref().expect("it crashed").delay.as_secs());
    }
    assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300]);
    container.begin_start(at(6 + 601));
    assert_eq!(container.backoff.expect("it crashed").delay.as_secs(), 10);
}

#[test]
fn a_condemned_container_is_stopped_once() {
    let mut container = running();
    container.health.condemned = Some(Condemned { probe: "liveness", grace: Some(Duration::from_secs(3)) });
    check(
        &simple("Always"),
        &with(&[("main", container.clone())]),
        10,
        expect![[r#"
        Stop main in 3s Some("liveness")
    "#]],
    );
    container.stopping = Some(at(13));
    check(&simple("Always"), &with(&[("main", container)]), 10, expect![[""]]);
}

#[test]
fn a_deadline_ends_the_pod() {
    let mut pod = simple("Always");
    pod.spec.as_mut().expect("a spec").active_deadline_seconds = Some(60);
    let state = with(&[("main", running())]);
    check(
        &pod,
        &state,
        10,
        expect![[r#"
        wake in 50s
    "#]],
    );
    check(
        &pod,
        &state,
        60,
        expect![[r#"
        End(DeadlineExceeded)
    "#]],
    );
}

#[test]
fn a_lost_sandbox_resets_the_pod_once_nothing_is_under_way() {
    let mut state = with(&[("main", exited(137))]);
    state.lost = true;
    check(
        &simple("Always"),
        &state,
        10,
        expect![[r#"
        Reset
    "#]],
    );
    state.container("main").starting = true;
    check(&simple("Always"), &state, 10, expect![[""]]);
}

fn looked_into(policy: &str) -> Pod {
    pod(json!({
        "restartPolicy": policy, "containers": [{"name": "main", "image": "a:1"}],
        "ephemeralContainers": [{"name": "debug", "image": "tools:1"}],
    }))
}

#[test]
fn an_ephemeral_container_is_started_whatever_the_others_do_and_only_once() {
    let ready = ContainerState { image: image(), ..ContainerState::default() };
    let start = expect![[r#"
        Start("debug")
    "#]];
    check(&looked_into("Always"), &with(&[("main", running()), ("debug", ready.clone())]), 0, start);
    let pull = expect![[r#"
        Pull("debug")
    "#]];
    check(&looked_into("Always"), &with(&[("main", running())]), 0, pull);
    check(&looked_into("Always"), &with(&[("main", running()), ("debug", running())]), 0, expect![[""]]);
    check(&looked_into("Always"), &with(&[("main", running()), ("debug", exited(1))]), 20, expect![[""]]);
    let taken_back = ContainerState { next_attempt: 1, ..ContainerState::default() };
    check(&looked_into("Always"), &with(&[("main", running()), ("debug", taken_back)]), 20, expect![[""]]);
}

#[test]
fn an_ephemeral_container_keeps_no_pod_alive_and_ends_with_it() {
    let end = expect![[r#"
        End(Done)
    "#]];
    check(&looked_into("Never"), &with(&[("main", exited(0)), ("debug", running())]), 20, end);
    let mut state = with(&[("main", exited(0)), ("debug", running())]);
    state.ending = Some(Ending { why: Why::Done, deadline: at(50) });
    let stop = expect![[r#"
        Stop debug in 30s None
    "#]];
    check(&looked_into("Never"), &state, 20, stop);
}
