//! What every cluster has from the beginning.

use sampan_api::request::{AdmitAll, Attributes, MASTERS, User};
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use crate::context::RequestContext;
use crate::error::OpenError;
use crate::flowcontrol;
use crate::managed_fields::Tracking;
use crate::registry::Registry;

/// Upstream: `pkg/controlplane/controller/systemnamespaces`.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

impl Registry {
    pub(crate) async fn bootstrap(&self) -> Result<(), OpenError> {
        for object in
            NAMESPACES.iter().map(|name| namespace(name)).chain(priority_classes()).chain(flowcontrol::objects())
        {
            self.ensure(object).await.map_err(OpenError::Bootstrap)?;
        }
        self.bootstrap_addresses().await.map_err(OpenError::Bootstrap)
    }

    /// Creates an object of the system's own unless one of its name is there. Answers whether it was created.
    ///
    /// # Errors
    /// As [`Registry::create`]; 404 for a kind that is not served.
    pub async fn ensure(&self, object: Value) -> Result<bool, Status> {
        let kind = object::group_version_kind(&object);
        let served = |resource: &&std::sync::Arc<crate::Resource>| resource.group_version_kind() == kind;
        let resource = self.resources().iter().find(served).ok_or_else(Status::path_not_found)?;
        let namespace = object::namespace(&object).to_owned();
        if self.cache.get(&self.key(resource, &namespace, object::name(&object))).is_some() {
            return Ok(false);
        }
        let attributes = Attributes {
            user: User::new("system:apiserver", [MASTERS]),
            verb: "create".to_owned(),
            group: kind.group.clone(),
            version: kind.version.clone(),
            resource: resource.names.plural.to_owned(),
            namespace,
            resource_request: true,
            ..Attributes::default()
        };
        let cx = RequestContext::new(&attributes, &AdmitAll).field_manager(Some("kube-apiserver".to_owned()));
        match self.create_object(&cx, resource, object, Tracking::ByUpdate).await {
            Ok(_) => Ok(true),
            Err(status) if status.is_already_exists() => Ok(false),
            Err(status) => Err(status),
        }
    }
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// Upstream: `scheduling.SystemPriorityClasses`.
fn priority_classes() -> impl Iterator<Item = Value> {
    let class = |(name, value, description): (&str, i64, &str)| {
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": value,
            "description": description})
    };
    let node = "For what a node cannot do without; such pods are not moved to another node.";
    let cluster = "For what a cluster cannot do without; such pods may run on another node.";
    [("system-node-critical", 2_000_001_000, node), ("system-cluster-critical", 2_000_000_000, cluster)]
        .into_iter()
        .map(class)
}
