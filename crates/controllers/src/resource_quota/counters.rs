//! Watches of kinds that quotas merely count, by their metadata alone. Each begins when the first quota counts its kind.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use sampan_client::{Api, DynamicObject, Informer, PartialObjectMeta};
use sampan_meta::GroupResource;
use tokio::sync::mpsc;

use crate::controller::{Context, Failure};
use crate::discover;

/// A watch of metadata.
pub(super) type Metadata = Informer<PartialObjectMeta<DynamicObject>>;

pub(super) struct Counters {
    cx: Context,
    known: Mutex<BTreeMap<GroupResource, Metadata>>,
    begun: mpsc::UnboundedSender<Metadata>,
    heard: Mutex<Option<mpsc::UnboundedReceiver<Metadata>>>,
}

impl Counters {
    pub(super) fn new(cx: Context) -> Self {
        let (begun, heard) = mpsc::unbounded_channel();
        Self { cx, known: Mutex::default(), begun, heard: Mutex::new(Some(heard)) }
    }

    /// How many objects of a kind are in a namespace; none of a kind that is not served.
    pub(super) async fn count(&self, kind: &GroupResource, namespace: &str) -> Result<usize, Failure> {
        let known = self.known.lock().get(kind).cloned();
        let informer = match known {
            Some(informer) => Some(informer),
            None => self.begin(kind).await?,
        };
        let Some(informer) = informer else { return Ok(0) };
        informer.synced().await;
        Ok(informer.list_namespace(namespace).len())
    }

    async fn begin(&self, kind: &GroupResource) -> Result<Option<Metadata>, Failure> {
        let served = discover::resources(&self.cx.client).await?;
        let is_it =
            |resource: &sampan_client::ApiResource| resource.group == kind.group && resource.plural == kind.resource;
        let Some((resource, _)) = served.into_iter().find(|(resource, _)| is_it(resource)) else { return Ok(None) };
        let api: Api<DynamicObject> = Api::all_with(self.cx.client.clone(), &resource);
        let mut known = self.known.lock();
        let informer = known.entry(kind.clone()).or_insert_with(|| {
            let informer = Informer::metadata(api).transform(forget).start(self.cx.entropy.clone());
            let _nobody_listens_after_the_end = self.begun.send(informer.clone());
            informer
        });
        Ok(Some(informer.clone()))
    }

    /// Tells of each namespace in which something of a counted kind is gone, for ever. To be taken once.
    pub(super) fn losses(
        &self,
        tell: impl Fn(&str) + Send + 'static,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let mut begun = self.heard.lock().take()?;
        Some(async move {
            let mut watches = FuturesUnordered::new();
            loop {
                tokio::select! { biased;
                    Some(informer) = begun.recv() => watches.push(next(informer.subscribe())),
                    Some((namespace, subscription)) = watches.next() => {
                        tell(&namespace);
                        watches.push(next(subscription));
                    }
                    else => return,
                }
            }
        })
    }
}

/// The namespace of the next object that goes.
async fn next(
    mut subscription: sampan_client::Subscription<PartialObjectMeta<DynamicObject>>,
) -> (String, sampan_client::Subscription<PartialObjectMeta<DynamicObject>>) {
    loop {
        match subscription.next().await {
            Some(change) if change.new.is_none() => {
                let namespace = change.object().metadata.namespace.clone().unwrap_or_default();
                return (namespace, subscription);
            }
            Some(_) => {}
            // The informer lives as long as the controller; should it end, nothing is to be told any more.
            None => std::future::pending().await,
        }
    }
}

fn forget(object: &mut PartialObjectMeta<DynamicObject>) {
    object.metadata.labels = None;
    object.metadata.annotations = None;
    object.metadata.owner_references = None;
}
