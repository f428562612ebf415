//! How every part of Sampan but the apiserver sees the cluster: as a stranger with a kubeconfig would.
//!
//! [`Client`] is kube's client over whichever transport [`transport`] gives it: the apiserver's own service in one process, HTTPS
//! between machines. On top of it stand the pieces every control loop needs: [`Informer`] (one shared watch of a kind with a cache,
//! indices and subscriptions), [`WorkQueue`] (keys waiting for a reconcile), [`Recorder`] (events about objects) and
//! [`Election`] (leadership by Lease).
//!
//! # What it does not do
//! No reconciling, no caching of writes, and no client-side rate limit: fairness is the server's business.
//!
//! # Invariants
//! - Wall clock and randomness are given ([`sampan_meta::Clock`], [`sampan_meta::Entropy`]); timers are tokio's, so a test that pauses
//!   its clock runs at once and the same seed takes the same path.
//! - A slow reader never blocks a watch and never makes memory grow beyond the number of objects watched.

pub mod backoff;
pub mod election;
pub mod error;
pub mod fake;
pub mod informer;
pub mod recorder;
pub mod transport;
pub mod unread;
pub mod work_queue;

pub use backoff::{Backoff, BackoffPolicy};
pub use election::{Election, ElectionOptions, Leadership};
pub use informer::{Change, Informer, InformerBuilder, Informers, Subscription, Watched};
pub use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GetParams, ListParams, LogParams, ObjectList, PartialObjectMeta, Patch,
    PatchParams, PostParams, Preconditions, PropagationPolicy, WatchEvent, WatchParams,
};
pub use kube::client::Body;
pub use kube::core::{ClusterResourceScope, GroupVersionKind, NamespaceResourceScope, Status};
pub use kube::{Api, Client, Error, Resource, ResourceExt, discovery};
pub use recorder::{EventType, Recorder};
pub use transport::{TransportError, from_kubeconfig, in_process};
pub use work_queue::{Work, WorkQueue};
