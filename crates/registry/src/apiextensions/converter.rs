//! Objects of a custom kind in the version somebody speaks, by the kind's conversion webhook.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use sampan_api::webhook::WebhookClient;
use sampan_meta::{Entropy, Status, new_uid, object};
use sampan_store::Key;
use serde_json::Value;

use super::CustomKind;
use super::conversion::{failure, unreachable};
use crate::object::Object;
use crate::resource::{Kind, Resource};

/// How long a webhook may take. Upstream: the default of its clients.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of objects that are put into one question, so that its answer can be read; a larger object is asked about alone.
const BATCH: usize = 1 << 20;
/// How many converted objects are remembered, at least.
const REMEMBERED: usize = 2048;

/// Converts the objects of one version of a custom kind. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Converter {
    kind: Arc<CustomKind>,
    client: Option<Arc<dyn WebhookClient>>,
    entropy: Arc<dyn Entropy>,
}

impl Converter {
    /// `None` for kinds whose objects nobody has to be asked about.
    pub(crate) fn new(
        resource: &Resource,
        client: Option<&Arc<dyn WebhookClient>>,
        entropy: &Arc<dyn Entropy>,
    ) -> Option<Self> {
        let Kind::Custom(kind) = &resource.strategy else { return None };
        kind.conversion()?;
        Some(Self { kind: Arc::clone(kind), client: client.cloned(), entropy: Arc::clone(entropy) })
    }

    /// A stored object in the version of the kind.
    ///
    /// # Errors
    /// 500 with what is wrong with the webhook or its answer.
    pub(crate) async fn state(&self, stored: Value) -> Result<Value, Status> {
        let mut states = self.states(vec![stored]).await?;
        states.pop().ok_or_else(|| failure("a conversion answered nothing"))
    }

    /// As [`Converter::state`], of many objects in as few questions as can be.
    async fn states(&self, mut stored: Vec<Value>) -> Result<Vec<Value>, Status> {
        for object in &mut stored {
            self.kind.complete_as_stored(object)?;
        }
        self.convert(stored, self.kind.api_version()).await
    }

    /// An object of the kind's version as it is to be stored.
    ///
    /// # Errors
    /// As [`Converter::state`].
    pub(crate) async fn stored(&self, object: Value) -> Result<Value, Status> {
        self.convert_one(object, &self.kind.storage_api_version()).await
    }

    /// An object in another version.
    ///
    /// # Errors
    /// As [`Converter::state`].
    pub(crate) async fn convert_one(&self, object: Value, wanted: &str) -> Result<Value, Status> {
        let mut converted = self.convert(vec![object], wanted).await?;
        converted.pop().ok_or_else(|| failure("a conversion answered nothing"))
    }

    /// A stored object as clients of this version know it.
    ///
    /// # Errors
    /// As [`Converter::state`].
    pub(crate) async fn present(&self, object: &Object) -> Result<Arc<Object>, Status> {
        let state = self.state(object.value()).await?;
        self.shown(object, &state)
    }

    fn shown(&self, object: &Object, state: &Value) -> Result<Arc<Object>, Status> {
        let shown = Object::from_value(object.key().clone(), object.revision(), state, self.kind.shape());
        shown.map(Arc::new).map_err(Status::internal)
    }

    /// As [`Converter::present`], asked once for all who want the same state of an object.
    pub(crate) async fn shared(&self, object: Arc<Object>) -> Result<Arc<Object>, Status> {
        let id = self.id(&object);
        let this = self.clone();
        let converting =
            self.kind.converted().get_or_begin(id.clone(), || async move { this.present(&object).await }.boxed());
        let outcome = converting.await;
        if outcome.is_err() {
            self.kind.converted().forget(&id);
        }
        outcome
    }

    /// As [`Converter::shared`], of many: those nobody has asked for yet in as few questions as can be.
    pub(crate) async fn shared_all(&self, objects: Vec<Arc<Object>>) -> Result<Vec<Arc<Object>>, Status> {
        let converted = self.kind.converted();
        let known: Vec<Option<Converting>> = objects.iter().map(|object| converted.get(&self.id(object))).collect();
        let unknown = || objects.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(object, _)| object);
        let states = self.states(unknown().map(|object| object.value()).collect()).await?;
        let mut fresh = Vec::with_capacity(states.len());
        for (object, state) in unknown().zip(&states) {
            let shown = self.shown(object, state)?;
            converted.put(self.id(object), &shown);
            fresh.push(shown);
        }
        let mut fresh = fresh.into_iter();
        let mut all = Vec::with_capacity(objects.len());
        for (object, known) in objects.iter().zip(known) {
            let Some(known) = known else {
                all.push(fresh.next().ok_or_else(|| failure("a conversion answered too little"))?);
                continue;
            };
            // What failed for somebody else may succeed now.
            all.push(match known.await {
                Ok(known) => known,
                Err(_) => self.shared(Arc::clone(object)).await?,
            });
        }
        Ok(all)
    }

    fn id(&self, object: &Object) -> Id {
        (object.key().clone(), object.revision(), self.kind.shape().api_version.as_str())
    }

    /// Brings objects into a version; those that are in it stay as they are.
    async fn convert(&self, objects: Vec<Value>, wanted: &str) -> Result<Vec<Value>, Status> {
        let (mut out, mut batch, mut size) = (objects, Vec::new(), 0);
        let mut converted = Vec::with_capacity(out.len());
        for at in 0..out.len() {
            let object = &out[at];
            self.kind.check_version(object)?;
            if object::api_version(object) == wanted {
                continue;
            }
            let length = object.to_string().len();
            if size + length > BATCH && !batch.is_empty() {
                converted.extend(self.ask(&out, std::mem::take(&mut batch), wanted).await?);
                size = 0;
            }
            batch.push(at);
            size += length;
        }
        if !batch.is_empty() {
            converted.extend(self.ask(&out, batch, wanted).await?);
        }
        for (at, object) in converted {
            out[at] = object;
        }
        Ok(out)
    }

    /// One question about the objects at these places.
    async fn ask(&self, all: &[Value], places: Vec<usize>, wanted: &str) -> Result<Vec<(usize, Value)>, Status> {
        let sent: Vec<Value> = places.iter().map(|at| all[*at].clone()).collect();
        let conversion = self.kind.conversion().expect("only kinds that are converted have a converter");
        let Some(client) = &self.client else {
            return Err(unreachable(&sent, "this server asks no webhooks"));
        };
        let uid = new_uid(&*self.entropy);
        let question = conversion.question(&uid, &sent, wanted)?;
        let answer = client.ask(&conversion.client_config, &question, PATIENCE).await;
        let answer = answer.map_err(|why| unreachable(&sent, &why))?;
        let mut converted = conversion.answer(&answer, &uid, &sent, wanted)?;
        for object in &mut converted {
            self.kind.prune_as_is(object)?;
        }
        Ok(places.into_iter().zip(converted).collect())
    }
}

/// An object, a state of it, and the version it is shown in.
type Id = (Key, u64, &'static str);

type Converting = Shared<BoxFuture<'static, Result<Arc<Object>, Status>>>;

/// States of objects in the versions somebody watched or listed them in. A watch cache of upstream holds as much.
#[derive(Default)]
pub(crate) struct Converted(Mutex<Generations>);

/// What was not asked for during a whole generation is forgotten.
#[derive(Default)]
struct Generations {
    young: HashMap<Id, Converting>,
    old: HashMap<Id, Converting>,
}

impl Generations {
    fn insert(&mut self, id: Id, converting: Converting) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, converting);
    }

    fn get(&mut self, id: &Id) -> Option<Converting> {
        if let Some(found) = self.young.get(id) {
            return Some(found.clone());
        }
        let found = self.old.remove(id)?;
        self.insert(id.clone(), found.clone());
        Some(found)
    }
}

impl Converted {
    fn get(&self, id: &Id) -> Option<Converting> {
        self.0.lock().get(id)
    }

    fn get_or_begin(
        &self,
        id: Id,
        begin: impl FnOnce() -> BoxFuture<'static, Result<Arc<Object>, Status>>,
    ) -> Converting {
        let mut generations = self.0.lock();
        generations.get(&id).unwrap_or_else(|| {
            let converting = begin().shared();
            generations.insert(id, converting.clone());
            converting
        })
    }

    fn put(&self, id: Id, object: &Arc<Object>) {
        let known = futures::future::ready(Ok(Arc::clone(object))).boxed().shared();
        self.0.lock().insert(id, known);
    }

    fn forget(&self, id: &Id) {
        let mut generations = self.0.lock();
        generations.young.remove(id);
        generations.old.remove(id);
    }
}
