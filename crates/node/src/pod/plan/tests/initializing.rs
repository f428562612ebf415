//! Init containers, sidecars and the order of starts.

use super::*;

#[test]
fn init_containers_run_one_after_the_other_and_wait_for_sidecars() {
    let pod = with_init();
    check(
        &pod,
        &prepared(),
        10,
        expect![[r#"
        Pull("one")
    "#]],
    );
    check(&pod, &with(&[("one", running())]), 10, expect![[""]]);
    check(
        &pod,
        &with(&[("one", exited(0))]),
        10,
        expect![[r#"
        Pull("side")
    "#]],
    );
    let mut starting = running();
    starting.health.started = false;
    check(&pod, &with(&[("one", exited(0)), ("side", starting)]), 10, expect![[""]]);
    check(
        &pod,
        &with(&[("one", exited(0)), ("side", running())]),
        10,
        expect![[r#"
        Pull("two")
    "#]],
    );
    check(
        &pod,
        &with(&[("one", exited(0)), ("side", running()), ("two", exited(0))]),
        10,
        expect![[r#"
        Pull("main")
        Pull("other")
    "#]],
    );
}

#[test]
fn a_failed_init_container_is_restarted_or_fails_the_pod() {
    let state = with(&[("one", exited(3))]);
    check(
        &with_init(),
        &state,
        10,
        expect![[r#"
        Start("one")
    "#]],
    );
    let mut never = with_init();
    never.spec.as_mut().expect("a spec").restart_policy = Some("Never".into());
    check(
        &never,
        &state,
        10,
        expect![[r#"
        End(Done)
    "#]],
    );
}

#[test]
fn containers_start_in_order_while_images_are_pulled_side_by_side() {
    let ready = || ContainerState { image: image(), ..ContainerState::default() };
    let done = [("one", exited(0)), ("side", running()), ("two", exited(0))];
    let mut state = with(&done);
    state.containers.insert("main".into(), ready());
    state.containers.insert("other".into(), ready());
    check(
        &with_init(),
        &state,
        10,
        expect![[r#"
        Start("main")
    "#]],
    );
    state.container("main").starting = true;
    check(&with_init(), &state, 10, expect![[""]]);
}

#[test]
fn a_sidecar_is_restarted_while_the_pod_works_and_does_not_keep_it_alive() {
    let mut state =
        with(&[("one", exited(0)), ("side", exited(1)), ("two", exited(0)), ("main", running()), ("other", running())]);
    check(
        &with_init(),
        &state,
        10,
        expect![[r#"
        Start("side")
    "#]],
    );
    let mut never = with_init();
    never.spec.as_mut().expect("a spec").restart_policy = Some("Never".into());
    state.containers.insert("side".into(), running());
    state.containers.insert("main".into(), exited(0));
    state.containers.insert("other".into(), exited(1));
    check(
        &never,
        &state,
        10,
        expect![[r#"
        End(Done)
    "#]],
    );
}
