//! The metadata watches that feed the graph.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;
use sampan_client::discovery::{ApiCapabilities, Scope};
use sampan_client::{
    Api, ApiResource, Backoff, BackoffPolicy, Client, DynamicObject, GroupVersionKind, Informer, PartialObjectMeta,
    WorkQueue, error,
};
use tokio::task::{AbortHandle, JoinSet};

use super::graph::{Graph, Identity};
use crate::controller::{Context, Key};
use crate::discover;

/// The resources served, by group and kind: an owner reference may name any version.
#[derive(Clone, Default)]
pub(super) struct Resources {
    state: Arc<Mutex<State>>,
}

struct Served {
    resource: ApiResource,
    scope: Scope,
    watched: bool,
}

#[derive(Default)]
struct State {
    by_kind: HashMap<(String, String), Served>,
    queue: Option<WorkQueue<Key>>,
}

impl Resources {
    pub(super) fn api(&self, client: &Client, identity: &Identity) -> Option<Api<DynamicObject>> {
        let state = self.state.lock();
        let Served { resource, scope, .. } = state.by_kind.get(&group_kind(identity))?;
        Some(match scope {
            Scope::Namespaced => Api::namespaced_with(client.clone(), &identity.name.namespace, resource),
            Scope::Cluster => Api::all_with(client.clone(), resource),
        })
    }

    pub(super) fn is_namespaced(&self, identity: &Identity) -> bool {
        self.state.lock().by_kind.get(&group_kind(identity)).is_some_and(|served| served.scope == Scope::Namespaced)
    }

    pub(super) fn is_watched(&self, identity: &Identity) -> bool {
        self.state.lock().by_kind.get(&group_kind(identity)).is_some_and(|served| served.watched)
    }

    pub(super) fn queue(&self) -> Option<WorkQueue<Key>> {
        self.state.lock().queue.clone()
    }

    fn learn(&self, resources: &[(ApiResource, ApiCapabilities)], queue: &WorkQueue<Key>) {
        let mut state = self.state.lock();
        state.queue = Some(queue.clone());
        state.by_kind.clear();
        for found in resources {
            let (resource, capabilities) = found;
            let key = (resource.group.clone(), resource.kind.clone());
            let (scope, watched) = (capabilities.scope.clone(), is_collectable(found));
            state.by_kind.insert(key, Served { resource: resource.clone(), scope, watched });
        }
    }
}

fn group_kind(identity: &Identity) -> (String, String) {
    let group = identity.api_version.split_once('/').map_or("", |(group, _)| group);
    (group.to_owned(), identity.kind.clone())
}

/// Discovers what there is, and again whenever a definition of custom kinds changes, and watches all of it for as long as it is polled.
pub(super) async fn run(cx: Context, graph: Arc<Mutex<Graph>>, resources: Resources, queue: WorkQueue<Key>) {
    let definitions = Informer::metadata(definitions(&cx)).transform(forget_the_rest).start(cx.entropy.clone());
    let mut changes = definitions.subscribe();
    let mut watches = JoinSet::new();
    let mut watched: HashMap<Kind, AbortHandle> = HashMap::new();
    loop {
        let found = discover_patiently(&cx).await;
        resources.learn(&found, &queue);
        let found: Vec<ApiResource> = found.into_iter().filter(is_collectable).map(|(resource, _)| resource).collect();
        let served: HashSet<Kind> = found.iter().map(kind).collect();
        watched.retain(|kind, watch| {
            let stays = served.contains(kind);
            if !stays {
                watch.abort();
            }
            stays
        });
        for resource in found {
            let Entry::Vacant(entry) = watched.entry(kind(&resource)) else { continue };
            entry.insert(watches.spawn(follow(cx.clone(), resource, graph.clone(), queue.clone())));
        }
        while watches.try_join_next().is_some() {}
        if changes.next().await.is_none() {
            return;
        }
        // One discovery answers for all that has changed so far.
        while changes.next().now_or_never().flatten().is_some() {}
    }
}

/// What a watch is about: a group's plural in the version it prefers.
type Kind = (String, String);

fn kind(resource: &ApiResource) -> Kind {
    (resource.api_version.clone(), resource.plural.clone())
}

fn definitions(cx: &Context) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    Api::all_with(cx.client.clone(), &ApiResource::from_gvk_with_plural(&kind, "customresourcedefinitions"))
}

async fn discover_patiently(cx: &Context) -> Vec<(ApiResource, ApiCapabilities)> {
    let mut backoff = Backoff::new(BackoffPolicy::WATCH, cx.entropy.clone());
    loop {
        match discover::resources(&cx.client).await {
            Ok(resources) if !resources.is_empty() => return resources,
            Ok(_) => tracing::warn!("the apiserver serves no resources yet"),
            Err(failure) => tracing::warn!("failed to discover resources: {}", error::message(&failure)),
        }
        tokio::time::sleep(backoff.failed()).await;
    }
}

/// Events own nothing, are owned by nobody, and are many.
fn is_collectable((resource, capabilities): &(ApiResource, ApiCapabilities)) -> bool {
    let verbs = ["list", "watch", "delete"];
    resource.kind != "Event" && verbs.into_iter().all(|verb| capabilities.supports_operation(verb))
}

async fn follow(cx: Context, resource: ApiResource, graph: Arc<Mutex<Graph>>, queue: WorkQueue<Key>) {
    let api: Api<DynamicObject> = Api::all_with(cx.client.clone(), &resource);
    let informer = Informer::metadata(api).transform(forget_the_rest).start(cx.entropy.clone());
    let mut changes = informer.subscribe();
    while let Some(change) = changes.next().await {
        let mut look = Vec::new();
        let replaced = change
            .old
            .as_ref()
            .filter(|old| change.new.as_ref().is_none_or(|new| new.metadata.uid != old.metadata.uid));
        let mut graph = graph.lock();
        if let Some(uid) = replaced.and_then(|old| old.metadata.uid.as_deref()) {
            look.extend(graph.remove(uid));
        }
        if let Some(new) = &change.new {
            look.extend(graph.apply(&resource.api_version, &resource.kind, &new.metadata));
        }
        drop(graph);
        look.into_iter().for_each(|uid| queue.add(Key::new("", uid)));
    }
}

/// The graph keeps what it needs; the cache needs names alone.
fn forget_the_rest(object: &mut PartialObjectMeta<DynamicObject>) {
    object.metadata.labels = None;
    object.metadata.annotations = None;
}
