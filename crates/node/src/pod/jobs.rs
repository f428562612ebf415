//! What takes time: done beside the worker, on copies of what it needs.

use std::sync::Arc;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, Pod};
use sampan_client::{Api, DeleteParams, Preconditions, error};
use sampan_runtime::{Isolation, NetworkAttachment, PodRef};

use super::{events, facts, sandbox, start};
use crate::context::Context;
use crate::images::{Found, ImageError, Request};
use crate::volumes;

/// The log with all its rotated files, and the last words.
pub(super) fn remove_files(log: &std::path::Path, message: &std::path::Path) {
    let _never_written = std::fs::remove_file(message);
    let (Some(parent), Some(name)) = (log.parent(), log.file_name().and_then(|name| name.to_str())) else { return };
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let rest = file.to_str().and_then(|file| file.strip_prefix(name));
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            let _gone_already = std::fs::remove_file(entry.path());
        }
    }
}

pub(super) fn pod_ref(pod: &Pod) -> PodRef {
    PodRef {
        namespace: facts::namespace(pod).to_owned(),
        name: facts::name(pod).to_owned(),
        uid: facts::uid(pod).to_owned(),
    }
}

/// Where a pod is on the network and who runs it.
pub(crate) struct Place {
    pub(crate) network: NetworkAttachment,
    /// The runtime its RuntimeClass chose, and how far apart it runs.
    pub(crate) class: (Option<usize>, Isolation),
}

/// What is asked for a place.
pub(crate) struct Attach {
    pub(crate) context: Arc<Context>,
    pub(crate) pod: Arc<Pod>,
    /// The runtime that took an image of the pod, or has its sandbox already.
    pub(crate) taken_by: Option<usize>,
    /// Number of the sandbox, should it come to one.
    pub(crate) attempt: u32,
}

impl Attach {
    /// Finds the pod's place: from the node's network or, for a runtime that makes networks itself, by opening the sandbox there. Also
    /// answers in which runtime there may be a sandbox now, whatever came of it.
    pub(crate) async fn run(&self) -> (Option<usize>, Result<Place, String>) {
        let Self { context, pod, taken_by, .. } = self;
        let class = match context.runtime_class(pod).await {
            Ok(class) => class,
            Err(why) => return (None, Err(why)),
        };
        let position = class.0.or(*taken_by).unwrap_or(0);
        let made_there = context.runtimes.get(position).is_some_and(|runtime| runtime.makes_networks());
        let opened = (made_there && !facts::host_network(pod)).then_some(position);
        let network = self.network(opened, class.1).await.map_err(|error| error.to_string());
        (opened, network.map(|network| Place { network, class }))
    }

    async fn network(&self, maker: Option<usize>, isolation: Isolation) -> sampan_runtime::Result<NetworkAttachment> {
        let Self { context, pod, attempt, .. } = self;
        match maker {
            Some(maker) => {
                let config = sandbox::config(context, pod, None, isolation, *attempt);
                context.runtimes[maker].open_sandbox(config).await
            }
            None if facts::host_network(pod) => Ok(NetworkAttachment::Host { ip: context.address }),
            None => context.network.attach(&pod_ref(pod)).await,
        }
    }
}

pub(super) async fn mount(
    context: Arc<Context>,
    pod: Arc<Pod>,
    address: Option<std::net::IpAddr>,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let has_volumes =
        facts::spec(&pod).is_some_and(|spec| spec.volumes.as_ref().is_some_and(|volumes| !volumes.is_empty()));
    if !has_volumes {
        return Ok(None);
    }
    let objects = context.references.objects(&pod).await?;
    let (tokens, refresh) = context.tokens.tokens(&pod, now).await?;
    let claims = volumes::look_up(&context.client, &pod, &context.directories).await?;
    let prepare = move || {
        let around = start::surroundings(&context, &pod, address, &objects);
        volumes::prepare(&around, &tokens, &claims, &context.directories, now).map_err(|error| error.to_string())
    };
    crate::blocking::run(prepare).await.map_err(|error| error.to_string())??;
    Ok(refresh)
}

pub(super) async fn find(context: &Context, pod: &Pod, name: &str, chosen: Option<usize>) -> Result<Found, ImageError> {
    let container = facts::container(pod, name);
    let image = container.and_then(|container| container.image.clone()).unwrap_or_default();
    let secrets = facts::spec(pod).and_then(|spec| spec.image_pull_secrets.as_ref()).into_iter().flatten();
    let names: Vec<String> = secrets.map(|secret| secret.name.clone()).collect();
    let secrets = match names.is_empty() {
        true => Vec::new(),
        false => {
            // Without its secrets the pull says better than we could that it is not allowed.
            let objects = context.references.objects(pod).await.unwrap_or_default();
            names.iter().filter_map(|name| objects.secrets.get(name).cloned()).collect()
        }
    };
    let request = Request { policy: policy(container, &image), image, secrets, chosen };
    let begin = tokio::time::Instant::now();
    let found = context.images.find(&request, || events::pulling(context, pod, name, &request.image)).await;
    match &found {
        Ok(Found::Present(_)) => events::present(context, pod, name, &request.image),
        Ok(Found::Pulled(ready)) => {
            events::pulled(context, pod, name, &request.image, begin.elapsed(), ready.image.size)
        }
        Err(error) => events::not_pulled(context, pod, name, &request.image, error),
    }
    found
}

/// The apiserver sets it; a static pod may come without.
fn policy(container: Option<&Container>, image: &str) -> String {
    let own = container.and_then(|container| container.image_pull_policy.clone()).filter(|policy| !policy.is_empty());
    let latest = !image.contains('@')
        && (image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains(':'));
    own.unwrap_or_else(|| if latest { "Always" } else { "IfNotPresent" }.to_owned())
}

/// Lets the object go, after everything was told about it. One that is gone, or another one of the same name, is fine.
pub(super) async fn delete(context: &Context, pod: &Pod) -> Result<(), String> {
    context.status.flushed(facts::uid(pod)).await;
    let api = Api::<Pod>::namespaced(context.client.clone(), facts::namespace(pod));
    let preconditions = Some(Preconditions { uid: pod.metadata.uid.clone(), resource_version: None });
    let params = DeleteParams { grace_period_seconds: Some(0), preconditions, ..DeleteParams::default() };
    match api.delete(facts::name(pod), &params).await {
        Err(failed) if !error::is_not_found(&failed) && !error::is_conflict(&failed) => Err(error::message(&failed)),
        _ => Ok(()),
    }
}
