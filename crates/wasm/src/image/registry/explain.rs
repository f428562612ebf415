//! What registries answer, in words that name the image and the next step.

use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use sampan_runtime::Error;

use super::Registry;
use crate::image::bad;

impl Registry {
    pub(super) fn explain(&self, error: OciDistributionError) -> Error {
        match error {
            OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => {
                self.lie(&expected, &actual)
            }
            OciDistributionError::ImageManifestNotFoundError(_) => {
                self.pull_error("the registry has no such image; check name and tag".to_owned())
            }
            OciDistributionError::ServerError { code: 404, .. } => {
                self.pull_error("the registry has no such image; check name and tag".to_owned())
            }
            OciDistributionError::RegistryError { envelope, .. } if not_found(&envelope.errors) => {
                self.pull_error("the registry has no such image; check name and tag".to_owned())
            }
            error if is_refusal(&error) => self.pull_error(format!(
                "the registry refuses it ({error}); check the pull secrets of the pod and its service account"
            )),
            error => self.pull_error(format!("{}; is the registry up and its name right?", with_sources(&error))),
        }
    }

    /// The client checks digests too, and says so in the middle of a stream.
    pub(super) fn explain_stream(&self, digest: &str, error: &std::io::Error) -> Error {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<DigestError>()) {
            Some(DigestError::VerificationError { expected, actual }) => self.lie(expected, actual),
            _ => self.pull_error(format!("blob {digest}: {}", with_sources(error))),
        }
    }

    pub(super) fn lie(&self, expected: &str, actual: &str) -> Error {
        bad(
            &self.name,
            format!(
                "the registry sent content with digest {actual} for {expected}; it is damaged or was tampered with"
            ),
        )
    }

    pub(super) fn pull_error(&self, message: String) -> Error {
        Error::Pull { image: self.name.clone(), message }
    }
}

pub(super) fn is_refusal(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => true,
        OciDistributionError::ServerError { code, .. } => matches!(code, 401 | 403),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| matches!(error.code, OciErrorCode::Denied | OciErrorCode::Unauthorized))
        }
        _ => false,
    }
}

fn not_found(errors: &[oci_client::errors::OciError]) -> bool {
    errors.iter().any(|error| {
        matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound)
    })
}

/// An error with what caused it, which is where the reason stands.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
