//! What an answer of the apiserver means to who asked.

use kube::Error;
use kube::core::Status;

/// The `Status` the server answered with, unless the failure lies elsewhere (transport, decoding).
#[must_use]
pub fn status(error: &Error) -> Option<&Status> {
    match error {
        Error::Api(status) => Some(status),
        _ => None,
    }
}

fn code(error: &Error) -> u16 {
    status(error).map_or(0, |status| status.code)
}

fn reason(error: &Error) -> &str {
    status(error).map_or("", |status| status.reason.as_str())
}

/// What was answered is not what was asked for. (kube takes a line of a watch that it cannot read for a `Status` without any content.)
pub(crate) fn is_unreadable(error: &Error) -> bool {
    match error {
        Error::SerdeError(_) => true,
        Error::Api(status) => status.code == 0 && status.reason.is_empty() && status.message.is_empty(),
        _ => false,
    }
}

/// The object does not exist.
#[must_use]
pub fn is_not_found(error: &Error) -> bool {
    code(error) == 404
}

/// An object of that name exists already.
#[must_use]
pub fn is_already_exists(error: &Error) -> bool {
    reason(error) == "AlreadyExists"
}

/// Somebody else changed the object since it was read.
#[must_use]
pub fn is_conflict(error: &Error) -> bool {
    reason(error) == "Conflict"
}

/// The asked-for resource version is no longer kept: list again.
#[must_use]
pub fn is_expired(error: &Error) -> bool {
    code(error) == 410
}

/// The namespace is going away and takes no new objects.
#[must_use]
pub fn is_namespace_terminating(error: &Error) -> bool {
    let causes = status(error).and_then(|status| status.details.as_ref()).map(|details| &details.causes);
    causes.is_some_and(|causes| causes.iter().any(|cause| cause.reason == "NamespaceTerminating"))
}

/// The same request may succeed later without anybody changing anything: the server was busy, away, or somebody else was quicker.
#[must_use]
pub fn is_retryable(error: &Error) -> bool {
    match error {
        Error::Api(status) => matches!(status.code, 408 | 409 | 429 | 500..=599),
        Error::HyperError(_) | Error::Service(_) | Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// How the server asked to be left alone for a while.
#[must_use]
pub fn retry_after(error: &Error) -> Option<std::time::Duration> {
    let seconds = status(error)?.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| std::time::Duration::from_secs(seconds.into()))
}

/// What went wrong in words for a person, without kube's repetition of the whole status.
#[must_use]
pub fn message(error: &Error) -> String {
    match status(error) {
        Some(status) if !status.message.is_empty() => status.message.clone(),
        _ => error.to_string(),
    }
}
