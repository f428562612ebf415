//! The cluster's own certificates: one authority in a directory, what it issues, and TLS configurations made of it.
//!
//! One authority vouches for servers and clients alike: the roles in a certificate (`serverAuth`, `clientAuth`) keep them apart.
//! Keys are ECDSA P-256. Everything is created once and found again at the next start; a certificate with less than a third of
//! its life left is issued anew then, and between 70 and 90 % of its life while the process runs ([`keep_renewed`]).

mod authority;
mod error;
mod files;
mod identity;
mod live;
mod pinned;
mod renewal;
mod signer;
mod subject;
mod tls;
mod token_key;
mod validity;

#[cfg(test)]
mod tests;

pub use authority::Authority;
pub use error::Error;
pub use identity::{Identity, Pending, certificates};
pub use live::LiveCertificate;
pub use pinned::{pin_of, pinned_client_config};
pub use renewal::keep_renewed;
pub(crate) use signer::requested_organizations;
pub use signer::{
    KUBE_APISERVER_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, Refused, Requested, SigningRequest, requested,
};
pub use subject::{Purpose, Subject};
pub use tls::{Clients, client_config, live_client_config, provider, roots, server_config};
pub use token_key::TokenKey;
