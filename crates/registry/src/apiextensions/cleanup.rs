//! A definition that is deleted takes its instances along. Upstream: `apiextensions-apiserver/pkg/controller/finalizer`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use sampan_api::request::{AdmitAll, Attributes, MASTERS, User};
use sampan_meta::time::format_time;
use sampan_meta::{Status, object};
use sampan_store::{At, Key, Scope};
use serde_json::{Value, json};

use super::DEFINITIONS;
use crate::conditions;
use crate::context::RequestContext;
use crate::options::DeleteOptions;
use crate::registry::Registry;
use crate::resource::Resource;

/// Holds a definition while it has instances.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// How long after a failure it is tried again.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a deletion is.
enum Progress {
    /// There is nothing left to do.
    Done,
    /// Instances are held by finalizers of their own.
    Waiting,
    /// Something was not written or deleted.
    Failed,
}

/// Starts deleting the instances of a definition, unless that goes on already or is done.
pub(super) fn begin(registry: &Arc<Registry>, definition: &Value) {
    if !object::finalizers(definition).any(|finalizer| finalizer == FINALIZER) {
        return;
    }
    let uid = object::uid(definition).to_owned();
    if !registry.cleaning.lock().insert(uid.clone()) {
        return;
    }
    let (name, registry) = (object::name(definition).to_owned(), Arc::downgrade(registry));
    tokio::spawn(async move {
        clean(&registry, &name, &uid).await;
        if let Some(registry) = registry.upgrade() {
            registry.cleaning.lock().remove(&uid);
        }
    });
}

/// Deletes instances until there are none, waiting for those that finalizers hold; then lets the definition go.
async fn clean(registry: &Weak<Registry>, name: &str, uid: &str) {
    loop {
        let Some(strong) = registry.upgrade() else { return };
        let Some(definition) = strong.terminating(name, uid) else { return };
        let storage = storage_of(&definition);
        let Ok(mut changes) = strong.cache.watch(&storage, Scope::default(), strong.cache.current()) else { continue };
        let outcome = strong.delete_instances(&definition, &storage).await;
        let left = strong.refresh().await.map_or(1, |_| strong.instances(&storage).len());
        let progress = strong.report(name, uid, outcome, left).await;
        drop(strong);
        match progress {
            Progress::Done => return,
            Progress::Failed => tokio::time::sleep(PATIENCE).await,
            Progress::Waiting => drop(changes.next().await),
        }
    }
}

fn storage_of(definition: &Value) -> String {
    let text = |pointer: &str| object::str_at(definition, pointer).unwrap_or_default();
    format!("{}/{}", text("/spec/group"), text("/spec/names/plural"))
}

impl Registry {
    fn terminating(&self, name: &str, uid: &str) -> Option<Value> {
        let definition = self.cache.get(&definition_key(name))?.value();
        let held = object::finalizers(&definition).any(|finalizer| finalizer == FINALIZER);
        (object::uid(&definition) == uid && held && object::deletion_timestamp(&definition).is_some())
            .then_some(definition)
    }

    fn instances(&self, storage: &str) -> Vec<Arc<crate::object::Object>> {
        let snapshot = self.cache.snapshot(storage, &At::Latest);
        snapshot.map(|snapshot| snapshot.range(None, None).cloned().collect()).unwrap_or_default()
    }

    async fn delete_instances(&self, definition: &Value, storage: &str) -> Result<(), Status> {
        let group = object::str_at(definition, "/spec/group").unwrap_or_default();
        let catalog = self.catalog();
        // Names that were never accepted have no instances of their own: what lies there is another definition's.
        let versions =
            catalog.resources.iter().filter(|resource| resource.names.group == group && *resource.storage == *storage);
        // In the version they are stored in no webhook has to be asked about them.
        let Some(resource) = versions.max_by_key(|resource| resource.is_storage_version()) else { return Ok(()) };
        for instance in self.instances(storage) {
            match self.delete_instance(resource, instance.namespace(), instance.name()).await {
                Err(status) if !status.is_not_found() => return Err(status),
                _ => (),
            }
        }
        Ok(())
    }

    async fn delete_instance(&self, resource: &Resource, namespace: &str, name: &str) -> Result<(), Status> {
        let attributes = Attributes {
            user: User::new("system:apiserver", [MASTERS]),
            verb: "delete".to_owned(),
            group: resource.names.group.to_owned(),
            version: resource.names.version.to_owned(),
            resource: resource.names.plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            resource_request: true,
            ..Attributes::default()
        };
        let cx = RequestContext::new(&attributes, &AdmitAll);
        self.delete(&cx, resource, &DeleteOptions::default()).await.map(drop)
    }

    /// Writes how far the deletion is.
    async fn report(&self, name: &str, uid: &str, outcome: Result<(), Status>, left: usize) -> Progress {
        let Some(old) = self.cache.get(&definition_key(name)) else { return Progress::Done };
        let mut next = old.value();
        if object::uid(&next) != uid {
            return Progress::Done;
        }
        let (status, reason, message) = match &outcome {
            Err(failure) => {
                ("True", "InstanceDeletionFailed", format!("could not list instances: {}", failure.message))
            }
            Ok(()) if left > 0 => {
                ("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress".to_owned())
            }
            Ok(()) => ("False", "InstanceDeletionCompleted", "removed all instances".to_owned()),
        };
        let now = format_time(self.clock.now());
        let condition = json!({"type": "Terminating", "status": status, "lastTransitionTime": now, "reason": reason, "message": message});
        conditions::set(&mut next, condition);
        let done = outcome.is_ok() && left == 0;
        if done {
            let others = object::finalizers(&next).filter(|finalizer| *finalizer != FINALIZER).map(str::to_owned);
            let others: Vec<String> = others.collect();
            object::set_finalizers(&mut next, others);
        }
        if next.get("status") == old.value().get("status") && !done {
            return if outcome.is_ok() { Progress::Waiting } else { Progress::Failed };
        }
        match self.write_definition(&old, next).await {
            Ok(_) if done => Progress::Done,
            Ok(_) if outcome.is_ok() => Progress::Waiting,
            Ok(_) => Progress::Failed,
            Err(error) => {
                tracing::debug!(definition = name, %error, "the end of a definition was not written");
                Progress::Failed
            }
        }
    }
}

fn definition_key(name: &str) -> Key {
    Key { resource: DEFINITIONS.into(), namespace: "".into(), name: name.into() }
}
