//! Every active namespace has its ServiceAccount `default`. As upstream's `pkg/controller/serviceaccount`.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Namespace, ServiceAccount};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_client::{Api, Informer, PostParams, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::namespace::is_active;
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "service-account-controller",
    identity: "service-account-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["serviceaccounts"], verbs: &["create"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(ServiceAccountController::new(context.clone())),
};

const NAME: &str = "default";

struct ServiceAccountController {
    cx: Context,
    namespaces: Informer<Namespace>,
    accounts: Informer<ServiceAccount>,
}

impl ServiceAccountController {
    fn new(cx: Context) -> Self {
        Self { namespaces: cx.informer(), accounts: cx.informer(), cx }
    }

    /// The key is the namespace's.
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let active = self.namespaces.get(key).is_some_and(|namespace| is_active(&namespace));
        if !active || self.accounts.get(&Key::new(&key.name, NAME)).is_some() {
            return Ok(Next::Settled);
        }
        let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
        let api: Api<ServiceAccount> = self.cx.api(&key.name);
        match api.create(&PostParams::default(), &ServiceAccount { metadata, ..ServiceAccount::default() }).await {
            Err(failure) if !error::is_already_exists(&failure) && !error::is_namespace_terminating(&failure) => {
                Err(failure.into())
            }
            _ => Ok(Next::Settled),
        }
    }
}

impl Controller for ServiceAccountController {
    fn watches(&self) -> Vec<Watch> {
        let accounts = Watch::new(&self.accounts, |change| {
            let gone = change.new.is_none() && change.object().metadata.name.as_deref() == Some(NAME);
            let namespace = change.object().metadata.namespace.clone().filter(|_| gone);
            namespace.map(|namespace| Key::new("", namespace)).into_iter().collect()
        });
        vec![Watch::each(&self.namespaces), accounts]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}
