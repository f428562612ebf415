//! Which version this is, and which Kubernetes it speaks.

/// The Kubernetes release whose API is served.
pub(crate) const KUBERNETES: (u32, u32, u32) = (1, 36, 0);

/// This binary's own version.
pub(crate) const SAMPAN: &str = env!("CARGO_PKG_VERSION");

/// What a node shows as `kubeletVersion`, and `/version` as `gitVersion`.
pub(crate) fn kubelet() -> String {
    let (major, minor, patch) = KUBERNETES;
    format!("v{major}.{minor}.{patch}+sampan.{SAMPAN}")
}
