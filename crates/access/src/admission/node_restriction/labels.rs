//! Which labels a node may give itself: none that would steer other people's work to it.

use std::collections::BTreeSet;

use sampan_meta::object;
use serde_json::Value;

/// Set by kubelets, or for them by those who run them (`k8s.io/kubelet/pkg/apis/well_known_labels.go`).
const ALLOWED: [&str; 13] = [
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "node.kubernetes.io/windows-build",
];
const ALLOWED_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const RESTRICTED_DOMAIN: &str = "node-restriction.kubernetes.io";

/// The keys that differ.
pub(super) fn modified(old: &Value, new: &Value) -> BTreeSet<String> {
    let (old, new) = (object::labels(old), object::labels(new));
    let keys = old.into_iter().chain(new).flat_map(|labels| labels.keys());
    keys.filter(|key| old.and_then(|old| old.get(*key)) != new.and_then(|new| new.get(*key))).cloned().collect()
}

/// Those of them a node may not touch.
pub(super) fn forbidden(keys: &BTreeSet<String>) -> Vec<&str> {
    keys.iter().map(String::as_str).filter(|key| is_forbidden(key)).collect()
}

fn is_forbidden(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let below = |parent: &str| domain == parent || domain.ends_with(&format!(".{parent}"));
    if below(RESTRICTED_DOMAIN) {
        return true;
    }
    let is_kubernetes = below("kubernetes.io") || below("k8s.io");
    is_kubernetes && !ALLOWED.contains(&key) && !ALLOWED_DOMAINS.into_iter().any(below)
}
