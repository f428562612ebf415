//! The agent: its parts, started and stopped together.

mod pods;
#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::pod::workers::Workers;
use crate::{Config, local_volumes, registration, runtimes, server, static_pods};

/// Why an agent could not begin.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The data directory cannot be used.
    #[error("failed to prepare data directory {}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The agent of one node.
pub struct Agent {
    config: Config,
}

impl Agent {
    /// Prepares an agent; nothing happens before [`Agent::run`].
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Works until `stop` is cancelled. Containers go on running; the next agent takes them back.
    pub async fn run(self, stop: CancellationToken) -> Result<(), AgentError> {
        let Self { config } = self;
        let context = Arc::new(prepare(&config)?);
        *context.adopted.lock() = runtimes::adopt(&context.runtimes).await;
        let workers = Workers::new(context.clone(), stop.clone());
        let mut parts = JoinSet::new();
        parts.spawn(context.checkpoint.clone().run());
        for (position, runtime) in context.runtimes.iter().enumerate() {
            parts.spawn(runtimes::listen(position, runtime.clone(), workers.clone()));
        }
        parts.spawn(tell_of_references(context.clone(), workers.clone()));
        parts.spawn(local_volumes::run(context.clone()));
        let (mirrors, statics) = static_pods::channel();
        parts.spawn(static_pods::run(config.static_pod_dir.clone(), context.clone(), workers.clone(), statics));
        parts.spawn(pods::follow(context.clone(), workers.clone(), mirrors));
        parts.spawn(registration::run(context.clone(), registration::Facts::new(&config)));
        if let Some(api) = config.api {
            parts.spawn(server::run(api, context.clone(), workers.clone(), stop.clone()));
        }
        stop.cancelled().await;
        workers.stopped().await;
        parts.shutdown().await;
        context.checkpoint.flush().await;
        Ok(())
    }
}

fn prepare(config: &Config) -> Result<Context, AgentError> {
    let path = config.data_dir.clone();
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.and_then(|()| Context::new(config)).map_err(|source| AgentError::Directory { path, source })
}

/// Changes of ConfigMaps and Secrets go to the pods that use them.
async fn tell_of_references(context: Arc<Context>, workers: Workers) {
    let Some(mut changes) = context.references.changes() else { return };
    while let Some(uid) = changes.recv().await {
        workers.references_changed(&uid);
    }
}
