//! Marks, and a year later deletes, service account tokens that were made of themselves before Kubernetes 1.24 and that nobody uses. As
//! upstream's `pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go`.
//!
//! A token counts as made of itself when its account lists its Secret. Whether it is used is what the authenticator says by a label, and
//! only where the ConfigMap tells that it does: without that nothing is touched. Each Secret has its own timer; nothing looks daily.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use sampan_client::{Api, DeleteParams, Informer, Patch, PatchParams, Preconditions, error};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;
use plan::{INVALID_SINCE, Observed, Plan};

pub(crate) const ENTRY: Entry = Entry {
    name: "legacy-serviceaccount-token-cleaner",
    identity: "legacy-service-account-token-cleaner",
    requires: &[],
    permissions: &[Rule { group: "", resources: &["secrets"], verbs: &["patch", "delete"] }],
    make: |context| Arc::new(LegacyTokenCleaner::new(context.clone())),
};

const TYPE: &str = "kubernetes.io/service-account-token";
/// Where the apiserver says, in `data.since`, from which day on uses of tokens are written down.
const TRACKING: (&str, &str) = ("kube-system", "kube-apiserver-legacy-service-account-token-tracking");
/// Secrets by the account (`namespace/name`) they name.
const BY_ACCOUNT: &str = "account";

struct LegacyTokenCleaner {
    cx: Context,
    secrets: Informer<Secret>,
    accounts: Informer<ServiceAccount>,
    pods: Informer<Pod>,
    tracking: Informer<ConfigMap>,
}

impl LegacyTokenCleaner {
    fn new(cx: Context) -> Self {
        // Its role may watch nothing: the shared watches' identity does.
        let client = cx.informers.client().clone();
        let secrets = Informer::builder(Api::<Secret>::all(client.clone())).fields(&format!("type={TYPE}"));
        let secrets = secrets.index(BY_ACCOUNT, |secret| plan::account(secret).iter().map(Key::to_string).collect());
        let tracking = Informer::builder(Api::<ConfigMap>::namespaced(client, TRACKING.0));
        let tracking = tracking.fields(&format!("metadata.name={}", TRACKING.1)).start(cx.entropy.clone());
        let secrets = secrets.start(cx.entropy.clone());
        Self { secrets, tracking, accounts: cx.informer(), pods: cx.informer(), cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(secret) = self.secrets.get(key) else { return Ok(Next::Settled) };
        let account = plan::account(&secret).and_then(|account| self.accounts.get(&account));
        let tracking = self.tracking.get(&Key::new(TRACKING.0, TRACKING.1));
        let mounted = || {
            let pods = self.pods.list_namespace(&key.namespace);
            pods.iter().any(|pod| plan::secret_names(pod).contains(&key.name))
        };
        let observed = Observed {
            secret: &secret,
            account: account.as_deref(),
            tracked_since: tracking.as_deref().and_then(plan::since),
            mounted: &mounted,
            now: self.cx.now(),
            unused_for: self.cx.settings.legacy_tokens_unused_for,
        };
        match plan::plan(&observed) {
            Plan::Keep => Ok(Next::Settled),
            Plan::Wait(delay) => Ok(Next::After(delay)),
            Plan::Mark(day) => self.mark(key, &secret, &day).await,
            Plan::Delete => self.delete(key, &secret).await,
        }
    }

    /// The change brings the Secret back, to wait for its end.
    async fn mark(&self, key: &Key, secret: &Secret, day: &str) -> Result<Next, Failure> {
        let patch =
            Patch::Merge(json!({ "metadata": { "uid": secret.metadata.uid, "labels": { INVALID_SINCE: day } } }));
        let api: Api<Secret> = self.cx.api(&key.namespace);
        unless_changed(api.patch(&key.name, &PatchParams::default(), &patch).await.map(drop))
    }

    /// Only as it was seen: a use or a hand that takes the label off comes first.
    async fn delete(&self, key: &Key, secret: &Secret) -> Result<Next, Failure> {
        let preconditions =
            Some(Preconditions { uid: None, resource_version: secret.metadata.resource_version.clone() });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        let api: Api<Secret> = self.cx.api(&key.namespace);
        unless_changed(api.delete(&key.name, &parameters).await.map(drop))
    }
}

/// What changed or went meanwhile comes back by itself.
fn unless_changed(written: Result<(), sampan_client::Error>) -> Result<Next, Failure> {
    match written {
        Err(failure) if !error::is_not_found(&failure) && !error::is_conflict(&failure) => Err(failure.into()),
        _ => Ok(Next::Settled),
    }
}

impl Controller for LegacyTokenCleaner {
    fn watches(&self) -> Vec<Watch> {
        let secrets = self.secrets.clone();
        let by_account = Watch::new(&self.accounts, move |change| {
            let account = sampan_client::informer::name_of::<ServiceAccount>((**change.object()).clone());
            keys(&secrets.by_index(BY_ACCOUNT, &account.to_string()))
        });
        // A pod that goes no longer holds what it mounted.
        let by_pod = Watch::new(&self.pods, |change| {
            let Some(pod) = change.old.as_ref().filter(|_| change.new.is_none()) else { return Vec::new() };
            let namespace = pod.metadata.namespace.clone().unwrap_or_default();
            plan::secret_names(pod).into_iter().map(|secret| Key::new(namespace.clone(), secret)).collect()
        });
        let secrets = self.secrets.clone();
        let tracking = Watch::new(&self.tracking, move |_| keys(&secrets.list()));
        vec![Watch::each(&self.secrets), by_account, by_pod, tracking]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }

    fn workers(&self) -> usize {
        1
    }
}

fn keys(secrets: &[Arc<Secret>]) -> Vec<Key> {
    secrets.iter().map(|secret| sampan_client::informer::name_of::<Secret>((**secret).clone())).collect()
}
