//! Running several parts in one process until they are asked to stop.

use std::fmt;
use std::future::Future;

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What to do about an error, as the last line a user reads.
#[derive(Debug)]
pub(crate) struct Hint(pub(crate) String);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hint {}

/// The parts of a running process, by name.
pub(crate) struct Parts {
    stop: CancellationToken,
    running: JoinSet<(&'static str, Result<()>)>,
}

impl Parts {
    pub(crate) fn new() -> Self {
        Self { stop: CancellationToken::new(), running: JoinSet::new() }
    }

    /// What tells every part to end.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a part that ends with success once asked to stop.
    pub(crate) fn start(&mut self, name: &'static str, part: impl Future<Output = Result<()>> + Send + 'static) {
        let part: BoxFuture<'static, Result<()>> = Box::pin(part);
        self.running.spawn(async move { (name, part.await) });
    }

    /// Waits for Ctrl-C, SIGTERM or a part that fails, then stops all others and waits for them.
    pub(crate) async fn until_stopped(mut self) -> Result<()> {
        let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for Ctrl-C")?;
        let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
        let outcome = tokio::select! {
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
            Some(ended) = self.running.join_next() => match ended {
                Ok((name, Ok(()))) => Err(anyhow::anyhow!("the {name} ended by itself")),
                Ok((name, Err(error))) => Err(error.context(format!("the {name} failed"))),
                Err(panic) => Err(anyhow::Error::new(panic).context("a part of the process failed")),
            },
        };
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            if let Ok((name, Err(error))) = ended {
                tracing::warn!(part = name, error = %format_args!("{error:#}"), "part failed while stopping");
            }
        }
        outcome
    }
}
