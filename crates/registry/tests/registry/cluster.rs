//! A registry of one test, and short words for what tests do with it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use sampan_api::request::{AdmitAll, Attributes, User};
use sampan_meta::selector::{FieldSelector, LabelSelector};
use sampan_meta::{ManualClock, SeededEntropy, Status};
use sampan_registry::{
    Created, DeleteOptions, Deleted, Event, List, ListOptions, Object, Options, PatchKind, Registry, RequestContext,
    Resource, WatchOptions, WatchStream,
};
use sampan_store::{MemoryStore, Store};
use serde_json::{Value, json};

pub(crate) struct Cluster {
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn Store>,
}

/// What a request is about.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) resource: Arc<Resource>,
    pub(crate) attributes: Attributes,
    pub(crate) dry_run: bool,
}

impl Place {
    pub(crate) fn subresource(mut self, subresource: &str) -> Self {
        self.attributes.subresource = subresource.to_owned();
        self
    }

    pub(crate) fn rehearsed(mut self) -> Self {
        self.dry_run = true;
        self
    }

    pub(crate) fn context(&self) -> RequestContext<'_> {
        RequestContext::new(&self.attributes, &AdmitAll).dry_run(self.dry_run)
    }
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        Self::over(store, clock, 1).await
    }

    /// One more registry over the same store, as another process has it.
    pub(crate) async fn another(&self) -> Self {
        Self::over(self.store.clone(), self.clock.clone(), 2).await
    }

    /// A registry over what an earlier one has left.
    pub(crate) async fn on(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Self {
        Self::over(store, clock, 3).await
    }

    async fn over(store: Arc<dyn Store>, clock: Arc<ManualClock>, seed: u64) -> Self {
        let options = Options {
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(seed)),
            service_network: ("10.96.0.0".parse().unwrap(), 28),
            node_ports: 30000..=30007,
            cache: sampan_store::cache::Options {
                wait: Duration::from_millis(50),
                history_bytes: 1 << 16,
                ..Default::default()
            },
        };
        let registry = Registry::open(store.clone(), options).await.unwrap();
        Self { registry, clock, store }
    }

    /// `path` is `pods`, `apps/deployments`; an empty namespace means cluster scope or all namespaces.
    pub(crate) fn at(&self, path: &str, namespace: &str, name: &str) -> Place {
        let (group, plural) = path.split_once('/').unwrap_or(("", path));
        let resource =
            self.registry.resources().iter().find(|resource| {
                resource.names.group.split('.').next() == Some(group) && resource.names.plural == plural
            });
        let resource = resource.unwrap_or_else(|| panic!("no resource {path}")).clone();
        let attributes = Attributes {
            user: User::new("tester", ["testers"]),
            group: resource.names.group.to_owned(),
            version: resource.names.version.to_owned(),
            resource: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            resource_request: true,
            ..Attributes::default()
        };
        Place { resource, attributes, dry_run: false }
    }

    pub(crate) async fn create(&self, place: &Place, object: Value) -> Result<Value, Status> {
        match self.registry.create(&place.context(), &place.resource, object).await? {
            Created::Object(object) => Ok(object.value()),
            Created::Done(status) => Ok(status),
        }
    }

    pub(crate) async fn get(&self, place: &Place) -> Result<Value, Status> {
        self.registry.get(&place.context(), &place.resource, "").await.map(|object| object.value())
    }

    pub(crate) async fn update(&self, place: &Place, object: Value) -> Result<Value, Status> {
        self.registry.update(&place.context(), &place.resource, object).await.map(|updated| updated.object.value())
    }

    pub(crate) async fn merge(&self, place: &Place, patch: Value) -> Result<Value, Status> {
        self.patch(place, PatchKind::Merge, patch).await
    }

    pub(crate) async fn patch(&self, place: &Place, kind: PatchKind, patch: Value) -> Result<Value, Status> {
        let body = patch.to_string();
        let patched = self.registry.patch(&place.context(), &place.resource, kind, body.as_bytes()).await?;
        Ok(patched.object.value())
    }

    pub(crate) async fn delete(&self, place: &Place, options: &DeleteOptions) -> Result<Deleted, Status> {
        self.registry.delete(&place.context(), &place.resource, options).await
    }

    pub(crate) async fn list(&self, place: &Place, options: &ListOptions) -> Result<List, Status> {
        self.registry.list(&place.context(), &place.resource, options).await
    }

    pub(crate) async fn watch(&self, place: &Place, options: &WatchOptions) -> WatchStream {
        self.registry.watch(&place.context(), &place.resource, options).await.unwrap()
    }

    /// A ConfigMap with one entry and labels.
    pub(crate) async fn config_map(&self, name: &str, labels: Value) -> Value {
        let mut object = json!({"metadata": {"name": name}, "data": {"key": "value"}});
        if labels != json!({}) {
            object["metadata"]["labels"] = labels;
        }
        self.create(&self.at("configmaps", "default", ""), object).await.unwrap()
    }

    /// A pod, bound if `node` is not empty.
    pub(crate) async fn pod(&self, name: &str, node: &str) -> Value {
        let created = self.create(&self.at("pods", "default", ""), pod(name)).await.unwrap();
        if node.is_empty() {
            return created;
        }
        let binding = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": node}});
        self.create(&self.at("pods", "default", name).subresource("binding"), binding).await.unwrap();
        self.get(&self.at("pods", "default", name)).await.unwrap()
    }
}

pub(crate) fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "hello:1"}]}})
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"replicas": 3, "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "hello:1"}]}}}})
}

pub(crate) fn labels(selector: &str) -> ListOptions {
    ListOptions { label_selector: Some(LabelSelector::parse(selector).unwrap()), ..ListOptions::default() }
}

pub(crate) fn fields(selector: &str) -> ListOptions {
    ListOptions { field_selector: Some(FieldSelector::parse(selector).unwrap()), ..ListOptions::default() }
}

pub(crate) fn names(objects: &[Arc<Object>]) -> Vec<&str> {
    objects.iter().map(|object| object.name()).collect()
}

/// The next event in one line; panics when none comes.
pub(crate) async fn next(stream: &mut WatchStream) -> String {
    let event =
        tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("an event within ten seconds");
    told(&event.expect("the watch goes on"))
}

pub(crate) fn told(event: &Event) -> String {
    match event {
        Event::Added(object) => format!("ADDED {}", object.name()),
        Event::Modified(object) => format!("MODIFIED {}", object.name()),
        Event::Deleted(object) => format!("DELETED {}", object.name()),
        Event::Bookmark { initial_events_end, .. } => format!("BOOKMARK {initial_events_end}"),
        Event::Error(status) => format!("ERROR {} {}", status.code, status.reason),
    }
}

/// The message of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    let status = result.unwrap_err();
    format!("{} {}: {}", status.code, status.reason, status.message)
}

pub(crate) fn version(object: &Value) -> &str {
    sampan_meta::object::resource_version(object)
}
