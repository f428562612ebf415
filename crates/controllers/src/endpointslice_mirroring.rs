//! Mirrors Endpoints that somebody writes for a Service without a selector into slices, which is where everybody looks. As upstream's
//! `pkg/controller/endpointslicemirroring`.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Endpoints, Service};
use sampan_api::k8s::api::discovery::v1::EndpointSlice;
use sampan_client::{Api, DeleteParams, Informer, PostParams, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::table::Entry;
use plan::{MANAGED_BY, Plan, SERVICE_NAME};

pub(crate) const ENTRY: Entry = Entry {
    name: "endpoint-slice-mirroring-controller",
    identity: "endpointslicemirroring-controller",
    requires: &[("", "endpoints"), ("discovery.k8s.io", "endpointslices")],
    permissions: &[
        Rule { group: "", resources: &["services", "endpoints"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["services/finalizers", "endpoints/finalizers"], verbs: &["update"] },
        Rule {
            group: "discovery.k8s.io",
            resources: &["endpointslices"],
            verbs: &["create", "delete", "get", "list", "update", "watch"],
        },
        Rule { group: "discovery.k8s.io", resources: &["endpointslices/restricted"], verbs: &["create"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(Mirroring::new(context.clone())),
};

/// Slices of this controller by the Endpoints (`namespace/name`) they mirror.
const BY_ENDPOINTS: &str = "mirrored";

struct Mirroring {
    cx: Context,
    services: Informer<Service>,
    endpoints: Informer<Endpoints>,
    slices: Informer<EndpointSlice>,
    expectations: Expectations,
}

impl Mirroring {
    fn new(cx: Context) -> Self {
        let slices: Informer<EndpointSlice> = cx.informer();
        slices.add_index(BY_ENDPOINTS, |slice| mirrored(slice).iter().map(Key::to_string).collect());
        Self { services: cx.informer(), endpoints: cx.informer(), slices, expectations: Expectations::default(), cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        if let Some(late) = self.expectations.outstanding(key, &self.slices) {
            return Ok(Next::After(late));
        }
        let (endpoints, service) = (self.endpoints.get(key), self.services.get(key));
        let existing = self.slices.by_index(BY_ENDPOINTS, &key.to_string());
        let plan = plan::plan(endpoints.as_deref(), service.as_deref(), existing);
        if let Some(endpoints) = &endpoints {
            self.tell(endpoints, &plan);
        }
        self.carry_out(key, plan).await?;
        Ok(Next::Settled)
    }

    fn tell(&self, endpoints: &Endpoints, plan: &Plan) {
        if plan.too_many > 0 {
            let message = format!(
                "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. {} addresses were skipped",
                plan.too_many
            );
            self.cx.recorder.warning(endpoints, "TooManyAddressesToMirror", message);
        }
        if !plan.invalid.is_empty() {
            let message =
                format!("Skipped {} invalid IP addresses when mirroring to EndpointSlices", plan.invalid.len());
            self.cx.recorder.warning(endpoints, "InvalidIPAddress", message);
        }
    }

    async fn carry_out(&self, key: &Key, plan: Plan) -> Result<(), Failure> {
        let api: Api<EndpointSlice> = self.cx.api(&key.namespace);
        for slice in plan.create {
            match api.create(&PostParams::default(), &slice).await {
                Ok(written) => self.expectations.wrote(key, &written),
                Err(failure) if error::is_namespace_terminating(&failure) => return Ok(()),
                Err(failure) => return Err(failure.into()),
            }
        }
        for slice in plan.update {
            let written = api.replace(&slice.name_any(), &PostParams::default(), &slice).await?;
            self.expectations.wrote(key, &written);
        }
        for slice in plan.delete {
            match api.delete(&slice.name_any(), &DeleteParams::default()).await {
                Err(failure) if !error::is_not_found(&failure) => return Err(failure.into()),
                _ => self.expectations.deleted(key, &*slice),
            }
        }
        Ok(())
    }
}

/// The Endpoints a slice of ours mirrors.
fn mirrored(slice: &EndpointSlice) -> Option<Key> {
    let labels = slice.metadata.labels.as_ref()?;
    let ours = labels.get(MANAGED_BY.0).map(String::as_str) == Some(MANAGED_BY.1);
    let name = labels.get(SERVICE_NAME).filter(|_| ours)?;
    Some(Key::new(slice.metadata.namespace.clone().unwrap_or_default(), name))
}

impl Controller for Mirroring {
    fn watches(&self) -> Vec<Watch> {
        let slices = Watch::new(&self.slices, |change| change.states().filter_map(|slice| mirrored(slice)).collect());
        vec![Watch::each(&self.endpoints), Watch::each(&self.services), slices]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}
