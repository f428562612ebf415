//! Keys of the store's secrets kept by a plugin that serves Kubernetes' KMS v2 (staging/src/k8s.io/kms/apis/v2/api.proto) on a socket.
//!
//! The plugin never sees an object: it encrypts a secret that is drawn at random here, once at each start and whenever its own key
//! changes; the store derives a key of its own from the secret for each write (KEP-3299, as upstream since 1.29).

mod client;
mod messages;
mod service;

pub use service::{KmsOptions, KmsService};
