//! `get`, and what `get` of a subresource answers.

use std::sync::Arc;

use sampan_meta::Status;

use crate::context::RequestContext;
use crate::object::Object;
use crate::options::VersionMatch;
use crate::registry::Registry;
use crate::resource::Resource;

impl Registry {
    /// One object by the name in `cx.attributes`; with subresource `scale`, its `Scale`.
    ///
    /// An empty `resource_version` sees every write acknowledged before the call, `"0"` whatever is at hand, any other a state not
    /// older than it.
    ///
    /// # Errors
    /// 404; 503 while the store does not answer; 504 while it has not reached the version.
    pub async fn get(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        resource_version: &str,
    ) -> Result<Arc<Object>, Status> {
        self.reach(resource_version, VersionMatch::Unset).await?;
        let key = self.key(resource, &cx.attributes.namespace, &cx.attributes.name);
        let object =
            self.cache.get(&key).ok_or_else(|| Status::not_found(&resource.group_resource(), &cx.attributes.name))?;
        if cx.attributes.subresource == "scale" {
            return self.scale_of(resource, &object).await;
        }
        self.present(resource, object).await
    }
}
