//! Where a reflector's objects come from: whole objects, or their metadata alone.

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use kube::core::Request;
use kube::{Error, Result};
use serde_json::Value;

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
        async {
            match self.0.list(params).await {
                Err(Error::SerdeError(_)) => self.list_readable(params).await,
                listed => listed,
            }
        }
        .boxed()
    }

    fn watch<'a>(&'a self, params: &'a WatchParams, version: &'a str) -> BoxFuture<'a, Result<Events<K>>> {
        async { Ok(self.0.watch(params, version).await?.boxed()) }.boxed()
    }

    fn describe(&self) -> String {
        self.0.resource_url().to_owned()
    }
}

impl<K> Full<K>
where
    K: Watched + serde::de::DeserializeOwned + std::fmt::Debug,
{
    /// One object that is not as its type says must not keep us from the others: it is left out.
    async fn list_readable(&self, params: &ListParams) -> Result<ObjectList<K>> {
        let request = Request::new(self.0.resource_url()).list(params).map_err(Error::BuildRequest)?;
        let list: ObjectList<Value> = self.0.clone().into_client().request(request).await?;
        let read = |object: Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
            let object = serde_json::from_value(object);
            object.map_err(|error| tracing::warn!(list = %self.describe(), namespace, name, %error, "unreadable object left out")).ok()
        };
        let items = list.items.into_iter().filter_map(read).collect();
        Ok(ObjectList { types: list.types, metadata: list.metadata, items })
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
