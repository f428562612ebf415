//! The HTTP face of a cluster: the Kubernetes API as kubectl, client-go and kube-rs speak it.
//!
//! | module | holds |
//! |---|---|
//! | [`server`](ApiServer) | what a server is made of |
//! | `service`, `listener` | the two ways in: in process (`tower::Service`) and TLS 1.3 with HTTP/1.1 and HTTP/2 |
//! | `pipeline` | the way of every request: panic guard, identity, overload, authorization, deadline, answer |
//! | `path`, `query`, `negotiate` | what a request means and which form its answer takes |
//! | `decode`, `encode`, `gzip`, `pretty` | bytes to values and objects to bytes: JSON, YAML, protobuf, tables, metadata |
//! | `flow_control` | who may go on at once, who waits, who is refused |
//! | `verbs` | get, list, watch, create, update, patch, delete over the registry |
//! | `reviews`, `connect` | what is answered without being stored: access reviews, tokens, logs, streams, proxies |
//! | `discovery`, `openapi`, `health`, `metrics` | what the server says about itself |
//! | [`audit`](Audit) | who did what and what came of it, as lines of `audit.k8s.io/v1` |
//! | `aggregation` | APIServices: what extension servers serve, and requests for it passed on |
//! | `provider_keys` | the keys of OpenID providers |
//! | `kubernetes_service` | the Service `default/kubernetes` and its endpoints |
//!
//! What it does not do: it decides nothing about objects (the registry does) nor about people (access does), keeps no state of its own
//! but counters and cached documents, and serves no kind by name except where an answer is not a stored object.
//!
//! Invariants:
//! - an object is encoded once per change and encoding; lists, tables and watches are put together from the shared bytes;
//! - a request that panics is answered 500 and harms no other; a body, a depth and a wait are bounded;
//! - nothing is answered before it was authenticated and authorized, except that credentials which do not hold get 401.

mod aggregation;
mod audit;
mod blocks;
mod body;
mod caller;
mod component_statuses;
mod connect;
mod decode;
mod discovery;
mod encode;
mod flow_control;
mod gzip;
mod health;
mod impersonate;
mod kubernetes_service;
mod listener;
mod metrics;
mod negotiate;
mod node_client;
mod openapi;
mod path;
mod pipeline;
mod pretty;
mod provider_keys;
mod query;
mod reply;
mod reviews;
mod server;
mod service;
mod service_endpoints;
mod trace;
mod verbs;
mod version;
mod webhook_client;

pub use aggregation::FrontProxy;
pub use audit::{
    Audit, BatchOptions, Batches, FileOptions, Level, Log, LogFile, Mode, Policy, PolicyError, Receiver, Sink, Stage,
    Throttle, Webhook,
};
pub use body::{Body, BodyError, BoxError};
pub use flow_control::Limits;
pub use kubernetes_service::{Address, publish};
pub use server::{ApiServer, Options};
pub use service::Service;
pub use trace::{RequestSpan, Spans, Tracer};
pub use version::Version;
pub use webhook_client::HttpsWebhooks;
