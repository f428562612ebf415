//! All objects as the store's log of changes tells of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_store::{Change, Op};
use serde_json::Value;

/// Where an object lies: resource (`pods`, `apps/deployments`), namespace, name.
pub type Place = (String, String, String);

/// One object.
pub struct Entry {
    /// The revision of its last write.
    pub revision: u64,
    /// The whole object; nothing of one that no promise is about ([`is_background`]).
    pub object: Arc<Value>,
}

/// The state after some write.
#[derive(Default)]
pub struct World {
    objects: BTreeMap<Place, Entry>,
    /// The last write's revision.
    pub revision: u64,
    /// The last revision that was not a node's sign of life.
    pub busy: u64,
}

/// One write: what was there and what is there.
pub struct Step {
    /// Where.
    pub place: Place,
    /// Before it; `None` for a creation.
    pub old: Option<Arc<Value>>,
    /// After it; `None` for a deletion.
    pub new: Option<Arc<Value>>,
}

/// Leases and events: most of what is written, and in no promise but that of silence.
fn is_background(resource: &str) -> bool {
    matches!(resource, "coordination.k8s.io/leases" | "events")
}

/// Leases, and the Node object of which nothing is new but when it was last looked at (each five minutes, as the kubelet).
fn is_sign_of_life(resource: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    match (resource, old, new) {
        ("coordination.k8s.io/leases", ..) => true,
        ("nodes", Some(old), Some(new)) => without_heartbeats(old) == without_heartbeats(new),
        _ => false,
    }
}

fn read(resource: &str, data: &[u8]) -> Value {
    if is_background(resource) { Value::Null } else { serde_json::from_slice(data).unwrap_or_default() }
}

fn without_heartbeats(node: &Value) -> Value {
    let mut node = node.clone();
    let conditions = node.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    conditions.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|condition| {
        condition.remove("lastHeartbeatTime");
    });
    // Who wrote it, and when, is news only when something else is.
    if let Some(metadata) = node.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    node
}

impl World {
    /// Takes one change in.
    pub fn apply(&mut self, change: &Change) -> Step {
        let key = &change.key;
        let resource = key.resource.trim_start_matches('/').to_owned();
        let place = (resource, key.namespace.to_string(), key.name.to_string());
        self.revision = change.revision.0;
        let old = self.objects.remove(&place).map(|entry| entry.object);
        let new = (change.op != Op::Delete).then(|| Arc::new(read(&place.0, &change.data)));
        if !is_sign_of_life(&place.0, old.as_deref(), new.as_deref()) {
            self.busy = change.revision.0;
        }
        if let Some(object) = new.clone() {
            self.objects.insert(place.clone(), Entry { revision: change.revision.0, object });
        }
        Step { place, old, new }
    }

    /// All objects of a resource with their places, in order.
    pub fn entries<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = (&'a Place, &'a Entry)> {
        let start = (resource.to_owned(), String::new(), String::new());
        self.objects.range(start..).take_while(move |((of, _, _), _)| of == resource)
    }

    /// One object.
    #[must_use]
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        let place = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        self.objects.get(&place).map(|entry| &*entry.object)
    }

    /// All objects of a resource.
    pub fn list<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = &'a Value> {
        self.entries(resource).map(|(_, entry)| &*entry.object)
    }

    /// All objects there are.
    pub fn all(&self) -> impl Iterator<Item = (&Place, &Entry)> {
        self.objects.iter()
    }

    /// The names of a resource's objects in namespace `default`, or without namespace.
    #[must_use]
    pub fn names(&self, resource: &str) -> Vec<String> {
        let ours = |place: &&Place| place.1.is_empty() || place.1 == "default";
        self.entries(resource).map(|(place, _)| place).filter(ours).map(|place| place.2.clone()).collect()
    }
}
