//! Streams into containers. containerd answers Exec, Attach and PortForward with a place on the loopback where it serves them by SPDY, for
//! one client each: this is the client, as the kubelet is upstream (`k8s.io/kubelet/pkg/cri/streaming`). Of the protocols containerd
//! serves there, SPDY alone can say that a command's input is over.

mod dial;
mod forward;
mod remote;

use std::time::Duration;

use futures::future::BoxFuture;
use sampan_runtime::{Connection, ContainerState, Error, Exec, Ran, Result, Streams};

use crate::cri;
use crate::runtime::Parts;

/// What a command that is waited for may take beyond its time until containerd has killed it and said so.
const KILLING: Duration = Duration::from_secs(10);

impl Exec for Parts {
    fn run<'a>(&'a self, id: &'a str, command: Vec<String>, streams: Streams) -> BoxFuture<'a, Result<i32>> {
        Box::pin(async move {
            let (container_id, subject) = self.running(id).await?;
            let tty = streams.terminal.is_some();
            let request = cri::ExecRequest { container_id, cmd: command, tty, stdin: true, stdout: true, stderr: !tty };
            let url = self.client.call(request, &subject).await?.url;
            remote::carry(dial::dial(&url, dial::REMOTE).await?, streams, &subject).await
        })
    }

    /// By ExecSync, which kills a command that takes too long; the other way nobody would.
    fn run_within<'a>(
        &'a self,
        id: &'a str,
        command: Vec<String>,
        limit: Duration,
    ) -> BoxFuture<'a, Result<Option<Ran>>> {
        Box::pin(async move {
            let (container_id, subject) = self.running(id).await?;
            let begin = tokio::time::Instant::now();
            let request = cri::ExecSyncRequest { container_id, cmd: command, timeout: seconds(limit) };
            match self.client.call_within(request, &subject, limit.saturating_add(KILLING)).await {
                Ok(answer) => Ok(Some(Ran::new(answer.exit_code, [answer.stdout, answer.stderr].concat()))),
                Err(_) if begin.elapsed() >= limit => Ok(None),
                Err(Error::Unavailable(why)) => Err(Error::Invalid(why)),
                Err(error) => Err(error),
            }
        })
    }
}

/// CRI counts in whole seconds, and takes none for no limit.
fn seconds(limit: Duration) -> i64 {
    i64::try_from(limit.as_millis().div_ceil(1000).max(1)).unwrap_or(0)
}

impl Parts {
    pub(crate) async fn attach(&self, id: &str, streams: Streams) -> Result<()> {
        let (container_id, subject) = self.running(id).await?;
        let tty = streams.terminal.is_some();
        let request = cri::AttachRequest { container_id, stdin: true, tty, stdout: true, stderr: !tty };
        let url = self.client.call(request, &subject).await?.url;
        let connection = dial::dial(&url, dial::REMOTE).await?;
        let (streams, passing) = remote::never_waiting(streams);
        let mut passing = std::pin::pin!(passing);
        tokio::select! { biased;
            ended = remote::carry(connection, streams, &subject) => {
                // What was printed last may still be on its way to the client.
                passing.await;
                ended.map(drop)
            }
            () = &mut passing => Ok(()),
        }
    }

    pub(crate) async fn connect(&self, sandbox: &str, port: u16) -> Result<Box<dyn Connection>> {
        let found = self.find_sandbox(sandbox).await?;
        let request = cri::PortForwardRequest { pod_sandbox_id: found.id, port: vec![i32::from(port)] };
        let url = self.client.call(request, &format!("sandbox {sandbox}")).await?.url;
        let connection = dial::dial(&url, dial::FORWARD).await?;
        Ok(Box::new(forward::forward(connection, port)))
    }

    /// containerd's id of a container that runs, and what to call it.
    pub(crate) async fn running(&self, id: &str) -> Result<(String, String)> {
        let (found, status) = self.known(id).await?;
        match status.state {
            ContainerState::Running { .. } => Ok((found, format!("container {id}"))),
            _ => Err(Error::Invalid(format!("container {id} does not run"))),
        }
    }
}
