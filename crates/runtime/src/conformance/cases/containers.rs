//! Making, starting, ending and removing containers.

#![allow(missing_docs)] // The names are sentences.

use std::time::{Duration, Instant};

use crate::conformance::Subject;
use crate::conformance::steps::{GRACE, LIMIT, is_running};
use crate::{ContainerState, Error, ExitReason};

pub async fn a_created_container_is_listed_as_created(subject: Subject) {
    subject.open("a").await;
    let mut config = subject.config("a", "a_main_4", &subject.guests.sleeps()).await;
    config.attempt = 4;
    subject.runtime.create(config.clone()).await.expect("it is created");
    let status = subject.status("a_main_4").await.expect("it is listed");
    assert_eq!((status.sandbox.as_str(), status.name.as_str(), status.attempt), ("a", "main", 4));
    assert_eq!((status.image, status.state, status.log_path), (config.image, ContainerState::Created, config.log.path));
}

pub async fn creating_twice_changes_nothing(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let config = subject.config("a", &container, &subject.guests.sleeps()).await;
    subject.runtime.create(config).await.expect("it is there already");
    assert!(is_running(&*subject.runtime, &container).await);
}

pub async fn creating_in_an_unknown_sandbox_fails(subject: Subject) {
    let config = subject.config("nowhere", "nowhere_main_0", &subject.guests.sleeps()).await;
    let error = subject.runtime.create(config).await.expect_err("there is no such sandbox");
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}

pub async fn creating_from_an_image_never_pulled_fails(subject: Subject) {
    subject.open("a").await;
    let mut config = subject.config("a", "a_main_0", &subject.guests.sleeps()).await;
    config.image = format!("sha256:{}", "0".repeat(64));
    let error = subject.runtime.create(config).await.expect_err("there is no such image");
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}

pub async fn creating_what_the_node_does_not_offer_fails_and_says_so(subject: Subject) {
    let Some(guest) = subject.guests.unsupported() else { return };
    subject.open("a").await;
    let config = subject.config("a", "a_main_0", &guest).await;
    let error = subject.runtime.create(config).await.expect_err("it cannot be offered");
    assert!(matches!(&error, Error::Invalid(message) if !message.is_empty()), "{error:?}");
}

pub async fn starting_an_unknown_container_fails(subject: Subject) {
    let error = subject.runtime.start("nobody").await.expect_err("there is no such container");
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}

pub async fn starting_twice_changes_nothing(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let before = subject.status(&container).await;
    subject.runtime.start(&container).await.expect("it runs already");
    assert_eq!(subject.status(&container).await, before);
}

pub async fn exit_code_zero_is_completed(subject: Subject) {
    let exit = subject.run(&subject.guests.exits(0)).await;
    assert_eq!((exit.code, exit.reason), (0, ExitReason::Completed));
}

pub async fn another_exit_code_is_an_error(subject: Subject) {
    let container = subject.launch("a", &subject.guests.exits(7)).await;
    let exit = subject.exit(&container).await;
    assert_eq!((exit.code, exit.reason), (7, ExitReason::Error));
    let Some(ContainerState::Exited { started_at, finished_at, .. }) =
        subject.status(&container).await.map(|status| status.state)
    else {
        panic!("it has ended");
    };
    assert!(started_at > 0 && started_at <= finished_at, "{started_at} {finished_at}");
}

pub async fn a_trap_is_an_error_with_a_message(subject: Subject) {
    let exit = subject.run(&subject.guests.traps()).await;
    assert_eq!((exit.code, exit.reason), (134, ExitReason::Error));
    assert!(!exit.message.is_empty());
}

pub async fn taking_too_much_memory_is_oom_killed(subject: Subject) {
    let limit = |config: &mut crate::ContainerConfig| config.resources.memory_limit_bytes = Some(16 << 20);
    let container = subject.launch_with("a", &subject.guests.allocates(64 << 20), limit).await;
    let exit = subject.exit(&container).await;
    assert_eq!((exit.code, exit.reason), (137, ExitReason::OomKilled), "{}", exit.message);
}

pub async fn staying_below_the_memory_limit_is_fine(subject: Subject) {
    let limit = |config: &mut crate::ContainerConfig| config.resources.memory_limit_bytes = Some(64 << 20);
    let container = subject.launch_with("a", &subject.guests.allocates(16 << 20), limit).await;
    assert_eq!(subject.exit(&container).await.reason, ExitReason::Completed);
}

pub async fn a_sleeper_runs_until_stopped(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    assert!(is_running(&*subject.runtime, &container).await);
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
    let state = subject.status(&container).await.expect("it is listed").state;
    assert!(matches!(state, ContainerState::Exited { .. }), "stop returns once it has ended: {state:?}");
}

pub async fn a_container_that_ignores_stop_is_killed_after_its_grace(subject: Subject) {
    let container = subject.launch("a", &subject.guests.ignores_stop()).await;
    let (before, grace) = (Instant::now(), Duration::from_millis(300));
    subject.runtime.stop(&container, grace).await.expect("it is killed");
    assert!(before.elapsed() < grace + Duration::from_secs(20), "{:?}", before.elapsed());
    let exit = subject.exit(&container).await;
    assert_eq!((exit.code, exit.reason), (137, ExitReason::Error));
}

pub async fn stopping_twice_is_fine(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
    let exit = subject.exit(&container).await;
    subject.runtime.stop(&container, GRACE).await.expect("it has stopped already");
    assert_eq!(subject.exit(&container).await, exit);
}

pub async fn stopping_what_has_ended_keeps_its_exit(subject: Subject) {
    let container = subject.launch("a", &subject.guests.exits(5)).await;
    subject.exit(&container).await;
    subject.runtime.stop(&container, GRACE).await.expect("nothing to stop is no failure");
    assert_eq!(subject.exit(&container).await.code, 5);
}

pub async fn stopping_an_unknown_container_fails(subject: Subject) {
    let error = subject.runtime.stop("nobody", GRACE).await.expect_err("there is no such container");
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}

pub async fn a_container_never_started_can_be_removed(subject: Subject) {
    subject.open("a").await;
    let config = subject.config("a", "a_main_0", &subject.guests.sleeps()).await;
    subject.runtime.create(config).await.expect("it is created");
    subject.runtime.remove("a_main_0").await.expect("it is removed");
    assert_eq!(subject.status("a_main_0").await, None);
}

pub async fn removing_twice_is_fine(subject: Subject) {
    let container = subject.launch("a", &subject.guests.exits(0)).await;
    subject.exit(&container).await;
    subject.runtime.remove(&container).await.expect("it is removed");
    subject.runtime.remove(&container).await.expect("it is gone already");
    assert_eq!(subject.status(&container).await, None);
}

pub async fn a_running_container_is_not_removed(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let error = subject.runtime.remove(&container).await.expect_err("it runs");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    assert!(is_running(&*subject.runtime, &container).await);
}

pub async fn a_further_attempt_leaves_the_earlier_one_alone(subject: Subject) {
    let first = subject.launch("a", &subject.guests.exits(1)).await;
    subject.exit(&first).await;
    let mut config = subject.config("a", "a_main_1", &subject.guests.sleeps()).await;
    config.attempt = 1;
    subject.runtime.create(config).await.expect("a further attempt is created");
    tokio::time::timeout(LIMIT, subject.runtime.start("a_main_1")).await.expect("in time").expect("it starts");
    assert_eq!(subject.exit(&first).await.code, 1);
    assert!(is_running(&*subject.runtime, "a_main_1").await);
    assert_eq!(subject.status("a_main_1").await.expect("it is listed").attempt, 1);
}
