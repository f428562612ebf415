//! Finding the machine's containerd.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use sampan_containers::{CgroupConfig, Config, CriRuntime, Mirror};
use sampan_runtime::{Credentials, Runtime as _};

use crate::oci;

/// Where distributions put it.
pub(crate) const USUAL: &str = "/run/containerd/containerd.sock";

/// The word that means: do not even look.
const NONE: &str = "none";

/// How long one that nobody asked for may think about whether it is of use.
const PATIENCE: Duration = Duration::from_secs(5);

/// What runs the node's containers, if anything does. One that was asked for is taken even when it is not ready yet; one that is there by
/// chance only when it is.
pub(crate) async fn runtime(
    wanted: Option<&str>,
    cgroups: CgroupConfig,
    archives: PathBuf,
    owner: &str,
    registry: &Option<Credentials>,
) -> Option<Arc<CriRuntime>> {
    let asked_for = wanted.is_some();
    let socket = Path::new(wanted.unwrap_or(USUAL));
    if wanted == Some(NONE) {
        return None;
    }
    if !asked_for && !socket.exists() {
        tracing::info!(
            "no container runtime: there is no {USUAL}; pods with container images wait until the node starts with one"
        );
        return None;
    }
    let mirror = registry.clone().map(|endpoint| Mirror { host: oci::HOST.into(), endpoint });
    let mirrors = mirror.into_iter().collect();
    let (socket_path, owner, archives) = (socket.to_owned(), owner.to_owned(), Some(archives));
    let config = Config { socket: socket_path, owner, mirrors, cgroups, archives };
    let runtime = CriRuntime::new(config);
    match tokio::time::timeout(PATIENCE, runtime.status()).await {
        Ok(Ok(status)) => {
            tracing::info!(socket = %socket.display(), version = status.version, "containers run on containerd")
        }
        Ok(Err(error)) if asked_for => {
            tracing::warn!(%error, "containerd is not ready; pods with container images wait for it")
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the machine's containerd is not used; pods with container images wait until the node starts with one");
            return None;
        }
        Err(_) if asked_for => tracing::warn!(socket = %socket.display(), "containerd does not answer yet"),
        Err(_) => {
            tracing::warn!(socket = %socket.display(), "the machine's containerd does not answer and is not used");
            return None;
        }
    }
    Some(runtime)
}

/// Ends all containers of the node.
pub(crate) async fn end(runtime: &CriRuntime) -> Result<()> {
    for sandbox in runtime.sandboxes().await? {
        runtime.close_sandbox(&sandbox.id).await?;
    }
    Ok(())
}
