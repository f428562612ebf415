//! What authorizers and admission plugins read, and the little they write.

use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::request::{AdmitAll, Attributes, Lister, MASTERS, StatusWriter, User};
use sampan_meta::{GroupResource, Status, object};
use sampan_store::At;
use serde_json::Value;

use crate::context::RequestContext;
use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;

/// What a registry holds, for as long as somebody else keeps it: for what the registry itself is given.
struct WeakLister(Weak<Registry>);

impl Lister for WeakLister {
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.0.upgrade().and_then(|registry| Lister::get(&*registry, resource, namespace, name))
    }

    fn list(&self, resource: &GroupResource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.0.upgrade().map(|registry| Lister::list(&*registry, resource, namespace)).unwrap_or_default()
    }

    fn version(&self, resource: &GroupResource) -> u64 {
        self.0.upgrade().map_or(0, |registry| Lister::version(&*registry, resource))
    }
}

impl Registry {
    /// A lister that does not keep the registry alive.
    pub fn weak_lister(self: &Arc<Self>) -> Arc<dyn Lister> {
        Arc::new(WeakLister(Arc::downgrade(self)))
    }

    fn by_group(&self, resource: &GroupResource) -> Option<Arc<Resource>> {
        let same = |served: &&Arc<Resource>| {
            served.names.group == resource.group && served.names.plural == resource.resource && served.view.is_none()
        };
        self.resources().iter().find(same).cloned().or_else(|| self.catalog().resources.iter().find(same).cloned())
    }
}

impl Lister for Registry {
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let resource = self.by_group(resource)?;
        let object = self.cache.get(&self.key(&resource, namespace, name))?;
        Some(parsed(&resource, &object))
    }

    fn list(&self, resource: &GroupResource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Some(resource) = self.by_group(resource) else { return Vec::new() };
        let Ok(snapshot) = self.cache.snapshot(&resource.storage, &At::Latest) else { return Vec::new() };
        snapshot.range(namespace, None).map(|object| parsed(&resource, object)).collect()
    }

    fn version(&self, resource: &GroupResource) -> u64 {
        self.by_group(resource).map_or(0, |resource| Registry::version(self, &resource))
    }

    fn resource_of(&self, api_version: &str, kind: &str) -> Option<(GroupResource, bool)> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let served = |resource: &&Arc<Resource>| {
            let names = &resource.names;
            names.group == group && names.version == version && names.kind == kind
        };
        self.resources().iter().find(served).map(|resource| (resource.group_resource(), resource.namespaced))
    }
}

impl StatusWriter for Registry {
    fn write_status<'a>(&'a self, resource: &'a GroupResource, object: Value) -> BoxFuture<'a, Result<Value, Status>> {
        async move {
            let resource = self.by_group(resource).ok_or_else(Status::path_not_found)?;
            let attributes = Attributes {
                user: User::new("system:apiserver", [MASTERS]),
                verb: "update".to_owned(),
                group: resource.names.group.to_owned(),
                version: resource.names.version.to_owned(),
                resource: resource.names.plural.to_owned(),
                subresource: "status".to_owned(),
                namespace: object::namespace(&object).to_owned(),
                name: object::name(&object).to_owned(),
                resource_request: true,
                ..Attributes::default()
            };
            let written = self.update(&RequestContext::new(&attributes, &AdmitAll), &resource, object).await;
            if written.as_ref().is_err_and(Status::is_conflict) {
                // Who tries again shall see what won.
                self.refresh().await?;
            }
            Ok(written?.object.value())
        }
        .boxed()
    }
}

fn parsed(resource: &Resource, object: &Object) -> Arc<Value> {
    if resource.strategy.keep_parsed() { object.kept_value() } else { Arc::new(object.value()) }
}
