//! What pods use, asked of the runtimes that run them.

use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::ContainerStatus;
use sampan_runtime::ContainerStats;

use crate::context::Context;
use crate::pod::workers::{View, Workers};

/// Runtimes asked at the same time.
const AT_ONCE: usize = 16;

/// A pod and what those of its containers that run use.
pub(crate) struct Pod {
    pub(crate) view: Arc<View>,
    pub(crate) containers: Vec<Container>,
}

pub(crate) struct Container {
    pub(crate) name: String,
    /// Where it runs and what it is called there.
    pub(crate) runtime: usize,
    pub(crate) id: String,
    pub(crate) stats: ContainerStats,
    /// When it was measured.
    pub(crate) at: Timestamp,
    pub(crate) started: Option<Timestamp>,
}

impl Pod {
    pub(crate) fn total(&self) -> ContainerStats {
        let mut total = ContainerStats::default();
        for container in &self.containers {
            total.cpu_usage += container.stats.cpu_usage;
            total.memory_bytes += container.stats.memory_bytes;
        }
        total
    }
}

/// Every pod of the node, measured now, in the order of its names.
pub(crate) async fn pods(context: &Context, workers: &Workers) -> Vec<Pod> {
    let mut views = workers.views();
    views.sort_by(|a, b| {
        let name = |view: &View| (view.pod.metadata.namespace.clone(), view.pod.metadata.name.clone());
        name(a).cmp(&name(b))
    });
    futures::stream::iter(views).map(|view| pod(context, view)).buffered(AT_ONCE).collect().await
}

async fn pod(context: &Context, view: Arc<View>) -> Pod {
    let mut containers = Vec::new();
    for (name, runs) in &view.runs {
        let Some((runtime, id)) = &runs.running else { continue };
        // One that ended meanwhile has no figures.
        let Ok(stats) = context.runtimes[*runtime].stats(id).await else { continue };
        let (at, started) = (context.now(), started(&view, name));
        containers.push(Container { name: name.clone(), runtime: *runtime, id: id.clone(), stats, at, started });
    }
    Pod { view, containers }
}

fn started(view: &View, container: &str) -> Option<Timestamp> {
    status(view, container)?.state.as_ref()?.running.as_ref()?.started_at.as_ref().map(|time| time.0)
}

/// What the pod's status says of the container.
pub(crate) fn status<'a>(view: &'a View, container: &str) -> Option<&'a ContainerStatus> {
    let view = &view.status;
    let all = [&view.init_container_statuses, &view.container_statuses, &view.ephemeral_container_statuses];
    all.into_iter().flatten().flatten().find(|status| status.name == container)
}
