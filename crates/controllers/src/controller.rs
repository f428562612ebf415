//! What a controller is, and what it is given.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sampan_client::{Api, Change, Client, Informer, Informers, Recorder, Resource, Watched, WorkQueue};
use sampan_client::{ClusterResourceScope, NamespaceResourceScope, error};
use sampan_meta::{Clock, Entropy, NamespacedName};
use serde::de::DeserializeOwned;

use crate::settings::Settings;

/// The key of a reconcile: the object's namespace and name. Controllers over objects of any kind put a uid into the name.
pub type Key = NamespacedName;

/// Brings one kind of object to what its spec says.
///
/// # Contract
/// `watches` is called once. `reconcile` is called for a key by one worker at a time, again and again: after each change the watches
/// report for it, when it asked for it, and with growing delays after a failure. It reads again what it needs and takes nothing from
/// the event; once settled it writes nothing. It does not retry by itself. A panic in it is a failure like another.
pub trait Controller: Send + Sync + 'static {
    /// Which changes lead to which keys.
    fn watches(&self) -> Vec<Watch>;

    /// Takes one key a step nearer to what is wanted.
    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>>;

    /// What runs beside the workers for as long as the controller does, for those that watch what they find out at run time.
    fn background(&self, _queue: &WorkQueue<Key>) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// How many keys are worked on side by side.
    fn workers(&self) -> usize {
        5
    }
}

/// What shall happen to a key after a reconcile that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing until something changes.
    Settled,
    /// Come back when this much time has passed, if nothing changes before.
    After(Duration),
}

impl Next {
    /// The earlier of two wishes to come back.
    #[must_use]
    pub fn or_after(self, other: Option<Duration>) -> Self {
        match (self, other) {
            (next, None) => next,
            (Self::Settled, Some(delay)) => Self::After(delay),
            (Self::After(delay), Some(other)) => Self::After(delay.min(other)),
        }
    }
}

impl From<Option<Duration>> for Next {
    fn from(delay: Option<Duration>) -> Self {
        Self::Settled.or_after(delay)
    }
}

/// Why a reconcile did not do all it wanted to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The apiserver refused or could not be asked. Its message names the object.
    #[error("{}", error::message(.0))]
    Api(#[from] sampan_client::Error),
    /// The object says something that cannot be acted upon.
    #[error("{0}")]
    Object(String),
    /// The reconcile panicked.
    #[error("reconciling panicked: {0}")]
    Panic(String),
}

impl Failure {
    /// Somebody else was quicker; the next attempt sees what they did.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(failure) if error::is_conflict(failure))
    }

    /// Whether trying again may help without anybody changing anything. The driver tries again in any case, at growing intervals.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Api(failure) => error::is_retryable(failure),
            Self::Object(_) | Self::Panic(_) => false,
        }
    }
}

/// One right a controller needs; its role is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The API group; empty: core; `*`: all.
    pub group: &'static str,
    /// The resources, with `/subresource` where meant.
    pub resources: &'static [&'static str],
    /// The verbs.
    pub verbs: &'static [&'static str],
}

/// One way in which changes of a kind lead to keys.
pub struct Watch {
    start: Start,
}

/// Subscribes for a queue.
type Start = Box<dyn FnOnce(&WorkQueue<Key>) -> Running + Send>;

/// A started watch: first wait for `synced`, and let `pump` run on.
pub(crate) struct Running {
    pub(crate) synced: BoxFuture<'static, ()>,
    pub(crate) pump: BoxFuture<'static, ()>,
}

impl Watch {
    /// Every change of what the informer watches leads to the keys that `keys` gives for it.
    pub fn new<K: Watched>(
        informer: &Informer<K>,
        keys: impl Fn(&Change<K>) -> Vec<Key> + Send + Sync + 'static,
    ) -> Self {
        let informer = informer.clone();
        Self { start: Box::new(move |queue| start(informer, keys, queue.clone())) }
    }

    /// Every change of an object leads to its own key.
    pub fn each<K: Watched>(informer: &Informer<K>) -> Self {
        Self::new(informer, |change| vec![sampan_client::informer::name_of::<K>((**change.object()).clone())])
    }

    pub(crate) fn start(self, queue: &WorkQueue<Key>) -> Running {
        (self.start)(queue)
    }
}

fn start<K: Watched>(
    informer: Informer<K>,
    keys: impl Fn(&Change<K>) -> Vec<Key> + Send + Sync + 'static,
    queue: WorkQueue<Key>,
) -> Running {
    let mut changes = informer.subscribe();
    let pump = async move {
        while let Some(change) = changes.next().await {
            keys(&change).into_iter().for_each(|key| queue.add(key));
        }
    };
    Running { synced: Box::pin(async move { informer.synced().await }), pump: Box::pin(pump) }
}

/// What every controller is given. Cloning is cheap.
#[derive(Clone)]
pub struct Context {
    /// The controller's own identity: what it writes with.
    pub client: Client,
    /// Records events in the controller's name.
    pub recorder: Recorder,
    /// The watches all controllers of the process share.
    pub informers: Informers,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// What the cli decided.
    pub settings: Arc<Settings>,
}

impl Context {
    /// The objects of a kind in one namespace, as the controller's own identity may see and write them.
    #[must_use]
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The objects of a cluster-scoped kind.
    #[must_use]
    pub fn cluster<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope>,
    {
        Api::all(self.client.clone())
    }

    /// The shared informer of a kind.
    #[must_use]
    pub fn informer<K>(&self) -> Informer<K>
    where
        K: Watched + DeserializeOwned + std::fmt::Debug + Resource<DynamicType = ()>,
    {
        self.informers.of::<K>()
    }

    /// The time in whole seconds, as objects hold it: what is compared with a stored time must not be finer than that.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        crate::time::whole_seconds(self.clock.now())
    }
}
