//! Images from archives on the node's disk, for machines without a registry: what lies in a directory is in containerd soon after the start.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// Where containerd keeps what CRI shows.
const NAMESPACE: &str = "k8s.io";

/// Brings the archives (`*.tar`, as `docker save` or `skopeo copy … oci-archive:` make them) of `directory` into the containerd behind
/// `socket`, with its own client. What is there already costs little; what cannot be read is told of and left out.
pub(crate) async fn import(socket: PathBuf, directory: PathBuf) {
    let archives = match archives(&directory) {
        Ok(archives) => archives,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return tracing::warn!(directory = %directory.display(), %error, "no images are imported"),
    };
    for archive in archives {
        match import_one(&socket, &archive).await {
            Ok(()) => tracing::info!(archive = %archive.display(), "images are imported"),
            Err(error) => tracing::warn!(archive = %archive.display(), %error, "images are not imported"),
        }
    }
}

/// In the order of their names.
fn archives(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
    found.sort();
    Ok(found)
}

async fn import_one(socket: &Path, archive: &Path) -> io::Result<()> {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(socket).args(["--namespace", NAMESPACE, "images", "import"]).arg(archive);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
