//! Who may do what: identities, certificates, tokens, authorization and admission.
//!
//! | module | answers |
//! |---|---|
//! | [`pki`] | which certificates exist: the cluster's own authority, what it issues, TLS configurations made of it |
//! | [`authn`] | who is asking: client certificates, service-account tokens, bootstrap tokens, nobody |
//! | [`oidc`] | whose an ID token of somebody else's is, by the keys and rules of its issuer |
//! | [`token`] | service-account tokens: minting them and judging them |
//! | [`authz`] | may they: RBAC and the node rules, over a compiled index |
//! | [`admission`] | may *this object* enter: the chain of admission plugins |
//! | [`bootstrap`] | the roles and bindings every cluster starts with, and how a changed set is reconciled |
//! | [`join`] | the tokens with which a machine joins the cluster |
//! | [`kubeconfig`] | the file kubectl reads |
//!
//! What it does not do: no HTTP, no sockets, no writes to the store. Decisions are functions over
//! [`sampan_api::request::Attributes`] and a [`sampan_api::request::Lister`]; the only I/O is [`pki`] keeping its keys in a
//! directory.
//!
//! Invariants:
//! - nobody is allowed anything that no rule grants; an error while looking up a rule never grants;
//! - a bound token is worth nothing once what it is bound to is gone, or was replaced under the same name;
//! - a role or binding can only be written by somebody who holds what it grants (or may `escalate`/`bind`);
//! - private keys lie in files of mode 0600 and never appear in an error, a log line or a `Debug` form;
//! - the time is what the given `Clock` says, everywhere, TLS handshakes included.

pub mod admission;
pub mod authn;
pub mod authz;
pub mod bootstrap;
mod extension_authentication;
pub mod join;
pub mod kubeconfig;
pub mod oidc;
pub mod pki;
pub mod token;

#[cfg(test)]
mod testing;

pub use admission::Chain;
pub use authn::{Authenticator, Unauthorized};
pub use authz::{Authorizer, Decision};
pub use extension_authentication::extension_authentication;
pub use pki::Authority;
