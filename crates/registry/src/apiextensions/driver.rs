//! The task that settles definitions: names, establishment, and the end of those that go.
//!
//! Every server runs it: what it writes is a compare-and-swap of what anyone of them would write.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use futures::{FutureExt as _, StreamExt as _};
use sampan_meta::object;
use sampan_store::{At, Error, Scope};
use serde_json::Value;

use super::{DEFINITIONS, cleanup, status};
use crate::object::Object;
use crate::registry::Registry;

/// The definitions as far as their names and status go, by name; the schemas are many times as much.
#[derive(Default)]
struct Known(BTreeMap<String, (Arc<Object>, Value)>);

/// Settles definitions whenever one changes, for as long as the registry is there.
pub(crate) async fn run(registry: Weak<Registry>) {
    let mut known = Known::default();
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
            known.refresh(&strong);
            settle_all(&strong, &known).await;
            drop(strong);
            match changes.next().await {
                Some(Ok(_)) => (),
                // Too slow: what there is now is read anew.
                Some(Err(_)) => break,
                None => return,
            }
            // One pass answers for all that has changed so far.
            while let Some(Some(Ok(_))) = changes.next().now_or_never() {}
        }
    }
}

impl Known {
    fn refresh(&mut self, registry: &Registry) {
        let Ok(snapshot) = registry.cache.snapshot(DEFINITIONS, &At::Latest) else { return };
        let mut now = BTreeMap::new();
        for object in snapshot.range(None, None) {
            let before = self.0.remove(object.name()).filter(|(before, _)| before.revision() == object.revision());
            let entry = before.unwrap_or_else(|| (Arc::clone(object), without_schemas(object.value())));
            now.insert(object.name().to_owned(), entry);
        }
        self.0 = now;
    }
}

fn without_schemas(mut definition: Value) -> Value {
    object::remove(&mut definition, &["spec", "versions"]);
    definition
}

/// One pass over all definitions.
async fn settle_all(registry: &Arc<Registry>, known: &Known) {
    // Whoever watches a kind that is served otherwise now learns of it here.
    registry.catalog();
    let mut definitions: Vec<Value> = known.0.values().map(|(_, definition)| definition.clone()).collect();
    for (at, (object, definition)) in known.0.values().enumerate() {
        if object::deletion_timestamp(definition).is_some() {
            cleanup::begin(registry, definition);
            continue;
        }
        let Some(settled) = status::settled(definition, &definitions, registry.clock.now()) else { continue };
        let mut next = object.value();
        next["status"] = settled["status"].clone();
        // Of two that want the same name the first has it, for all that follow in this pass.
        definitions[at] = settled;
        if let Err(error) = registry.write_definition(object, next).await {
            tracing::debug!(definition = object.name(), %error, "the status of a definition was not written");
        }
    }
    registry.catalog();
}

impl Registry {
    /// Writes a state of a definition over the one it was made of; one that was deleted and that nothing holds any more goes. Who loses a
    /// race sees what won, and settles that.
    pub(super) async fn write_definition(&self, old: &Object, mut next: Value) -> Result<(), Error> {
        let resource = self.find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
        let resource = resource.expect("definitions are built in");
        crate::verbs::change::unversioned(&mut next);
        let done = object::deletion_timestamp(&next).is_some() && object::finalizers(&next).next().is_none();
        if done {
            return self.write_away(&resource, old).await.map(drop);
        }
        self.write_over(&resource, old, &next).await.map(drop)
    }
}
