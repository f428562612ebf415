//! Sandboxes and images.

#![allow(missing_docs)] // The names are sentences.

use crate::conformance::Subject;
use crate::conformance::steps::{exit, is_running};
use crate::{Error, ExitReason};

pub async fn the_handler_is_a_short_name(subject: Subject) {
    let handler = subject.runtime.handler();
    assert!(!handler.is_empty() && handler.len() <= 63, "{handler}");
    assert!(
        handler.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'),
        "{handler}"
    );
}

pub async fn a_runtime_says_its_version(subject: Subject) {
    let status = subject.runtime.status().await.expect("the runtime is ready");
    let (name, version) = status.version.split_once("://").expect("a version is name://version");
    assert!(!name.is_empty() && !version.is_empty(), "{}", status.version);
}

pub async fn an_opened_sandbox_is_listed_ready(subject: Subject) {
    subject.open("a").await;
    let sandboxes = subject.runtime.sandboxes().await.expect("sandboxes are listed");
    assert_eq!(sandboxes.len(), 1);
    let listed = (sandboxes[0].id.as_str(), sandboxes[0].pod_uid.clone(), sandboxes[0].ready);
    assert_eq!(listed, ("a", subject.uid("a"), true));
}

pub async fn opening_a_sandbox_twice_changes_nothing(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    subject.open("a").await;
    assert_eq!(subject.runtime.sandboxes().await.expect("sandboxes are listed").len(), 1);
    assert!(is_running(&*subject.runtime, &container).await);
}

pub async fn opening_a_sandbox_twice_gives_the_same_address(subject: Subject) {
    assert_eq!(subject.open("a").await, subject.open("a").await);
}

pub async fn closing_an_unknown_sandbox_is_fine(subject: Subject) {
    subject.runtime.close_sandbox("nobody").await.expect("nothing to close is no failure");
}

pub async fn closing_a_sandbox_twice_is_fine(subject: Subject) {
    subject.open("a").await;
    subject.runtime.close_sandbox("a").await.expect("it closes");
    subject.runtime.close_sandbox("a").await.expect("it is closed already");
    assert!(subject.runtime.sandboxes().await.expect("sandboxes are listed").is_empty());
}

pub async fn closing_a_sandbox_kills_and_forgets_its_containers(subject: Subject) {
    let container = subject.launch("a", &subject.guests.ignores_stop()).await;
    subject.runtime.close_sandbox("a").await.expect("it closes");
    assert_eq!(subject.status(&container).await, None);
    assert!(subject.runtime.sandboxes().await.expect("sandboxes are listed").is_empty());
}

pub async fn closing_one_sandbox_leaves_its_neighbour_running(subject: Subject) {
    let _closed = subject.launch("a", &subject.guests.sleeps()).await;
    let kept = subject.launch("b", &subject.guests.sleeps()).await;
    subject.runtime.close_sandbox("a").await.expect("it closes");
    assert!(is_running(&*subject.runtime, &kept).await);
}

pub async fn its_own_images_are_accepted(subject: Subject) {
    for guest in [subject.guests.sleeps(), subject.guests.exits(0)] {
        assert!(
            subject.runtime.accepts(&guest.image).await.expect("the manifest is read"),
            "{}",
            guest.image.reference
        );
    }
}

pub async fn foreign_images_are_not_accepted(subject: Subject) {
    let Some(guest) = subject.guests.foreign() else { return };
    assert!(!subject.runtime.accepts(&guest.image).await.expect("the manifest is read"), "{}", guest.image.reference);
}

pub async fn an_image_never_pulled_is_not_on_the_node(subject: Subject) {
    let guest = subject.guests.exits(3);
    assert_eq!(subject.runtime.image(&guest.image.reference).await.expect("the node's images are known"), None);
}

pub async fn a_pulled_image_is_found_by_reference_and_by_digest(subject: Subject) {
    let guest = subject.guests.exits(0);
    let pulled = subject.runtime.pull(&guest.image).await.expect("it is pulled");
    assert!(pulled.digest.starts_with("sha256:") && pulled.size > 0, "{pulled:?}");
    for name in [&guest.image.reference, &pulled.digest] {
        let found = subject.runtime.image(name).await.expect("the node's images are known").expect("it is there");
        assert_eq!(found.digest, pulled.digest);
    }
}

pub async fn pulling_twice_gives_the_same_image(subject: Subject) {
    let guest = subject.guests.exits(0);
    let first = subject.runtime.pull(&guest.image).await.expect("it is pulled");
    let second = subject.runtime.pull(&guest.image).await.expect("it is pulled again");
    assert_eq!(first.digest, second.digest);
}

pub async fn many_pulls_at_once_all_succeed(subject: Subject) {
    let guest = subject.guests.exits(0);
    let pulls = (0..16).map(|_| subject.runtime.pull(&guest.image));
    let images = futures::future::try_join_all(pulls).await.expect("all succeed");
    assert!(images.iter().all(|image| image.digest == images[0].digest));
}

pub async fn pulling_an_absent_image_fails_and_names_it(subject: Subject) {
    let guest = subject.guests.absent();
    let error = subject.runtime.pull(&guest.image).await.expect_err("there is no such image");
    assert!(matches!(error, Error::Pull { .. }) && error.retryable(), "{error:?}");
    assert!(error.to_string().contains(&guest.image.reference), "{error}");
}

pub async fn pulling_a_broken_image_is_not_retryable(subject: Subject) {
    let Some(guest) = subject.guests.broken() else { return };
    let error = subject.runtime.pull(&guest.image).await.expect_err("it is broken");
    assert!(matches!(error, Error::BadImage { .. }) && !error.retryable(), "{error:?}");
    assert!(error.to_string().contains(&guest.image.reference), "{error}");
}

/// The subject with a new front end, made when the old one was gone: two at a time would fight over what is left behind.
async fn restarted(subject: Subject) -> Option<Subject> {
    let Subject { runtime, guests, directory, address, keep } = subject;
    drop(runtime);
    let runtime = guests.restart()?.await;
    Some(Subject { runtime, guests, directory, address, keep })
}

pub async fn a_running_container_outlives_the_agent(subject: Subject) {
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let Some(subject) = restarted(subject).await else { return };
    let sandboxes = subject.runtime.sandboxes().await.expect("sandboxes are listed");
    assert!(sandboxes.iter().any(|sandbox| sandbox.id == "a" && sandbox.ready), "{sandboxes:?}");
    assert!(is_running(&*subject.runtime, &container).await);
    subject.runtime.stop(&container, std::time::Duration::ZERO).await.expect("the new front end stops it");
    exit(&*subject.runtime, &container).await;
}

pub async fn an_exit_during_the_agents_absence_is_known_afterwards(subject: Subject) {
    let container = subject.launch("a", &subject.guests.exits(9)).await;
    let Some(subject) = restarted(subject).await else { return };
    let exit = exit(&*subject.runtime, &container).await;
    assert_eq!((exit.code, exit.reason), (9, ExitReason::Error));
}
