//! What every write shares: reading the state it starts from, and the compare-and-swap.

use std::sync::Arc;

use bytes::Bytes;
use sampan_meta::{Status, object};
use sampan_store::{Durability, Error, Key, Revision, Write};
use serde_json::Value;

use crate::error::{store_status, unavailable};
use crate::managed_fields;
use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::shape::Shape;
use crate::stored;

/// How often a write that names no resource version is tried again when others change the object meanwhile.
/// Upstream: `MaxRetryWhenPatchConflicts`.
pub(crate) const CONFLICT_RETRIES: usize = 5;

impl Registry {
    pub(crate) fn key(&self, resource: &Resource, namespace: &str, name: &str) -> Key {
        Key { resource: resource.storage.clone(), namespace: namespace.into(), name: name.into() }
    }

    /// The object as the cache knows it, asking the store first if the cache has none: another process may have made it.
    pub(crate) async fn existing(&self, resource: &Resource, key: &Key) -> Result<Arc<Object>, Status> {
        if let Some(object) = self.cache.get(key) {
            return Ok(object);
        }
        self.refresh().await?;
        self.cache.get(key).ok_or_else(|| Status::not_found(&resource.group_resource(), &key.name))
    }

    /// Waits until the cache holds every write acknowledged so far by any process.
    pub(crate) async fn refresh(&self) -> Result<u64, Status> {
        match self.cache.fresh().await {
            Ok(revision) => Ok(revision.0),
            Err(error) => Err(store_unreachable(&error)),
        }
    }

    /// Creates the object. `Exists` is left to the caller, who may try another name.
    pub(crate) async fn write_new(&self, resource: &Resource, key: Key, object: &Value) -> Result<Arc<Object>, Error> {
        let data = Bytes::from(stored::encode(object));
        let write = Write::Create { data: data.clone(), expires: self.expiry(resource) };
        let revision = self.cache.write(key.clone(), write, durability(resource)).await?;
        self.written(key, revision, &data)
    }

    /// Replaces the state `old` by `object`.
    pub(crate) async fn write_over(
        &self,
        resource: &Resource,
        old: &Object,
        object: &Value,
    ) -> Result<Arc<Object>, Error> {
        let data = Bytes::from(stored::encode(object));
        let write =
            Write::Update { expect: Revision(old.revision()), data: data.clone(), expires: self.expiry(resource) };
        let revision = self.cache.write(old.key().clone(), write, durability(resource)).await?;
        self.written(old.key().clone(), revision, &data)
    }

    /// Removes the state `old`, gives back what it had reserved, and answers the revision that did.
    pub(crate) async fn write_away(&self, resource: &Resource, old: &Object) -> Result<Revision, Error> {
        let write = Write::Delete { expect: Revision(old.revision()) };
        let revision = self.cache.write(old.key().clone(), write, durability(resource)).await?;
        if resource.strategy.reserves() {
            self.release_all(&old.value()).await;
        }
        Ok(revision)
    }

    /// The object a write has made: the cache's own, unless a later write has overtaken it there.
    fn written(&self, key: Key, revision: Revision, data: &[u8]) -> Result<Arc<Object>, Error> {
        if let Some(object) = self.cache.get(&key).filter(|object| object.revision() == revision.0) {
            return Ok(object);
        }
        let shape = Shape::of_storage(&key.resource);
        Object::from_stored(key, revision.0, data, shape).map(Arc::new).map_err(Error::Corrupt)
    }

    fn expiry(&self, resource: &Resource) -> Option<i64> {
        resource.strategy.lifetime_seconds().map(|seconds| self.clock.now().as_second() + seconds)
    }

    /// The object as an answer that was not stored, under the revision of the state it was made from.
    pub(crate) fn unstored(&self, key: Key, revision: u64, object: &Value) -> Result<Arc<Object>, Status> {
        let shape = Shape::of_storage(&key.resource);
        Object::from_value(key, revision, object, shape).map(Arc::new).map_err(Status::internal)
    }
}

pub(crate) fn write_status(error: &Error, resource: &Resource, name: &str) -> Status {
    store_status(error, &resource.group_resource(), name)
}

pub(crate) fn store_unreachable(error: &Error) -> Status {
    tracing::warn!(%error, "the store did not answer a consistent read");
    unavailable(error)
}

fn durability(resource: &Resource) -> Durability {
    if resource.strategy.durable() { Durability::Durable } else { Durability::Relaxed }
}

/// Whether two states differ in anything but their resource version and the times of managedFields.
pub(crate) fn differ(object: &Value, old: &Value) -> bool {
    let (Some(object), Some(old)) = (object.as_object(), old.as_object()) else { return true };
    let same_metadata = || match (object.get("metadata"), old.get("metadata")) {
        (Some(Value::Object(new)), Some(Value::Object(old))) => {
            let of_note = |key: &&String| key.as_str() != "resourceVersion";
            new.keys().filter(of_note).eq(old.keys().filter(of_note))
                && new.iter().all(|(key, value)| match key.as_str() {
                    "resourceVersion" => true,
                    "managedFields" => old.get(key).is_some_and(|old| managed_fields::same_but_times(value, old)),
                    _ => old.get(key) == Some(value),
                })
        }
        (new, old) => new == old,
    };
    let others_equal =
        object.len() == old.len() && object.iter().all(|(key, value)| key == "metadata" || old.get(key) == Some(value));
    !(others_equal && same_metadata())
}

/// Takes out of an object what may not lie in the store.
pub(crate) fn unversioned(object: &mut Value) {
    for field in ["resourceVersion", "selfLink"] {
        object::remove(object, &["metadata", field]);
    }
}

/// Why one attempt of a change did not succeed.
pub(crate) enum Failure {
    /// Somebody else was quicker; nothing is written.
    Raced,
    /// Told to the client.
    Final(Status),
}

impl Failure {
    pub(crate) fn of_write(error: &Error, resource: &Resource, name: &str) -> Self {
        match error {
            Error::Conflict { .. } => Self::Raced,
            error => Self::Final(write_status(error, resource, name)),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Final(status)
    }
}
