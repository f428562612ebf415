//! Keeps APIServices as they should be: those of what this server serves, and whether those of others are available.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt as _, StreamExt as _};
use sampan_api::request::{AdmitAll, Attributes, Lister, MASTERS, StatusWriter, User};
use sampan_meta::time::format_time;
use sampan_meta::{GroupResource, Status, object};
use sampan_registry::{DeleteOptions, Event, Registry, RequestContext, Resource, VersionMatch, WatchOptions};
use serde_json::Value;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::availability::{self, Condition};
use super::local::{self, Step};
use super::{FrontProxy, Remote, check};
use crate::node_client::unverified;
use crate::server::ApiServer;

/// How soon, and how rarely at most, what does not answer is asked again. Upstream: the rate limit of its queue.
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// What is watched: the APIServices, what they lead to, and the definitions that make more of them.
const WATCHED: [(&str, &str); 4] = [
    ("apiregistration.k8s.io", "apiservices"),
    ("", "services"),
    ("discovery.k8s.io", "endpointslices"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
];

impl ApiServer {
    /// Lets extension servers be asked, by the name and certificate of `front_proxy`, and keeps the APIServices until `shutdown`.
    /// Without it requests for what others serve are answered 503. To be called once.
    pub async fn aggregate(self: Arc<Self>, front_proxy: FrontProxy, shutdown: CancellationToken) {
        let unchecked = TlsConnector::from(Arc::new(unverified::showing(front_proxy.certificate.clone())));
        if self.aggregation.front_proxy.set(front_proxy).is_err() {
            tracing::error!("APIServices are kept already");
            return;
        }
        let keeper = Keeper { server: Arc::clone(&self), unchecked, passed: BTreeMap::new(), at_start: true };
        shutdown.run_until_cancelled(keeper.run()).await;
    }
}

struct Keeper {
    server: Arc<ApiServer>,
    unchecked: TlsConnector,
    /// What each APIService that is available led to when it was asked.
    passed: BTreeMap<String, Seen>,
    at_start: bool,
}

/// The state of an APIService and of what it leads to.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    spec: Value,
    service: String,
    slices: Vec<String>,
}

impl Keeper {
    async fn run(mut self) {
        let mut delay = FIRST_RETRY;
        loop {
            let mut changes = match self.watch().await {
                Ok(changes) => changes,
                Err(status) => {
                    tracing::warn!(%status, "APIServices cannot be watched, trying again");
                    tokio::time::sleep(FIRST_RETRY).await;
                    continue;
                }
            };
            loop {
                let failing = self.settle().await;
                delay = if failing { delay } else { FIRST_RETRY };
                let server = Arc::clone(&self.server);
                tokio::select! { biased;
                    goes_on = relevant(&mut changes, &server) => if !goes_on { break },
                    () = server.aggregation.failed.notified() => self.passed.clear(),
                    () = tokio::time::sleep(delay), if failing => delay = (delay * 2).min(LAST_RETRY),
                }
            }
        }
    }

    async fn watch(&self) -> Result<SelectAll<BoxStream<'static, Event>>, Status> {
        let mut all = SelectAll::new();
        for (group, plural) in WATCHED {
            let resource = self.server.registry.find(group, "v1", plural).expect("the kind is built in");
            let attributes = attributes(&resource, "watch", "");
            let cx = RequestContext::new(&attributes, &AdmitAll);
            // What there is now is read in whole.
            let options = WatchOptions {
                send_initial_events: Some(false),
                version_match: VersionMatch::NotOlderThan,
                ..WatchOptions::default()
            };
            all.push(self.server.registry.watch(&cx, &resource, &options).await?.boxed());
        }
        Ok(all)
    }

    /// One pass; answers whether something has to be tried again.
    async fn settle(&mut self) -> bool {
        let local = self.settle_local().await;
        let remotes = self.server.aggregation.remotes(&self.server.registry);
        let names: BTreeSet<&str> = remotes.iter().map(|(remote, _)| remote.name.as_str()).collect();
        self.passed.retain(|name, _| names.contains(name.as_str()));
        for gone in self.server.aggregation.forgotten(&names) {
            self.server.aggregation.learn(&gone, None);
        }
        let settled = join_all(remotes.iter().map(|(remote, _)| self.settle_remote(remote))).await;
        let mut failing = local.is_err();
        for ((remote, _), settled) in remotes.iter().zip(settled) {
            match settled {
                Ok(Some(seen)) => drop(self.passed.insert(remote.name.clone(), seen)),
                Ok(None) => {
                    self.passed.remove(&remote.name);
                    failing = true;
                }
                Err(status) => {
                    tracing::debug!(api_service = remote.name, %status, "its status was not written");
                    failing = true;
                }
            }
        }
        failing
    }

    async fn settle_local(&mut self) -> Result<(), Status> {
        let registry = &self.server.registry;
        let wanted = local::wanted(&self.server.published.now(registry, &self.server.aggregation).discovery.groups);
        let resource = &self.server.aggregation.resource;
        let present = registry.values(resource);
        self.settle_conditions(present.iter().filter(|present| !is_remote(present))).await;
        let steps = local::plan(&wanted, &present, self.at_start);
        let done = join_all(steps.into_iter().map(|step| act(registry, resource, step))).await;
        done.into_iter().collect::<Result<Vec<()>, Status>>().inspect_err(|status| {
            tracing::warn!(%status, "the APIServices of this server were not all written");
        })?;
        self.at_start = false;
        Ok(())
    }

    /// What this server serves itself is available, whoever said that it does.
    async fn settle_conditions(&self, local: impl Iterator<Item = &Value>) {
        let (registry, now) = (&self.server.registry, format_time(self.server.clock.now()));
        for next in local.filter_map(|api_service| Condition::local().settled(api_service, &now)) {
            let api_services = self.server.aggregation.resource.group_resource();
            if let Err(status) = registry.write_status(&api_services, next).await {
                tracing::debug!(%status, "the status of a local APIService was not written");
            }
        }
    }

    /// Brings the condition of one up to date. Answers what it leads to if it is available, `None` if it is not.
    async fn settle_remote(&self, remote: &Remote) -> Result<Option<Seen>, Status> {
        let registry = &*self.server.registry;
        let api_services = GroupResource::new("apiregistration.k8s.io", "apiservices");
        let Some(api_service) = Lister::get(registry, &api_services, "", &remote.name) else { return Ok(None) };
        let service = Lister::get(registry, &GroupResource::new("", "services"), &remote.namespace, &remote.service);
        let slices = slices_of(registry, remote);
        let seen = Seen {
            spec: api_service["spec"].clone(),
            service: service.as_deref().map(object::resource_version).unwrap_or_default().to_owned(),
            slices: slices.iter().map(|slice| object::resource_version(slice).to_owned()).collect(),
        };
        if remote.available && self.passed.get(&remote.name) == Some(&seen) {
            return Ok(Some(seen));
        }
        let (condition, learned) = match availability::before_asking(&api_service, service.as_deref(), &slices) {
            Some(condition) => (condition, None),
            None => check::check(registry, remote, &self.unchecked).await,
        };
        if let Some(learned) = learned {
            self.server.aggregation.learn(&remote.name, Some(learned));
        }
        let now = format_time(self.server.clock.now());
        if let Some(next) = condition.settled(&api_service, &now) {
            registry.write_status(&api_services, next).await?;
        }
        Ok(condition.is_true().then_some(seen))
    }
}

fn is_remote(api_service: &Value) -> bool {
    api_service.pointer("/spec/service").is_some_and(Value::is_object)
}

fn slices_of(registry: &Registry, remote: &Remote) -> Vec<Arc<Value>> {
    let slices = GroupResource::new("discovery.k8s.io", "endpointslices");
    let mut slices = Lister::list(registry, &slices, Some(&remote.namespace));
    slices.retain(|slice| object::label(slice, "kubernetes.io/service-name") == Some(&remote.service));
    slices
}

/// Waits for a change that may matter, and takes along all that have happened by then. `false`: a watch has ended.
async fn relevant(changes: &mut SelectAll<BoxStream<'static, Event>>, server: &ApiServer) -> bool {
    loop {
        let Some(event) = changes.next().await else { return false };
        let mut matters = match concerns(&event, server) {
            Some(matters) => matters,
            None => return false,
        };
        while let Some(next) = changes.next().now_or_never() {
            match next.as_ref().and_then(|event| concerns(event, server)) {
                Some(more) => matters |= more,
                None => return false,
            }
        }
        if matters {
            return true;
        }
    }
}

/// Whether an event is about an APIService, a definition, or what an APIService leads to; `None` when the watch ends with it.
fn concerns(event: &Event, server: &ApiServer) -> Option<bool> {
    let object = match event {
        Event::Added(object) | Event::Modified(object) | Event::Deleted(object) => object,
        Event::Bookmark { .. } => return Some(false),
        Event::Error(_) => return None,
    };
    let service = match object.kind() {
        "Service" => object.name(),
        "EndpointSlice" => object.label("kubernetes.io/service-name").unwrap_or_default(),
        _ => return Some(true),
    };
    let remotes = server.aggregation.remotes(&server.registry);
    Some(remotes.iter().any(|(remote, _)| remote.namespace == object.namespace() && remote.service == service))
}

async fn act(registry: &Registry, resource: &Arc<Resource>, step: Step) -> Result<(), Status> {
    let done = match step {
        Step::Create(object) => registry.ensure(object).await.map(drop),
        Step::Update(object) => {
            let attributes = attributes(resource, "update", object::name(&object));
            let cx = RequestContext::new(&attributes, &AdmitAll);
            registry.update(&cx, resource, object).await.map(drop)
        }
        Step::Delete(object) => {
            let attributes = attributes(resource, "delete", object::name(&object));
            let cx = RequestContext::new(&attributes, &AdmitAll);
            registry.delete(&cx, resource, &DeleteOptions::default()).await.map(drop)
        }
    };
    // Another server does the same.
    done.or_else(|status| if status.is_not_found() { Ok(()) } else { Err(status) })
}

fn attributes(resource: &Resource, verb: &str, name: &str) -> Attributes {
    Attributes {
        user: User::new("system:apiserver", [MASTERS]),
        verb: verb.to_owned(),
        group: resource.names.group.to_owned(),
        version: resource.names.version.to_owned(),
        resource: resource.names.plural.to_owned(),
        name: name.to_owned(),
        resource_request: true,
        ..Attributes::default()
    }
}

impl super::Aggregation {
    /// Names that something is known of and that are not among these.
    fn forgotten(&self, names: &BTreeSet<&str>) -> Vec<String> {
        self.learned.lock().by_name.keys().filter(|name| !names.contains(name.as_str())).cloned().collect()
    }
}
