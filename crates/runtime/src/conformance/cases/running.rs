//! Events, figures, limits and serving.

#![allow(missing_docs)] // The names are sentences.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::BoxStream;

use crate::conformance::Subject;
use crate::conformance::steps::{GRACE, LIMIT, PORT, get};
use crate::{Error, Event, ExitReason};

/// Waits for a hint about the container.
async fn hint(events: &mut BoxStream<'static, Event>, container: &str) {
    let wait = async {
        loop {
            match events.next().await.expect("events go on while the runtime is there") {
                Event::Container { container: id, sandbox } if id == container => return assert_eq!(sandbox, "a"),
                Event::Lagged => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("nothing was heard of {container}"));
}

pub async fn start_and_end_are_hinted(subject: Subject) {
    let mut events = subject.runtime.events();
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    hint(&mut events, &container).await;
    let mut events = subject.runtime.events();
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
    hint(&mut events, &container).await;
}

pub async fn every_listener_hears_of_an_end(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let (mut one, mut other) = (subject.runtime.events(), subject.runtime.events());
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
    hint(&mut one, &container).await;
    hint(&mut other, &container).await;
}

pub async fn one_container_is_asked_for_as_it_is_listed(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let listed = subject.status(&container).await;
    assert!(listed.is_some());
    assert_eq!(subject.runtime.container(&container).await.expect("it is asked for"), listed);
    assert_eq!(subject.runtime.container("nobody").await.expect("it is asked for"), None);
}

pub async fn a_spinner_uses_cpu_and_can_be_stopped(subject: Subject) {
    let container = subject.launch("a", &subject.guests.spins()).await;
    let deadline = Instant::now() + LIMIT;
    let mut stats = subject.runtime.stats(&container).await.expect("it has figures");
    while stats.cpu_usage < Duration::from_millis(20) {
        assert!(Instant::now() < deadline, "it used no CPU: {stats:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        stats = subject.runtime.stats(&container).await.expect("it has figures");
    }
    assert!(stats.memory_bytes > 0);
    subject.runtime.stop(&container, GRACE).await.expect("even a spinner stops");
    assert_eq!(subject.exit(&container).await.reason, ExitReason::Error);
}

/// Compares CPU time with the time that passed, which only grows when the machine is busy: a slow machine cannot fail it.
pub async fn a_cpu_limit_binds(subject: Subject) {
    let limit = |config: &mut crate::ContainerConfig| config.resources.cpu_limit_millis = Some(200);
    let container = subject.launch_with("a", &subject.guests.spins(), limit).await;
    let figures = || async { subject.runtime.stats(&container).await.expect("it has figures").cpu_usage };
    let (begin, before) = (Instant::now(), figures().await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (used, passed) = (figures().await - before, begin.elapsed());
    assert!(used <= passed.mul_f64(0.35), "{used:?} of {passed:?} with a limit of a fifth");
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
}

pub async fn figures_of_an_unknown_container_fail(subject: Subject) {
    let error = subject.runtime.stats("nobody").await.expect_err("there is no such container");
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
}

pub async fn a_server_answers_until_stopped(subject: Subject) {
    let address = subject.open("a").await;
    let container = subject.launch("a", &subject.guests.serves_http()).await;
    let deadline = Instant::now() + LIMIT;
    let answer = loop {
        match get(address, PORT).await {
            Ok(answer) => break answer,
            Err(error) => assert!(Instant::now() < deadline, "no answer: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
    get(address, PORT).await.expect_err("nobody listens any more");
}
