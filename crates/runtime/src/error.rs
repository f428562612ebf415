//! What can go wrong, sorted by what the node does about it.

/// A runtime's answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a runtime could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be had now: registry down, no such tag, no permission. Tried again with backoff (`ErrImagePull`).
    #[error("failed to pull image {image}: {message}")]
    Pull {
        /// The reference asked for.
        image: String,
        /// What the registry said and what to do next.
        message: String,
    },
    /// What was pulled is not a valid image, or its digest is wrong. Not worth trying again until the image changes (`InvalidImage`).
    #[error("image {image} cannot be used: {message}")]
    BadImage {
        /// The reference asked for.
        image: String,
        /// What is wrong with it.
        message: String,
    },
    /// The container cannot be made as configured (`CreateContainerError`): an import the node does not offer, a mount that is missing.
    #[error("{0}")]
    Invalid(String),
    /// No such sandbox or container.
    #[error("{0} not found")]
    NotFound(String),
    /// The runtime itself is not there or failed; trying again may help.
    #[error("{0}")]
    Unavailable(String),
}

impl Error {
    /// Whether doing the same again can help without anybody changing anything.
    pub fn retryable(&self) -> bool {
        matches!(self, Error::Pull { .. } | Error::Unavailable(_))
    }
}
