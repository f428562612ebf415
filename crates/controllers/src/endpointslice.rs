//! EndpointSlice: where the pods behind a Service are. As upstream's `staging/src/k8s.io/endpointslice`.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Node, Pod, Service};
use sampan_api::k8s::api::discovery::v1::EndpointSlice;
use sampan_client::{Api, DeleteParams, Informer, PostParams, ResourceExt, error};

use crate::backends;
use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::table::Entry;
use plan::{MANAGED_BY, Observed, Plan, SERVICE};

pub(crate) const ENTRY: Entry = Entry {
    name: "endpointslice-controller",
    identity: "endpointslice-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["services", "pods", "nodes"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["services/finalizers"], verbs: &["update"] },
        Rule {
            group: "discovery.k8s.io",
            resources: &["endpointslices"],
            verbs: &["get", "list", "watch", "create", "update", "delete"],
        },
        Rule { group: "discovery.k8s.io", resources: &["endpointslices/restricted"], verbs: &["create"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(EndpointSliceController::new(context.clone())),
};

/// The index of slices by the Service they belong to.
const BY_SERVICE: &str = "service";

struct EndpointSliceController {
    cx: Context,
    services: Informer<Service>,
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    slices: Informer<EndpointSlice>,
    expectations: Expectations,
}

impl EndpointSliceController {
    fn new(cx: Context) -> Self {
        let slices = cx.informer::<EndpointSlice>();
        slices.add_index(BY_SERVICE, |slice| service_of(slice).map(|key| key.to_string()).into_iter().collect());
        Self {
            services: cx.informer(),
            pods: cx.informer(),
            nodes: cx.informer(),
            slices,
            cx,
            expectations: Expectations::default(),
        }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        // A deleted Service's slices go with their owner; one without a selector has none of ours.
        let service = self.services.get(key).filter(|service| backends::is_selecting(service));
        let Some(service) = service.filter(|service| service.metadata.deletion_timestamp.is_none()) else {
            self.expectations.forget(key);
            return Ok(Next::Settled);
        };
        if let Some(late) = self.expectations.outstanding(key, &self.slices) {
            return Ok(Next::After(late));
        }
        let pods = backends::of(&service, self.pods.list_namespace(&key.namespace));
        let slices = self.slices.by_index(BY_SERVICE, &key.to_string());
        let zone_of = |node: &str| self.zone(node);
        let plan = plan::plan(&Observed { service: &service, pods: &pods, slices: &slices, zone_of: &zone_of });
        self.carry_out(key, &service, plan).await?;
        Ok(Next::Settled)
    }

    fn zone(&self, node: &str) -> Option<String> {
        let node = self.nodes.get(&Key::new("", node))?;
        node.labels().get("topology.kubernetes.io/zone").cloned()
    }

    /// New addresses are published before old slices go, so that no endpoint disappears in between.
    async fn carry_out(&self, key: &Key, service: &Service, plan: Plan) -> Result<(), Failure> {
        let api: Api<EndpointSlice> = self.cx.api(&key.namespace);
        for slice in &plan.create {
            match api.create(&PostParams::default(), slice).await {
                Ok(created) => self.expectations.wrote(key, &created),
                Err(failure) if error::is_namespace_terminating(&failure) => return Ok(()),
                Err(failure) => return Err(self.failed(service, failure)),
            }
        }
        for slice in &plan.update {
            let updated = api.replace(&slice.name_any(), &PostParams::default(), slice).await;
            self.expectations.wrote(key, &updated.map_err(|failure| self.failed(service, failure))?);
        }
        for slice in &plan.delete {
            match api.delete(&slice.name_any(), &DeleteParams::default()).await {
                Err(failure) if !error::is_not_found(&failure) => return Err(self.failed(service, failure)),
                _ => self.expectations.deleted(key, &**slice),
            }
        }
        Ok(())
    }

    fn failed(&self, service: &Service, failure: sampan_client::Error) -> Failure {
        if !error::is_conflict(&failure) {
            let message = format!(
                "Error updating Endpoint Slices for Service {}: {}",
                service.name_any(),
                error::message(&failure)
            );
            self.cx.recorder.warning(service, "FailedToUpdateEndpointSlices", message);
        }
        failure.into()
    }
}

/// The Service of a slice that is ours.
fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let labels = slice.metadata.labels.as_ref()?;
    let ours = labels.get(MANAGED_BY.0).map(String::as_str) == Some(MANAGED_BY.1);
    let service = labels.get(SERVICE).filter(|_| ours)?;
    Some(Key::new(slice.metadata.namespace.clone().unwrap_or_default(), service))
}

impl Controller for EndpointSliceController {
    fn watches(&self) -> Vec<Watch> {
        let services = self.services.clone();
        vec![
            Watch::each(&self.services),
            Watch::new(&self.pods, move |change| backends::services_of(&services, change)),
            Watch::new(&self.slices, |change| change.states().filter_map(|slice| service_of(slice)).collect()),
            // Zones are read from nodes; a node that comes late is rare and its pods' changes follow it.
            Watch::new(&self.nodes, |_| Vec::new()),
        ]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}
