//! What is published of the kinds, made anew when they change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sampan_registry::Registry;

use super::Discovery;
use crate::aggregation::Aggregation;
use crate::openapi::OpenApi;

/// The documents of the moment.
pub(crate) struct Published {
    current: ArcSwap<Documents>,
    making: Mutex<()>,
}

/// The documents about one set of kinds.
pub(crate) struct Documents {
    /// Of the kinds served here, and of what others serve.
    version: (u64, (u64, u64)),
    pub(crate) discovery: Discovery,
    pub(crate) openapi: OpenApi,
}

impl Published {
    pub(crate) fn new(registry: &Registry, aggregation: &Aggregation) -> Self {
        Self { current: ArcSwap::from_pointee(Documents::of(registry, aggregation, None)), making: Mutex::default() }
    }

    /// The documents about the kinds that are served now. Those of group versions that stay as they are stay, too.
    pub(crate) fn now(&self, registry: &Registry, aggregation: &Aggregation) -> Arc<Documents> {
        let version = version(registry, aggregation);
        let current = self.current.load_full();
        if current.version == version {
            return current;
        }
        let _making = self.making.lock();
        let current = self.current.load_full();
        if current.version == version {
            return current;
        }
        let next = Arc::new(Documents::of(registry, aggregation, Some(&current)));
        self.current.store(Arc::clone(&next));
        next
    }
}

fn version(registry: &Registry, aggregation: &Aggregation) -> (u64, (u64, u64)) {
    (registry.served_version(), aggregation.version(registry))
}

impl Documents {
    fn of(registry: &Registry, aggregation: &Aggregation, before: Option<&Self>) -> Self {
        let version = version(registry, aggregation);
        let remotes = aggregation.remotes(registry);
        let discovery = Discovery::new(&registry.served(), &remotes);
        let openapi = OpenApi::new(&discovery, &remotes, before.map(|before| &before.openapi));
        Self { version, discovery, openapi }
    }
}
