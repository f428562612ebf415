//! How a pod gets its address. The node asks, a network answers; runtimes only use the result.

use std::net::IpAddr;
use std::path::PathBuf;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::Result;

/// The pod a network is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodRef {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
    /// UID of the pod: what the address belongs to.
    pub uid: String,
}

/// Where a pod lives on the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkAttachment {
    /// An address that this machine lets anyone bind (loopback mode): listeners bind it, outgoing connections start from it.
    Address {
        /// The pod's address.
        ip: IpAddr,
    },
    /// A network namespace of the pod's own.
    Namespace {
        /// The pod's address in it.
        ip: IpAddr,
        /// File to enter it by.
        path: PathBuf,
    },
    /// The node's own network (`hostNetwork: true`).
    Host {
        /// The node's address.
        ip: IpAddr,
    },
}

impl NetworkAttachment {
    /// The address others reach the pod by.
    pub fn ip(&self) -> IpAddr {
        match self {
            Self::Address { ip } | Self::Namespace { ip, .. } | Self::Host { ip } => *ip,
        }
    }
}

/// Gives pods their network. Both calls are idempotent and survive the agent's restart: the same pod gets the same answer.
pub trait PodNetwork: Send + Sync + 'static {
    /// The pod's network, made now if it is not there yet.
    fn attach(&self, pod: &PodRef) -> BoxFuture<'_, Result<NetworkAttachment>>;

    /// Gives the pod's address back.
    fn detach(&self, pod: &PodRef) -> BoxFuture<'_, Result<()>>;

    /// Connects a network that a pod's runtime made with what this one serves: other pods, Services. Called before containers start in
    /// it, and again after the agent's start. A pod that cannot be connected runs all the same.
    fn join<'a>(&'a self, made: &'a NetworkAttachment) -> BoxFuture<'a, Result<()>> {
        let _ = made;
        Box::pin(async { Ok(()) })
    }
}
