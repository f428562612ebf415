//! The way out.

use super::*;

#[test]
fn on_the_way_out_containers_stop_before_sidecars_and_the_object_goes_last() {
    let pod = with_init();
    let mut state =
        with(&[("one", exited(0)), ("side", running()), ("two", exited(0)), ("main", running()), ("other", running())]);
    state.ending = Some(Ending { why: Why::Deleted, deadline: at(40) });
    check(
        &pod,
        &state,
        10,
        expect![[r#"
        Stop main in 30s None
        Stop other in 30s None
    "#]],
    );
    state.container("main").stopping = Some(at(40));
    state.containers.insert("other".into(), exited(0));
    check(&pod, &state, 12, expect![[""]]);
    state.containers.insert("main".into(), exited(0));
    check(
        &pod,
        &state,
        15,
        expect![[r#"
        Stop side in 25s None
    "#]],
    );
    state.containers.insert("side".into(), exited(0));
    check(
        &pod,
        &state,
        16,
        expect![[r#"
        TearDown
    "#]],
    );
    state.tear_down = Step::Done;
    check(
        &pod,
        &state,
        17,
        expect![[r#"
        Delete
    "#]],
    );
    state.deletion = Step::Done;
    check(&pod, &state, 17, expect![[""]]);
}

#[test]
fn a_shorter_deadline_stops_again() {
    let mut state = with(&[("main", running())]);
    state.container("main").stopping = Some(at(40));
    state.ending = Some(Ending { why: Why::Deleted, deadline: at(12) });
    check(
        &simple("Always"),
        &state,
        11,
        expect![[r#"
        Stop main in 1s None
    "#]],
    );
}

#[test]
fn a_finished_pod_that_nobody_deleted_stays() {
    let mut state = with(&[("main", exited(0))]);
    state.ending = Some(Ending { why: Why::Done, deadline: at(40) });
    state.tear_down = Step::Done;
    check(&simple("Never"), &state, 17, expect![[""]]);
}
