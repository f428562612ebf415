//! Who signs certificate requests: given by the cli, which holds the authority's key.

use futures::future::BoxFuture;

/// Signs certificate requests in the cluster's name.
///
/// # Contract
/// Called once per approved request, and again after a failure. It checks nothing about who may have what: that was done before. It
/// must refuse a request it cannot read.
pub trait Signer: Send + Sync {
    /// Reads what a request (PEM) asks for, after checking that it is signed by the key it is for.
    fn read(&self, request: &[u8]) -> Result<RequestedIdentity, SigningError>;

    /// Signs `request` (PEM) for the usages named (`client auth`, `digital signature`, …), valid for at most `expiration_seconds`
    /// if given. Returns the certificate, with the intermediate ones if there are any (PEM).
    fn sign<'a>(
        &'a self,
        request: &'a [u8],
        signer_name: &'a str,
        usages: &'a [String],
        expiration_seconds: Option<i32>,
    ) -> BoxFuture<'a, Result<Vec<u8>, SigningError>>;
}

/// Who a certificate request wants to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestedIdentity {
    /// The subject's common name.
    pub common_name: String,
    /// The subject's organizations, in their order.
    pub organizations: Vec<String>,
    /// The alternative names: DNS names and addresses; of a name of another kind, the kind.
    pub alternative_names: Vec<String>,
}

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The request itself cannot be signed, now or later.
    #[error("{0}")]
    Refused(String),
    /// The authority cannot be used at the moment.
    #[error("{0}")]
    Unavailable(String),
}

impl SigningError {
    /// Whether the same request may be signed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
