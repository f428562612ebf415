//! A namespace that is deleted takes everything in it along. As upstream's `pkg/controller/namespace/deletion`.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{Namespace, Pod};
use sampan_client::discovery::{ApiCapabilities, Scope};
use sampan_client::{
    Api, ApiResource, DeleteParams, DynamicObject, Informer, ListParams, PostParams, ResourceExt, error,
};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::discover;
use crate::table::Entry;
use plan::{Remaining, Report};

pub(crate) const ENTRY: Entry = Entry {
    name: "namespace-controller",
    identity: "namespace-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["namespaces"], verbs: &["get", "list", "watch", "delete"] },
        Rule { group: "", resources: &["namespaces/finalize", "namespaces/status"], verbs: &["update"] },
        Rule { group: "*", resources: &["*"], verbs: &["get", "list", "watch", "delete", "deletecollection"] },
    ],
    make: |context| Arc::new(NamespaceController::new(context.clone())),
};

const FINALIZER: &str = "kubernetes";

/// Whether new objects may be made in the namespace.
pub(crate) fn is_active(namespace: &Namespace) -> bool {
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    namespace.metadata.deletion_timestamp.is_none() && phase != Some("Terminating")
}

struct NamespaceController {
    cx: Context,
    namespaces: Informer<Namespace>,
    pods: Informer<Pod>,
}

impl NamespaceController {
    fn new(cx: Context) -> Self {
        Self { namespaces: cx.informer(), pods: cx.informer(), cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(cached) = self.namespaces.get(key) else { return Ok(Next::Settled) };
        if cached.metadata.deletion_timestamp.is_none() {
            return Ok(Next::Settled);
        }
        let api: Api<Namespace> = self.cx.cluster();
        // What is deleted cannot be brought back: the decision is made on the namespace as it is, not as it was cached.
        let Some(mut namespace) = api.get_opt(&key.name).await? else { return Ok(Next::Settled) };
        if namespace.metadata.uid != cached.metadata.uid || !has_finalizer(&namespace) {
            return Ok(Next::Settled);
        }
        if let Some(status) = plan::terminating(&namespace) {
            namespace.status = Some(status);
            namespace = api.replace_status(&key.name, &PostParams::default(), &namespace).await?;
        }
        let report = self.delete_content(&key.name).await;
        if let Some(status) = plan::status(&namespace, &report, self.cx.now()) {
            namespace.status = Some(status);
            namespace = api.replace_status(&key.name, &PostParams::default(), &namespace).await?;
        }
        if report.is_empty() {
            finalize(&api, namespace).await?;
            return Ok(Next::Settled);
        }
        Ok(Next::After(patience(&namespace, self.cx.now())))
    }

    /// Pods first: what they use stays until they are gone (KEP-5080).
    async fn delete_content(&self, namespace: &str) -> Report {
        let mut report = Report::default();
        let resources = match discover::resources(&self.cx.client).await {
            Ok(resources) => resources,
            Err(failure) => {
                report.discovery_failures.push(error::message(&failure));
                return report;
            }
        };
        let in_namespaces = |(_, capabilities): &(ApiResource, ApiCapabilities)| {
            capabilities.scope == Scope::Namespaced && capabilities.supports_operation("delete")
        };
        let is_pods =
            |(resource, _): &(ApiResource, ApiCapabilities)| resource.group.is_empty() && resource.plural == "pods";
        let (pods, others): (Vec<_>, Vec<_>) = resources.into_iter().filter(in_namespaces).partition(is_pods);
        for resources in [pods, others] {
            for (resource, capabilities) in resources {
                self.delete_all(namespace, &resource, &capabilities, &mut report).await;
            }
            if !report.is_empty() {
                break;
            }
        }
        report
    }

    async fn delete_all(
        &self,
        namespace: &str,
        resource: &ApiResource,
        capabilities: &ApiCapabilities,
        report: &mut Report,
    ) {
        let api: Api<DynamicObject> = Api::namespaced_with(self.cx.client.clone(), namespace, resource);
        let outcome = if capabilities.supports_operation("deletecollection") {
            api.delete_collection(&DeleteParams::background(), &ListParams::default()).await.map(drop)
        } else {
            delete_each(&api).await
        };
        let remaining = if capabilities.supports_operation("list") {
            api.list_metadata(&ListParams::default()).await.map(|list| list.items)
        } else {
            Ok(Vec::new())
        };
        match (outcome, remaining) {
            (Err(failure), _) | (_, Err(failure)) if !error::is_not_found(&failure) => {
                report.content_failures.push(error::message(&failure));
            }
            (_, Ok(items)) if !items.is_empty() => report.remaining.push(Remaining::new(resource, &items)),
            _ => {}
        }
    }
}

async fn delete_each(api: &Api<DynamicObject>) -> Result<(), sampan_client::Error> {
    for object in api.list_metadata(&ListParams::default()).await?.items {
        match api.delete(&object.name_any(), &DeleteParams::background()).await {
            Err(failure) if !error::is_not_found(&failure) => return Err(failure),
            _ => {}
        }
    }
    Ok(())
}

fn has_finalizer(namespace: &Namespace) -> bool {
    let finalizers = namespace.spec.as_ref().and_then(|spec| spec.finalizers.as_ref());
    finalizers.into_iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// Lets the namespace go.
async fn finalize(api: &Api<Namespace>, mut namespace: Namespace) -> Result<(), Failure> {
    if let Some(finalizers) = namespace.spec.as_mut().and_then(|spec| spec.finalizers.as_mut()) {
        finalizers.retain(|finalizer| finalizer != FINALIZER);
    }
    let name = namespace.name_any();
    match api.replace_subresource("finalize", &name, &PostParams::default(), &namespace).await {
        Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
        _ => Ok(()),
    }
}

/// Content that waits for a node or a finalizer is looked at again: soon at first, less and less often the longer it takes. A pod
/// that goes brings the namespace back at once.
fn patience(namespace: &Namespace, now: jiff::Timestamp) -> Duration {
    let since = namespace.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
    let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    (waited / 4).clamp(Duration::from_millis(100), Duration::from_secs(15))
}

impl Controller for NamespaceController {
    fn watches(&self) -> Vec<Watch> {
        let namespaces = self.namespaces.clone();
        let pods = Watch::new(&self.pods, move |change| {
            let key = Key::new("", change.object().metadata.namespace.clone().unwrap_or_default());
            let terminating = || namespaces.get(&key).is_some_and(|namespace| !is_active(&namespace));
            if change.new.is_none() && terminating() { vec![key] } else { Vec::new() }
        });
        vec![Watch::each(&self.namespaces), pods]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}
