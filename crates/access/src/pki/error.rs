use std::io;
use std::path::PathBuf;

/// Why a key or certificate could not be made, kept or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// which
        path: PathBuf,
        /// why
        #[source]
        source: io::Error,
    },
    /// A file or directory cannot be written.
    #[error("failed to write {path}")]
    Write {
        /// which
        path: PathBuf,
        /// why
        #[source]
        source: io::Error,
    },
    /// A file is there and is not what it should be. It is left alone: whatever replaced it would break every client.
    #[error("{path} cannot be used: {why}; restore it from a backup, or move it away to have a new one made")]
    Damaged {
        /// which
        path: PathBuf,
        /// what is wrong with it
        why: String,
    },
    /// A PEM text given by somebody else holds no usable certificate or key.
    #[error("no usable {what}: {why}")]
    Pem {
        /// certificate, key, ..
        what: &'static str,
        /// what is wrong with it
        why: String,
    },
    /// A certificate cannot be made.
    #[error("failed to issue a certificate for {name}: {why}")]
    Issue {
        /// whose
        name: String,
        /// why
        why: String,
    },
    /// A TLS configuration cannot be made of what there is.
    #[error("failed to set up tls")]
    Tls(#[source] rustls::Error),
}

impl Error {
    /// Whether the same call may succeed later: a full disk or a missing mount may pass, a damaged file does not.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Write { .. })
    }
}
