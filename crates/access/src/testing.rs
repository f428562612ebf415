//! A lister over plain objects, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use sampan_api::request::{Attributes, Lister, StatusWriter, User};
use sampan_meta::{GroupResource, Status, object};
use serde_json::{Value, json};

type Key = (GroupResource, String, String);

/// Objects in memory, with a version for each resource as the registry has it.
#[derive(Default)]
pub(crate) struct Objects {
    objects: Mutex<BTreeMap<Key, Arc<Value>>>,
    versions: Mutex<BTreeMap<GroupResource, u64>>,
    /// How many times everything of a resource was read.
    pub(crate) lists: AtomicU64,
}

impl Objects {
    pub(crate) fn with(objects: impl IntoIterator<Item = Value>) -> Arc<Self> {
        let lister = Self::default();
        objects.into_iter().for_each(|object| lister.put(object));
        Arc::new(lister)
    }

    pub(crate) fn put(&self, object: Value) {
        let key = key(&object);
        *self.versions.lock().entry(key.0.clone()).or_default() += 1;
        self.objects.lock().insert(key, Arc::new(object));
    }

    pub(crate) fn delete(&self, object: &Value) {
        let key = key(object);
        *self.versions.lock().entry(key.0.clone()).or_default() += 1;
        self.objects.lock().remove(&key);
    }
}

fn key(object: &Value) -> Key {
    let kind = object::group_version_kind(object);
    let plural = match kind.kind.to_lowercase() {
        kind if kind.ends_with("class") => format!("{kind}es"),
        kind if kind.ends_with("policy") => kind.replace("policy", "policies"),
        kind => format!("{kind}s"),
    };
    let resource = GroupResource::new(kind.group, plural);
    (resource, object::namespace(object).to_owned(), object::name(object).to_owned())
}

impl Lister for Objects {
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.lock().get(&(resource.clone(), namespace.to_owned(), name.to_owned())).cloned()
    }

    fn list(&self, resource: &GroupResource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        let objects = self.objects.lock();
        let matching = objects
            .iter()
            .filter(|((own, place, _), _)| own == resource && namespace.is_none_or(|wanted| wanted == place));
        matching.map(|(_, object)| object.clone()).collect()
    }

    fn version(&self, resource: &GroupResource) -> u64 {
        self.versions.lock().get(resource).copied().unwrap_or_default()
    }

    fn resource_of(&self, api_version: &str, kind: &str) -> Option<(GroupResource, bool)> {
        let known = api_version == "v1" && matches!(kind, "ConfigMap" | "Secret");
        known.then(|| (GroupResource::new("", format!("{}s", kind.to_lowercase())), true))
    }
}

/// Versions are counted in the objects themselves. Whoever writes lets others go first once, so that writes do race.
impl StatusWriter for Objects {
    fn write_status<'a>(
        &'a self,
        resource: &'a GroupResource,
        mut object: Value,
    ) -> BoxFuture<'a, Result<Value, Status>> {
        async move {
            tokio::task::yield_now().await;
            let (namespace, name) = (object::namespace(&object).to_owned(), object::name(&object).to_owned());
            let present = self.get(resource, &namespace, &name).ok_or_else(|| Status::not_found(resource, &name))?;
            let version = object::resource_version(&present).to_owned();
            if version != object::resource_version(&object) {
                return Err(Status::modified(resource, &name));
            }
            let next = version.parse::<u64>().unwrap_or_default() + 1;
            object::set_resource_version(&mut object, next.to_string());
            self.put(object.clone());
            Ok(object)
        }
        .boxed()
    }
}

/// `VERB GROUP/RESOURCE[/SUBRESOURCE] [NAMESPACE/][NAME]` or `VERB /path` as attributes: the core group is left out.
pub(crate) fn asks(user: &User, words: &str) -> Attributes {
    let words: Vec<&str> = words.split(' ').collect();
    let attributes = Attributes { user: user.clone(), verb: words[0].to_owned(), ..Attributes::default() };
    if words[1].starts_with('/') {
        return Attributes { path: words[1].to_owned(), ..attributes };
    }
    let (group, rest) = match words[1].split_once(':') {
        Some((group, rest)) => (group, rest),
        None => ("", words[1]),
    };
    let (resource, subresource) = rest.split_once('/').unwrap_or((rest, ""));
    let (namespace, name) = words.get(2).map_or(("", ""), |text| text.split_once('/').unwrap_or(("", text)));
    Attributes {
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        resource_request: true,
        field_selector: words.get(3).copied().unwrap_or_default().to_owned(),
        ..attributes
    }
}

/// An object with a uid made of its name.
pub(crate) fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object =
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "uid": format!("{name}-uid") } });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}
