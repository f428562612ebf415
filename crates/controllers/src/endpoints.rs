//! Endpoints: the older form of endpoint slices, for those who still read it. As upstream's `pkg/controller/endpoint`.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Endpoints, Pod, Service};
use sampan_client::{Api, DeleteParams, Informer, PostParams, error};

use crate::backends;
use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::expectations::Expectations;
use crate::table::Entry;
use plan::Plan;

pub(crate) const ENTRY: Entry = Entry {
    name: "endpoint-controller",
    identity: "endpoint-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["services", "pods"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["endpoints"], verbs: &["get", "list", "watch", "create", "update", "delete"] },
        Rule { group: "", resources: &["endpoints/restricted"], verbs: &["create"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(EndpointsController::new(context.clone())),
};

struct EndpointsController {
    cx: Context,
    services: Informer<Service>,
    pods: Informer<Pod>,
    endpoints: Informer<Endpoints>,
    expectations: Expectations,
}

impl EndpointsController {
    fn new(cx: Context) -> Self {
        let (services, pods, endpoints) = (cx.informer(), cx.informer(), cx.informer());
        Self { cx, services, pods, endpoints, expectations: Expectations::default() }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        if let Some(late) = self.expectations.outstanding(key, &self.endpoints) {
            return Ok(Next::After(late));
        }
        let service = self.services.get(key);
        let current = self.endpoints.get(key);
        let pods = self.pods.list_namespace(&key.namespace);
        let plan = plan::plan(service.as_deref(), current.as_deref(), pods);
        self.carry_out(key, current, plan).await?;
        Ok(Next::Settled)
    }

    async fn carry_out(&self, key: &Key, current: Option<Arc<Endpoints>>, plan: Plan) -> Result<(), Failure> {
        let api: Api<Endpoints> = self.cx.api(&key.namespace);
        let written = match plan {
            Plan::Nothing => return Ok(()),
            Plan::Create(endpoints) => api.create(&PostParams::default(), &endpoints).await,
            Plan::Update(endpoints) => api.replace(&key.name, &PostParams::default(), &endpoints).await,
            Plan::Delete => {
                match api.delete(&key.name, &DeleteParams::default()).await {
                    Err(failure) if !error::is_not_found(&failure) => return Err(failure.into()),
                    _ => current.iter().for_each(|current| self.expectations.deleted(key, &**current)),
                }
                return Ok(());
            }
        };
        match written {
            Ok(written) => self.expectations.wrote(key, &written),
            Err(failure) if error::is_namespace_terminating(&failure) => {}
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }
}

impl Controller for EndpointsController {
    fn watches(&self) -> Vec<Watch> {
        let services = self.services.clone();
        vec![
            Watch::each(&self.services),
            Watch::new(&self.pods, move |change| backends::services_of(&services, change)),
            Watch::each(&self.endpoints),
        ]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}
