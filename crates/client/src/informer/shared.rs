//! The informers of one part of the process: one per kind, started when first asked for.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_meta::Entropy;

use super::{Informer, Watched};
use crate::{Api, Client};

/// One informer per kind, over all namespaces, shared by everybody who asks. Cloning shares it.
#[derive(Clone)]
pub struct Informers {
    client: Client,
    entropy: Arc<dyn Entropy>,
    started: Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send>>>>,
}

impl Informers {
    /// Makes an empty set; nothing is watched yet.
    pub fn new(client: Client, entropy: Arc<dyn Entropy>) -> Self {
        Self { client, entropy, started: Arc::default() }
    }

    /// The informer of a kind; starts it if this is the first call for the kind.
    #[must_use]
    pub fn of<K>(&self) -> Informer<K>
    where
        K: Watched + serde::de::DeserializeOwned + std::fmt::Debug,
        K: kube::Resource<DynamicType = ()>,
    {
        let mut started = self.started.lock();
        let start = || -> Box<dyn Any + Send> {
            Box::new(Informer::builder(Api::<K>::all(self.client.clone())).start(self.entropy.clone()))
        };
        let informer = started.entry(TypeId::of::<K>()).or_insert_with(start);
        informer.downcast_ref::<Informer<K>>().expect("the entry of a type holds that type's informer").clone()
    }

    /// The client the informers watch with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}
