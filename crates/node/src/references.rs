//! ConfigMaps and Secrets that pods of this node refer to, and no others: each is watched by name while a pod needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::{ConfigMap, Pod, Secret};
use sampan_client::{Api, Client, Informer, NamespaceResourceScope, Resource};
use sampan_meta::{Entropy, NamespacedName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::checkpoint::Checkpoint;
use crate::environment::Objects;
use crate::volumes;

/// How long a first answer of the server is waited for before the copy on disk has to do.
const PATIENCE: Duration = Duration::from_secs(3);

type Key = (&'static str, String, String);

pub(crate) struct References {
    client: Client,
    entropy: Arc<dyn Entropy>,
    checkpoint: Checkpoint,
    watched: Mutex<BTreeMap<Key, Entry>>,
    changed: mpsc::UnboundedSender<Arc<str>>,
    heard: Mutex<Option<mpsc::UnboundedReceiver<Arc<str>>>>,
}

struct Entry {
    users: Arc<Mutex<BTreeSet<Arc<str>>>>,
    watch: Watch,
    task: tokio::task::AbortHandle,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
enum Watch {
    ConfigMap(Informer<ConfigMap>),
    Secret(Informer<Secret>),
}

impl References {
    pub(crate) fn new(client: Client, entropy: Arc<dyn Entropy>, checkpoint: Checkpoint) -> Self {
        let (changed, heard) = mpsc::unbounded_channel();
        Self { client, entropy, checkpoint, watched: Mutex::default(), changed, heard: Mutex::new(Some(heard)) }
    }

    /// The UIDs of pods of which something they refer to changed. To be taken once.
    pub(crate) fn changes(&self) -> Option<mpsc::UnboundedReceiver<Arc<str>>> {
        self.heard.lock().take()
    }

    /// Watches what the pod refers to from now on; again is fine.
    pub(crate) fn acquire(&self, pod: &Pod) {
        let (namespace, uid) = (crate::pod::facts::namespace(pod), Arc::<str>::from(crate::pod::facts::uid(pod)));
        let mut watched = self.watched.lock();
        for (kind, name) in volumes::references(pod) {
            let key = (kind, namespace.to_owned(), name);
            let entry = watched.entry(key).or_insert_with_key(|key| self.watch(key));
            entry.users.lock().insert(uid.clone());
        }
    }

    /// Stops watching what nobody else needs.
    pub(crate) fn release(&self, pod: &Pod) {
        let (namespace, uid) = (crate::pod::facts::namespace(pod), crate::pod::facts::uid(pod));
        let mut watched = self.watched.lock();
        for (kind, name) in volumes::references(pod) {
            let key = (kind, namespace.to_owned(), name);
            let unused = watched.get(&key).is_some_and(|entry| {
                let mut users = entry.users.lock();
                users.remove(uid);
                users.is_empty()
            });
            if unused {
                watched.remove(&key);
                self.checkpoint.forget_object(key.0, &key.1, &key.2);
            }
        }
    }

    fn watch(&self, key: &Key) -> Entry {
        let users: Arc<Mutex<BTreeSet<Arc<str>>>> = Arc::default();
        let (watch, task) = match key.0 {
            "configmaps" => {
                let informer = self.informer::<ConfigMap>(key);
                (Watch::ConfigMap(informer.clone()), tokio::spawn(self.follow(informer, key.clone(), users.clone())))
            }
            _ => {
                let informer = self.informer::<Secret>(key);
                (Watch::Secret(informer.clone()), tokio::spawn(self.follow(informer, key.clone(), users.clone())))
            }
        };
        Entry { users, watch, task: task.abort_handle() }
    }

    fn informer<K>(&self, (_, namespace, name): &Key) -> Informer<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
    {
        let api = Api::namespaced(self.client.clone(), namespace);
        Informer::builder(api).fields(&format!("metadata.name={name}")).start(self.entropy.clone())
    }

    /// Keeps the copy on disk and tells the users of changes after the first state.
    fn follow<K>(
        &self,
        informer: Informer<K>,
        key: Key,
        users: Arc<Mutex<BTreeSet<Arc<str>>>>,
    ) -> impl Future<Output = ()> + use<K>
    where
        K: Resource + Clone + Serialize + Send + Sync + 'static,
    {
        let (changed, checkpoint) = (self.changed.clone(), self.checkpoint.clone());
        let mut subscription = informer.subscribe();
        drop(informer);
        async move {
            while let Some(change) = subscription.next().await {
                match &change.new {
                    Some(object) => checkpoint.save_object(key.0, &key.1, &key.2, &**object),
                    None => checkpoint.forget_object(key.0, &key.1, &key.2),
                }
                for user in users.lock().iter() {
                    let _agent_is_gone = changed.send(user.clone());
                }
            }
        }
    }

    /// What the pod refers to, as far as it exists. Fails only when neither the server nor the copy on disk can say.
    pub(crate) async fn objects(&self, pod: &Pod) -> Result<Objects, String> {
        let namespace = crate::pod::facts::namespace(pod);
        let mut objects = Objects::default();
        for (kind, name) in volumes::references(pod) {
            let key = (kind, namespace.to_owned(), name);
            let watch = self.watched.lock().get(&key).map(|entry| entry.watch.clone());
            match watch {
                Some(Watch::ConfigMap(informer)) => {
                    let found = self.get(&informer, &key).await?;
                    objects.config_maps.extend(found.map(|found| (key.2, found)));
                }
                Some(Watch::Secret(informer)) => {
                    let found = self.get(&informer, &key).await?;
                    objects.secrets.extend(found.map(|found| (key.2, found)));
                }
                None => {}
            }
        }
        Ok(objects)
    }

    async fn get<K>(&self, informer: &Informer<K>, (kind, namespace, name): &Key) -> Result<Option<Arc<K>>, String>
    where
        K: Resource + Clone + DeserializeOwned + Send + Sync + 'static,
    {
        if !informer.is_synced() && tokio::time::timeout(PATIENCE, informer.synced()).await.is_err() {
            let copy = self.checkpoint.object(kind, namespace, name).map(Arc::new);
            let why = || informer.failure().unwrap_or_else(|| "no answer yet".to_owned());
            return copy
                .map(Some)
                .ok_or_else(|| format!("failed to get {kind} {namespace}/{name} from the apiserver: {}", why()));
        }
        Ok(informer.get(&NamespacedName { namespace: namespace.clone(), name: name.clone() }))
    }
}
