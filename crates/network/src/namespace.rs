//! Pods in network namespaces of their own beside the addresses of loopback mode.
//!
//! To a namespace all of 127.0.0.0/8 is its own, so that packets for pods and Services never leave it. Two routes lead them to the
//! machine's network instead, where the service proxy and Wasm pods listen, and a setting of both devices lets such addresses pass. No
//! rule per Service is needed, and nothing listens in the pod, where it could take a port that a container wants.

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sampan_runtime::{Error, Result};
use tokio::process::Command;

const JOIN: &str = include_str!("namespace/join.sh");

/// The programs that do it are quick, but for who holds the packet filter's lock.
const PATIENCE: Duration = Duration::from_secs(20);

/// Joins the namespace at `path`, where the pod has address `ip`; doing it again changes nothing. There is nothing to undo: it ends with
/// the namespace.
pub(crate) async fn join(path: &Path, ip: IpAddr) -> Result<()> {
    if ip.is_ipv6() {
        return Err(Error::Invalid(format!("cluster addresses are of IPv4, and the pod's is {ip}")));
    }
    let mut command = Command::new("sh");
    command.args(["-c", JOIN, "join"]).arg(path).arg(ip.to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let failed =
        |why: String| Error::Unavailable(format!("failed to lead pods and Services into {}: {why}", path.display()));
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| failed(format!("not done within {} s", PATIENCE.as_secs())))?;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_joined_says_why() {
        let nowhere = Path::new("/no/such/namespace");
        let error = join(nowhere, "::1".parse().expect("an address")).await.expect_err("of the other family");
        assert!(!error.retryable(), "{error}");
        let error = join(nowhere, "192.0.2.1".parse().expect("an address")).await.expect_err("there is none");
        assert!(error.to_string().starts_with("failed to lead pods and Services into /no/such/namespace: "), "{error}");
    }
}
