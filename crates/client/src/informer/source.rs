//! Where a reflector's objects come from: whole objects, or their metadata alone.

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use kube::Result;

use super::Watched;
use crate::{Api, DynamicObject, ListParams, ObjectList, PartialObjectMeta, WatchEvent, WatchParams};

pub(super) type Events<K> = BoxStream<'static, Result<WatchEvent<K>>>;

pub(super) trait Source<K: Watched>: Send + Sync {
    fn list<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, Result<ObjectList<K>>>;
    fn watch<'a>(&'a self, params: &'a WatchParams, version: &'a str) -> BoxFuture<'a, Result<Events<K>>>;
    /// What is watched, for messages.
    fn describe(&self) -> String;
}

pub(super) struct Full<K>(pub(super) Api<K>);

impl<K> Source<K> for Full<K>
where
    K: Watched + serde::de::DeserializeOwned + std::fmt::Debug,
{
    fn list<'a>(&'a self, params: &'a ListParams) -> BoxFuture<'a, Result<ObjectList<K>>> {
        self.0.list(params).boxed()
    }

    fn watch<'a>(&'a self, params: &'a WatchParams, version: &'a str) -> BoxFuture<'a, Result<Events<K>>> {
        async { Ok(self.0.watch(params, version).await?.boxed()) }.boxed()
    }

    fn describe(&self) -> String {
        self.0.resource_url().to_owned()
    }
}

pub(super) struct Metadata(pub(super) Api<DynamicObject>);

impl Source<PartialObjectMeta<DynamicObject>> for Metadata {
    fn list<'a>(
        &'a self,
        params: &'a ListParams,
    ) -> BoxFuture<'a, Result<ObjectList<PartialObjectMeta<DynamicObject>>>> {
        self.0.list_metadata(params).boxed()
    }

    fn watch<'a>(
        &'a self,
        params: &'a WatchParams,
        version: &'a str,
    ) -> BoxFuture<'a, Result<Events<PartialObjectMeta<DynamicObject>>>> {
        async { Ok(self.0.watch_metadata(params, version).await?.boxed()) }.boxed()
    }

    fn describe(&self) -> String {
        format!("{} (metadata)", self.0.resource_url())
    }
}
