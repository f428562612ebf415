//! Nothing is created in a namespace that is not there or is going away (upstream's
//! `apiserver/pkg/admission/plugin/namespace/lifecycle`).

use sampan_api::request::{AdmissionRequest, Attributes, Operation};
use sampan_meta::{GroupResource, Status, object};
use serde_json::Value;

use super::{Context, Plugin, forbidden};

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) struct NamespaceLifecycle;

impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        let Attributes { group, resource, namespace, name, .. } = request.attributes;
        let is_namespace = group.is_empty() && resource == "namespaces";
        if is_namespace && request.operation == Operation::Delete && IMMORTAL.contains(&name.as_str()) {
            return Err(forbidden(request, object, "this namespace may not be deleted"));
        }
        let is_question = group == "authorization.k8s.io" && resource == "localsubjectaccessreviews";
        if is_namespace || is_question || namespace.is_empty() || request.operation == Operation::Delete {
            return Ok(());
        }
        let namespaces = GroupResource::new("", "namespaces");
        let found = context.lister.get(&namespaces, "", namespace);
        let found = found.ok_or_else(|| Status::not_found(&namespaces, namespace))?;
        match request.operation == Operation::Create && is_terminating(&found) {
            true => Err(terminating(request, object)),
            false => Ok(()),
        }
    }
}

fn is_terminating(namespace: &Value) -> bool {
    object::deletion_timestamp(namespace).is_some() || object::str_at(namespace, "/status/phase") == Some("Terminating")
}

fn terminating(request: &AdmissionRequest<'_>, object: &Value) -> Status {
    let namespace = &request.attributes.namespace;
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause = format!("namespace {namespace} is being terminated");
    forbidden(request, object, why).with_cause("NamespaceTerminating", cause, "metadata.namespace")
}
