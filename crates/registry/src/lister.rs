//! What authorizers and admission plugins read.

use std::sync::Arc;

use sampan_api::request::Lister;
use sampan_meta::GroupResource;
use sampan_store::At;
use serde_json::Value;

use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;

impl Registry {
    fn by_group(&self, resource: &GroupResource) -> Option<&Arc<Resource>> {
        let same = |served: &&Arc<Resource>| {
            served.names.group == resource.group && served.names.plural == resource.resource && served.view.is_none()
        };
        self.resources().iter().find(same)
    }
}

impl Lister for Registry {
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let resource = self.by_group(resource)?;
        let object = self.cache.get(&self.key(resource, namespace, name))?;
        Some(parsed(resource, &object))
    }

    fn list(&self, resource: &GroupResource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Some(resource) = self.by_group(resource) else { return Vec::new() };
        let Ok(snapshot) = self.cache.snapshot(&resource.storage, &At::Latest) else { return Vec::new() };
        snapshot.range(namespace, None).map(|object| parsed(resource, object)).collect()
    }

    fn version(&self, resource: &GroupResource) -> u64 {
        self.by_group(resource).map_or(0, |resource| self.cache.resource_version(&resource.storage))
    }
}

fn parsed(resource: &Resource, object: &Object) -> Arc<Value> {
    if resource.strategy.keep_parsed() { object.kept_value() } else { Arc::new(object.value()) }
}
