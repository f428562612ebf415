//! What the cli decides for the controllers.

use std::sync::Arc;
use std::time::Duration;

use crate::node_ipam::NodeNetworks;
use crate::signer::Signer;

/// Values that are given to the controllers from outside.
#[derive(Clone)]
pub struct Settings {
    /// The certificates (PEM) by which pods know the apiserver: the content of every `kube-root-ca.crt`.
    pub root_ca: String,
    /// Who signs certificate requests. Without one they are approved but stay unsigned.
    pub signer: Option<Arc<dyn Signer>>,
    /// How long a node may be silent before its Ready condition becomes Unknown (upstream: 50 s).
    pub node_monitor_grace: Duration,
    /// The number of ended pods that are kept cluster-wide; the oldest beyond it are deleted (upstream: 12500).
    pub terminated_pods: usize,
    /// How long a service account's token of the old kind has to be unused to be marked, and then to be deleted (upstream: a year).
    pub legacy_tokens_unused_for: Duration,
    /// Where nodes get networks for their pods from, if they get any.
    pub node_networks: Option<NodeNetworks>,
}

impl Default for Settings {
    /// Upstream's numbers, no certificates.
    fn default() -> Self {
        Self {
            root_ca: String::new(),
            signer: None,
            node_monitor_grace: Duration::from_secs(50),
            terminated_pods: 12_500,
            legacy_tokens_unused_for: Duration::from_secs(365 * 24 * 3600),
            node_networks: None,
        }
    }
}
