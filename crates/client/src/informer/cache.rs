//! The objects an informer knows, their indices, and who wants to hear of changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;
use sampan_meta::NamespacedName;

use super::subscription::{Queue, Subscription};
use super::{Watched, name_of};

pub(super) type KeyFunction<K> = Box<dyn Fn(&K) -> Vec<String> + Send + Sync>;

/// All state sits behind one lock, so that objects, indices and subscriptions never disagree.
pub(super) struct Cache<K> {
    state: RwLock<State<K>>,
}

struct State<K> {
    objects: BTreeMap<NamespacedName, Arc<K>>,
    indices: HashMap<&'static str, Index<K>>,
    subscribers: Vec<Arc<Queue<K>>>,
    version: u64,
    failure: Option<String>,
    closed: bool,
}

struct Index<K> {
    keys: KeyFunction<K>,
    entries: HashMap<String, BTreeSet<NamespacedName>>,
}

impl<K: Watched> Cache<K> {
    pub(super) fn new() -> Self {
        let state = State {
            objects: BTreeMap::new(),
            indices: HashMap::new(),
            subscribers: Vec::new(),
            version: 0,
            failure: None,
            closed: false,
        };
        Self { state: RwLock::new(state) }
    }

    pub(super) fn get(&self, name: &NamespacedName) -> Option<Arc<K>> {
        self.state.read().objects.get(name).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.state.read().objects.len()
    }

    pub(super) fn list(&self, namespace: Option<&str>) -> Vec<Arc<K>> {
        let state = self.state.read();
        let Some(namespace) = namespace else { return state.objects.values().cloned().collect() };
        let first = NamespacedName { namespace: namespace.to_owned(), name: String::new() };
        let from_first = state.objects.range(first..);
        from_first.take_while(|(name, _)| name.namespace == namespace).map(|(_, object)| object.clone()).collect()
    }

    pub(super) fn add_index(&self, name: &'static str, keys: KeyFunction<K>) {
        let mut state = self.state.write();
        if state.indices.contains_key(name) {
            return;
        }
        let mut index = Index { keys, entries: HashMap::new() };
        for (object_name, object) in &state.objects {
            index.insert(object_name, object);
        }
        state.indices.insert(name, index);
    }

    pub(super) fn by_index(&self, name: &str, key: &str) -> Vec<Arc<K>> {
        let state = self.state.read();
        let index = state.indices.get(name).unwrap_or_else(|| panic!("no index {name} was added to the informer"));
        let names = index.entries.get(key).into_iter().flatten();
        names.filter_map(|name| state.objects.get(name).cloned()).collect()
    }

    pub(super) fn subscribe(&self) -> Subscription<K> {
        let mut state = self.state.write();
        let queue = Arc::new(Queue::new());
        for (name, object) in &state.objects {
            queue.push(name, None, Some(object.clone()));
        }
        if state.closed {
            queue.close();
        }
        // Whoever dropped its subscription leaves when the next one arrives; see also `State::tell`.
        state.subscribers.retain(|queue| Arc::strong_count(queue) > 1);
        state.subscribers.push(queue.clone());
        Subscription::new(queue)
    }

    pub(super) fn version(&self) -> u64 {
        self.state.read().version
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.state.read().failure.clone()
    }

    pub(super) fn set_failure(&self, failure: Option<String>) {
        self.state.write().failure = failure;
    }

    /// Takes one added or modified object.
    pub(super) fn apply(&self, object: K, version: u64) {
        let mut state = self.state.write();
        state.store(name_of::<K>(&object), Arc::new(object));
        state.version = state.version.max(version);
    }

    /// Takes one deletion; the object carries its last state.
    pub(super) fn delete(&self, object: K, version: u64) {
        let mut state = self.state.write();
        state.remove(&name_of::<K>(&object), Some(Arc::new(object)));
        state.version = state.version.max(version);
    }

    /// Takes note that nothing else happened up to this version.
    pub(super) fn progress(&self, version: u64) {
        let mut state = self.state.write();
        state.version = state.version.max(version);
    }

    /// Takes a whole list: what it lacks was deleted meanwhile. The version may go back: another server's store, or a restored one.
    pub(super) fn replace(&self, objects: Vec<K>, version: u64) {
        let mut state = self.state.write();
        let mut gone: BTreeSet<NamespacedName> = state.objects.keys().cloned().collect();
        for object in objects {
            let name = name_of::<K>(&object);
            gone.remove(&name);
            state.store(name, Arc::new(object));
        }
        for name in gone {
            state.remove(&name, None);
        }
        state.version = version;
    }

    pub(super) fn close(&self) {
        let mut state = self.state.write();
        state.closed = true;
        state.subscribers.drain(..).for_each(|queue| queue.close());
    }
}

impl<K: Watched> State<K> {
    fn store(&mut self, name: NamespacedName, object: Arc<K>) {
        let old = self.objects.insert(name.clone(), object.clone());
        if old.as_ref().is_some_and(|old| same_version(&**old, &*object)) {
            return;
        }
        for index in self.indices.values_mut() {
            old.iter().for_each(|old| index.remove(&name, old));
            index.insert(&name, &object);
        }
        self.tell(&name, old, Some(object));
    }

    /// `last` is the state at deletion if the server sent it; subscribers get what they knew otherwise.
    fn remove(&mut self, name: &NamespacedName, last: Option<Arc<K>>) {
        let Some(old) = self.objects.remove(name) else { return };
        self.indices.values_mut().for_each(|index| index.remove(name, &old));
        let same_object = last.filter(|last| last.meta().uid == old.meta().uid);
        self.tell(name, Some(same_object.unwrap_or(old)), None);
    }

    fn tell(&mut self, name: &NamespacedName, old: Option<Arc<K>>, new: Option<Arc<K>>) {
        self.subscribers.retain(|queue| Arc::strong_count(queue) > 1);
        for queue in &self.subscribers {
            queue.push(name, old.clone(), new.clone());
        }
    }
}

fn same_version<K: Watched>(old: &K, new: &K) -> bool {
    let (old, new) = (old.meta(), new.meta());
    old.uid == new.uid && old.resource_version.is_some() && old.resource_version == new.resource_version
}

impl<K> Index<K> {
    fn insert(&mut self, name: &NamespacedName, object: &K) {
        for key in (self.keys)(object) {
            self.entries.entry(key).or_default().insert(name.clone());
        }
    }

    fn remove(&mut self, name: &NamespacedName, object: &K) {
        for key in (self.keys)(object) {
            if let Some(names) = self.entries.get_mut(&key) {
                names.remove(name);
                if names.is_empty() {
                    self.entries.remove(&key);
                }
            }
        }
    }
}
