//! Failures of opening, and the one place where a failure of the store becomes a `Status`.

use sampan_meta::{GroupResource, Status};

/// Why a registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error("failed to load the objects of the store")]
    Store(#[from] sampan_store::Error),
    /// The service network has no room for a single address.
    #[error("service network {0} is unusable: {1}")]
    ServiceNetwork(String, &'static str),
    /// What every cluster has could not be made.
    #[error("failed to create the objects every cluster has")]
    Bootstrap(#[source] Status),
}

impl OpenError {
    /// Whether trying again can help.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.retryable(),
            Self::Bootstrap(status) => status.retryable(),
            Self::ServiceNetwork(..) => false,
        }
    }
}

/// What a client is told when the store refuses a write of the object.
pub(crate) fn store_status(error: &sampan_store::Error, resource: &GroupResource, name: &str) -> Status {
    use sampan_store::Error;
    match error {
        Error::Conflict { .. } => Status::modified(resource, name),
        Error::Exists(_) => Status::already_exists(resource, name),
        Error::NotFound(_) => Status::not_found(resource, name),
        Error::Compacted { requested, oldest } => {
            Status::expired(format!("too old resource version: {requested} ({oldest})"))
        }
        Error::TooLarge { size, limit, .. } => {
            Status::request_entity_too_large(format!("{resource} {name:?} has {size} bytes, the limit is {limit}"))
        }
        Error::Unavailable(_) => {
            tracing::warn!(%resource, name, %error, "the store did not take a write");
            unavailable(error)
        }
        Error::BadKey(_) => {
            Status::bad_request(format!("{resource} {name:?}: the name is too long or holds a NUL character"))
        }
        Error::Unusable(_) | Error::Corrupt(_) => {
            tracing::error!(%resource, name, %error, "the store cannot be used");
            Status::internal(error)
        }
    }
}

/// What a client is told while the store does not answer: why, and to come again.
///
/// Upstream answers 500 with whatever etcd's client said, and no `Retry-After`; here it is known that trying again is right.
pub(crate) fn unavailable(error: &sampan_store::Error) -> Status {
    let mut status = Status::service_unavailable(error.to_string());
    status.details_mut().retry_after_seconds = 1;
    status
}
