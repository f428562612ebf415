//! The cluster's own certificates: one authority in a directory, what it issues, and TLS configurations made of it.
//!
//! One authority vouches for servers and clients alike: the roles in a certificate (`serverAuth`, `clientAuth`) keep them apart.
//! Keys are ECDSA P-256. Everything is created once and found again at the next start; a certificate with less than a third of
//! its life left is issued anew.

mod authority;
mod error;
mod files;
mod identity;
mod pinned;
mod signer;
mod subject;
mod tls;
mod token_key;
mod validity;

#[cfg(test)]
mod tests;

pub use authority::Authority;
pub use error::Error;
pub use identity::{Identity, Pending};
pub use pinned::{pin_of, pinned_client_config};
pub(crate) use signer::requested_organizations;
pub use signer::{
    KUBE_APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, Refused, Requested, SigningRequest, requested,
};
pub use subject::{Purpose, Subject};
pub use tls::{Clients, ServerCertificate, client_config, provider, roots, server_config};
pub use token_key::TokenKey;
