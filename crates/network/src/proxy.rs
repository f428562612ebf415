//! Serves Services in user space: cluster IPs and node ports, TCP and UDP.
//!
//! The driver watches Services and EndpointSlices; when either of a Service changes, [`plan()`] says what that Service wants and the open
//! listeners are made equal to it. Nothing is recomputed for Services that did not change.

mod balance;
mod frontends;
mod plan;
mod tcp;
mod udp;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::Service;
use sampan_api::k8s::api::discovery::v1::EndpointSlice;
use sampan_client::{Client, Informer, Informers, Recorder};
use sampan_meta::{Clock, Entropy, NamespacedName};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use frontends::{Frontends, Refused};
pub use plan::{Frontend, LocalNode, Protocol, Route, plan};

/// Index of endpoint slices by the Service they belong to.
const BY_SERVICE: &str = "service";

/// Waits before a port that was in use is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// What a proxy needs.
pub struct Options {
    /// Its identity: `system:kube-proxy`.
    pub client: Client,
    /// The node it serves on.
    pub node: LocalNode,
    /// For events.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries of lost watches.
    pub entropy: Arc<dyn Entropy>,
}

/// The service proxy of one node. [`Proxy::run`] is all it does.
pub struct Proxy {
    node: LocalNode,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    frontends: Frontends,
    recorder: Recorder,
    /// Services with a port that could not be opened, and when to try again.
    retries: BTreeMap<NamespacedName, Instant>,
}

impl Proxy {
    /// Serves until `stop`; connections that run then go on as long as the process lives.
    pub async fn run(options: Options, stop: CancellationToken) {
        let informers = Informers::new(options.client.clone(), options.entropy.clone());
        let slices = informers.of::<EndpointSlice>();
        slices.add_index(BY_SERVICE, |slice| service_of(slice).map(|name| name.to_string()).into_iter().collect());
        let proxy = Self {
            services: informers.of::<Service>(),
            slices,
            frontends: Frontends::default(),
            recorder: Recorder::new(&options.client, "kube-proxy", &options.node.name, options.clock, &options.entropy),
            node: options.node,
            retries: BTreeMap::new(),
        };
        proxy.follow(stop).await;
    }

    async fn follow(mut self, stop: CancellationToken) {
        let (mut services, mut slices) = (self.services.subscribe(), self.slices.subscribe());
        loop {
            let due = self.retries.values().min().copied();
            let changed = tokio::select! {
                () = stop.cancelled() => return,
                Some(change) = services.next() => Some(name_of(&change.object().metadata)),
                Some(change) = slices.next() => service_of(change.object()),
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.next_retry(),
            };
            if let Some(name) = changed {
                self.serve(&name);
            }
        }
    }

    fn next_retry(&self) -> Option<NamespacedName> {
        self.retries.iter().find(|(_, due)| **due <= Instant::now()).map(|(name, _)| name.clone())
    }

    fn serve(&mut self, name: &NamespacedName) {
        let service = self.services.get(name);
        let slices = self.slices.by_index(BY_SERVICE, &name.to_string());
        let wanted = service.as_ref().map(|service| plan(service, &slices, &self.node)).unwrap_or_default();
        let refused = self.frontends.apply(name, wanted);
        self.retries.remove(name);
        let (Some(service), false) = (service, refused.is_empty()) else { return };
        self.retries.insert(name.clone(), Instant::now() + RETRY);
        self.tell(&service, &refused);
    }

    fn tell(&self, service: &Service, refused: &[Refused]) {
        for refused in refused {
            tracing::warn!(service = ?service.metadata.name, address = %refused.frontend.address, error = %refused.error, "port not served");
            self.recorder.warning(service, "FailedToListen", refused.message());
        }
    }
}

fn name_of(metadata: &sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> NamespacedName {
    NamespacedName {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

fn service_of(slice: &EndpointSlice) -> Option<NamespacedName> {
    let name = slice.metadata.labels.as_ref()?.get("kubernetes.io/service-name")?.clone();
    Some(NamespacedName { namespace: slice.metadata.namespace.clone().unwrap_or_default(), name })
}
