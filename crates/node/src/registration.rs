//! The Node object and its lease: who this node is, what it has, that it lives.

mod lease;
mod object;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::{Node, NodeStatus};
use sampan_client::{
    Api, Backoff, BackoffPolicy, Client, Error, Informer, Patch, PatchParams, PostParams, ResourceExt, error,
};
use sampan_runtime::Runtime;
use serde_json::json;

use crate::context::Context;
use crate::{Capacity, Config, System};

/// Between two heartbeats, as the kubelet's.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Between two writes of a status that did not change, as the kubelet's.
const FULL_REPORT: jiff::SignedDuration = jiff::SignedDuration::from_secs(300);

/// What of the configuration the Node shows.
pub(crate) struct Facts {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) capacity: Capacity,
    pub(crate) system: System,
    pub(crate) port: Option<u16>,
    pub(crate) runtimes: Vec<Arc<dyn Runtime>>,
}

impl Facts {
    pub(crate) fn new(config: &Config) -> Self {
        let port = config.api.as_ref().and_then(|api| api.listener.local_addr().ok()).map(|address| address.port());
        Self {
            labels: config.labels.clone(),
            capacity: config.capacity,
            system: config.system.clone(),
            port,
            runtimes: config.runtimes.clone(),
        }
    }
}

/// Registers the node and keeps it alive, for ever.
pub(crate) async fn run(context: Arc<Context>, facts: Facts) {
    let mut backoff = Backoff::new(BackoffPolicy::WATCH, context.entropy.clone());
    let mut report = Report { written: None, overwritten: false };
    let mut lease = lease::Lease::new(&context);
    let own = Informer::builder(Api::<Node>::all(context.client.clone()))
        .fields(&format!("metadata.name={}", context.node_name))
        .start(context.entropy.clone());
    let mut changes = own.subscribe();
    let mut ticks = tokio::time::interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { biased;
            _ = ticks.tick() => {}
            Some(change) = changes.next() => match report.notices(change.new.as_deref()) {
                true => report.overwritten = true,
                false => continue,
            }
        }
        while let Err(failed) = beat(&context, &facts, &mut report, &mut lease).await {
            let why = error::message(&failed);
            tracing::warn!(node = context.node_name, why, "failed to report the node; it is tried again");
            tokio::time::sleep(backoff.failed()).await;
        }
        backoff.succeeded();
    }
}

/// What was reported last.
struct Report {
    written: Option<(NodeStatus, jiff::Timestamp)>,
    /// Somebody else changed a condition since: the node lifecycle controller, while this node was silent.
    overwritten: bool,
}

impl Report {
    /// Whether the server has another word than ours on a condition of ours.
    fn notices(&self, node: Option<&Node>) -> bool {
        let (Some((written, _)), Some(node)) = (&self.written, node) else { return false };
        node.status.as_ref().is_some_and(|status| object::contradicts(status, written))
    }
}

async fn beat(context: &Context, facts: &Facts, report: &mut Report, lease: &mut lease::Lease) -> Result<(), Error> {
    let api = Api::<Node>::all(context.client.clone());
    let ready = object::readiness(&facts.runtimes).await;
    let now = context.now();
    let last = report.written.as_ref().map(|(status, _)| status);
    let status = object::status(context, facts, &ready, last, now);
    if report.written.is_none() {
        let node = register(&api, context, facts, &ready).await?;
        lease.owner(node.uid().unwrap_or_default());
        // Conditions go on from what an earlier agent wrote.
        let status = object::status(context, facts, &ready, node.status.as_ref(), now);
        write(&api, context, &status).await?;
        report.written = Some((status, now));
    } else if let Some((written, at)) = &report.written
        && (report.overwritten || !object::same(written, &status) || now.duration_since(*at) >= FULL_REPORT)
    {
        match write(&api, context, &status).await {
            Ok(()) => *report = Report { written: Some((status, now)), overwritten: false },
            // Somebody deleted the node: it registers again.
            Err(failed) if error::is_not_found(&failed) => report.written = None,
            Err(failed) => return Err(failed),
        }
    }
    lease.renew(now).await
}

/// The Node as it is at the apiserver, with our labels and annotations.
async fn register(api: &Api<Node>, context: &Context, facts: &Facts, ready: &object::Readiness) -> Result<Node, Error> {
    let node = object::node(context, facts, ready);
    match api.create(&PostParams::default(), &node).await {
        Err(failed) if error::is_already_exists(&failed) => {
            let own = json!({"metadata": {"labels": node.metadata.labels, "annotations": node.metadata.annotations}});
            api.patch(&context.node_name, &PatchParams::default(), &Patch::Merge(own)).await
        }
        created => created,
    }
}

async fn write(api: &Api<Node>, context: &Context, status: &NodeStatus) -> Result<(), Error> {
    let patch = json!({"status": status});
    api.patch_status(&context.node_name, &PatchParams::default(), &Patch::Strategic(patch)).await.map(drop)
}

/// For the lease: the client.
pub(crate) fn client(context: &Context) -> Client {
    context.client.clone()
}
