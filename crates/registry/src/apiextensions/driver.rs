//! The task that settles definitions: names, establishment, and the end of those that go.
//!
//! Every server runs it: what it writes is a compare-and-swap of what anyone of them would write.

use std::sync::{Arc, Weak};

use futures::StreamExt as _;
use sampan_meta::object;
use sampan_store::{At, Revision, Scope};
use serde_json::Value;

use super::{DEFINITIONS, cleanup, status};
use crate::registry::Registry;

/// Settles definitions whenever one changes, for as long as the registry is there.
pub(crate) async fn run(registry: Weak<Registry>) {
    loop {
        let Some(changes) = registry.upgrade().map(|registry| {
            let revision = registry.cache.current();
            registry.cache.watch(DEFINITIONS, Scope::default(), revision)
        }) else {
            return;
        };
        let Ok(mut changes) = changes else { continue };
        loop {
            let Some(strong) = registry.upgrade() else { return };
            settle_all(&strong).await;
            drop(strong);
            match changes.next().await {
                Some(Ok(_)) => (),
                // Too slow: what there is now is read anew.
                Some(Err(_)) => break,
                None => return,
            }
        }
    }
}

/// One pass over all definitions.
async fn settle_all(registry: &Arc<Registry>) {
    // Whoever watches a kind that is served otherwise now learns of it here.
    registry.catalog();
    let Ok(snapshot) = registry.cache.snapshot(DEFINITIONS, &At::Latest) else { return };
    let objects: Vec<_> = snapshot.range(None, None).cloned().collect();
    let definitions: Vec<Value> = objects.iter().map(|object| object.value()).collect();
    for (object, definition) in objects.iter().zip(&definitions) {
        if object::deletion_timestamp(definition).is_some() {
            cleanup::begin(registry, definition);
            continue;
        }
        let Some(next) = status::settled(definition, &definitions, registry.clock.now()) else { continue };
        if let Err(error) = registry.write_definition(object, next).await {
            tracing::debug!(definition = object.name(), %error, "the status of a definition was not written");
        }
    }
    registry.catalog();
}

impl Registry {
    /// Writes a state of a definition over the one it was made of. Who loses a race sees what won, and settles that.
    pub(super) async fn write_definition(
        &self,
        old: &crate::object::Object,
        mut next: Value,
    ) -> Result<Revision, sampan_store::Error> {
        let resource = self.find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        let resource = resource.expect("definitions are built in");
        crate::verbs::change::unversioned(&mut next);
        let done = object::deletion_timestamp(&next).is_some() && object::finalizers(&next).next().is_none();
        if done {
            return self.write_away(&resource, old).await;
        }
        self.write_over(&resource, old, &next).await.map(|written| Revision(written.revision()))
    }
}
