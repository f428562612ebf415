//! May *this object* enter: a chain of plugins, each of which may change an object (mutate) or refuse it (validate).
//!
//! A plugin is one file here and one line in [`all`]; the order is upstream's (`pkg/kubeapiserver/options/plugins.go`).

mod certificates;
mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod deny_service_external_ips;
mod expressions;
mod limit_ranger;
mod matching;
mod mutating_policy;
mod namespace_lifecycle;
mod node_restriction;
mod pod_security;
mod pod_topology_labels;
mod policies;
mod priority;
mod pvc_resize;
mod resource_quota;
mod role_escalation;
mod runtime_class;
mod service_account;
mod storage_object_in_use;
mod taint_nodes_by_condition;
mod validating_policy;
mod webhooks;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::request::{Admission, AdmissionRequest, Attributes, Lister, Operation, StatusWriter};
use sampan_api::webhook::WebhookClient;
use sampan_meta::{Clock, Entropy, Status, object};
use serde_json::Value;

use crate::authz::Authorizer;

/// What plugins may look at. They decide; all they write is how much of a quota is used.
#[derive(Clone)]
pub struct Context {
    /// Namespaces, service accounts, classes, pods, roles.
    pub lister: Arc<dyn Lister>,
    /// For plugins that ask whether somebody may do a further thing.
    pub authorizer: Arc<Authorizer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For name suffixes.
    pub entropy: Arc<dyn Entropy>,
    /// For the status of quotas.
    pub writer: Arc<dyn StatusWriter>,
}

/// One admission plugin. Both calls may come several times for one request (a write that lost a race is admitted again) and
/// must therefore be idempotent; `mutate` of all plugins comes before `validate` of any. On deletion `object` is the object as it stands.
pub(crate) trait Plugin: Send + Sync {
    /// Upstream's name of the plugin, for logs.
    fn name(&self) -> &'static str;

    /// Changes the object that is about to be stored.
    fn mutate(&self, _context: &Context, _request: &AdmissionRequest<'_>, _object: &mut Value) -> Result<(), Status> {
        Ok(())
    }

    /// Refuses it.
    fn validate(&self, _context: &Context, _request: &AdmissionRequest<'_>, _object: &Value) -> Result<(), Status> {
        Ok(())
    }
}

fn all() -> Vec<Box<dyn Plugin>> {
    vec![
        Box::new(namespace_lifecycle::NamespaceLifecycle),
        Box::new(limit_ranger::LimitRanger),
        Box::new(service_account::ServiceAccount),
        Box::new(node_restriction::NodeRestriction),
        Box::new(taint_nodes_by_condition::TaintNodesByCondition),
        Box::new(pod_security::PodSecurity),
        Box::new(priority::Priority),
        Box::new(default_toleration_seconds::DefaultTolerationSeconds),
        Box::new(default_storage_class::DefaultStorageClass),
        Box::new(storage_object_in_use::StorageObjectInUseProtection),
        Box::new(pvc_resize::PersistentVolumeClaimResize),
        Box::new(runtime_class::RuntimeClass),
        Box::new(certificates::CertificateApproval),
        Box::new(certificates::CertificateSigning),
        Box::new(certificates::CertificateSubjectRestriction),
        Box::new(default_ingress_class::DefaultIngressClass),
        Box::new(pod_topology_labels::PodTopologyLabels),
        Box::new(role_escalation::RoleEscalation),
    ]
}

/// Every plugin in order; what the registry calls before it stores.
pub struct Chain {
    context: Context,
    plugins: Vec<Box<dyn Plugin>>,
    mutating_policies: mutating_policy::MutatingAdmissionPolicies,
    validating_policies: validating_policy::ValidatingAdmissionPolicies,
    webhooks: Option<webhooks::Webhooks>,
}

impl Chain {
    /// The plugins that upstream has on by default and that concern the kinds there are.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            plugins: all(),
            mutating_policies: Default::default(),
            validating_policies: Default::default(),
            webhooks: None,
        }
    }

    /// Lets webhooks be asked, through this client.
    #[must_use]
    pub fn with_webhooks(mut self, client: Arc<dyn WebhookClient>) -> Self {
        self.webhooks = Some(webhooks::Webhooks::new(client));
        self
    }

    /// Refuses external IPs of Services that were not there before. Upstream has this plugin off by default.
    #[must_use]
    pub fn denying_service_external_ips(mut self) -> Self {
        self.plugins.push(Box::new(deny_service_external_ips::DenyServiceExternalIPs));
        self
    }

    fn mutate_built_in(&self, request: &AdmissionRequest<'_>, object: &mut Value) -> Result<(), Status> {
        for plugin in &self.plugins {
            plugin.mutate(&self.context, request, object).inspect_err(|status| refused(plugin.name(), status))?;
        }
        Ok(())
    }

    /// Policies, then webhooks.
    async fn mutate_configured(
        &self,
        request: &AdmissionRequest<'_>,
        object: &mut Value,
        rounds: &mut webhooks::Rounds,
    ) -> Result<(), Status> {
        let refused_by = |plugin: &'static str| move |status: &Status| refused(plugin, status);
        let policies = self.mutating_policies.mutate(&self.context, request, object, rounds);
        policies.inspect_err(refused_by("MutatingAdmissionPolicy"))?;
        if let Some(webhooks) = &self.webhooks {
            let asked = webhooks.mutate(&self.context, request, object, rounds).await;
            asked.inspect_err(refused_by("MutatingAdmissionWebhook"))?;
        }
        Ok(())
    }
}

impl Admission for Chain {
    fn mutate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a mut Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        async move {
            service_account::wait_for_default(&self.context, request, object).await;
            self.mutate_built_in(request, object)?;
            let mut rounds = webhooks::Rounds::default();
            self.mutate_configured(request, object, &mut rounds).await?;
            if !rounds.changed {
                return Ok(());
            }
            // Once more over what was made of it; whoever changes it now is not followed up on.
            let before = object.clone();
            self.mutate_built_in(request, object)?;
            rounds.second(*object != before);
            self.mutate_configured(request, object, &mut rounds).await
        }
        .boxed()
    }

    fn validate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        async move {
            for plugin in &self.plugins {
                plugin.validate(&self.context, request, object).inspect_err(|status| refused(plugin.name(), status))?;
            }
            let policies = &self.validating_policies;
            policies
                .validate(&self.context, request, object)
                .inspect_err(|status| refused("ValidatingAdmissionPolicy", status))?;
            if let Some(webhooks) = &self.webhooks {
                let asked = webhooks.validate(&self.context, request, object).await;
                asked.inspect_err(|status| refused("ValidatingAdmissionWebhook", status))?;
            }
            // Last: what another plugin refuses is not charged.
            resource_quota::charge(&self.context, request, object).await
        }
        .boxed()
    }
}

/// The object with a JSON patch applied.
fn patched(object: &Value, patch: &Value) -> Result<Value, Status> {
    let mut patched = object.clone();
    sampan_meta::patch::json(&mut patched, patch).map_err(Status::internal)?;
    reshaped(patched)
}

/// What was made of an object by others, in the shape of its kind and with its defaults.
fn reshaped(mut object: Value) -> Result<Value, Status> {
    let kind = object::group_version_kind(&object);
    if let Some(type_) = sampan_api::schema().by_kind(&kind.api_version(), &kind.kind) {
        sampan_meta::decode::conform(sampan_api::schema(), type_, &mut object).map_err(Status::internal)?;
        sampan_api::default_object(&kind, &mut object);
    }
    Ok(object)
}

fn refused(plugin: &str, status: &Status) {
    tracing::debug!(plugin, message = %status.message, "admission refused a request");
}

/// 403 in upstream's words: `pods "web-0" is forbidden: WHY`.
fn forbidden(request: &AdmissionRequest<'_>, object: &Value, why: impl std::fmt::Display) -> Status {
    Status::forbidden(&request.attributes.group_resource(), object_name(request.attributes, object), why)
}

/// Whether the request does one of `operations` to the resource itself, not to a subresource of it.
fn writes(request: &AdmissionRequest<'_>, group: &str, plural: &str, operations: &[Operation]) -> bool {
    let Attributes { group: own_group, resource, subresource, .. } = request.attributes;
    own_group == group && resource == plural && subresource.is_empty() && operations.contains(&request.operation)
}

/// The name of the object: from the request, or (creation) from the object, which may still have none but the beginning of one.
fn object_name<'a>(attributes: &'a Attributes, object: &'a Value) -> &'a str {
    let names = [attributes.name.as_str(), object::name(object), object::generate_name(object)];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

/// Appends to a list of the object, made first if it is not there.
fn append(object: &mut Value, path: &[&str], item: Value) {
    let (last, parents) = path.split_last().expect("a path has a last member");
    let parent = parents.iter().fold(object, |value, member| object::child(value, member));
    match parent.get_mut(*last).and_then(Value::as_array_mut) {
        Some(list) => list.push(item),
        None => object::set(parent, &[*last], Value::Array(vec![item])),
    }
}
