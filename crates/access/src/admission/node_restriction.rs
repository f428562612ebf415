//! A node writes its own Node and Lease, the status of its own pods, and mirror pods that refer to nothing (upstream's
//! `plugin/pkg/admission/noderestriction`). What the authorizer cannot see, the object itself, is looked at here.

mod labels;

use std::sync::Arc;

use sampan_api::request::{AdmissionRequest, Attributes, Operation};
use sampan_api::{local_path, volume};
use sampan_meta::{GroupResource, Status, object};
use serde_json::Value;

use super::{Context, Plugin, forbidden, object_name};
use crate::authz::{Reference, bound_to, is_mirror, references_anything};

const LEASE_NAMESPACE: &str = "kube-node-lease";

pub(super) struct NodeRestriction;

impl Plugin for NodeRestriction {
    fn name(&self) -> &'static str {
        "NodeRestriction"
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        let Some(node) = request.attributes.user.node_name() else { return Ok(()) };
        let write = Write { context, request, object, node };
        if node.is_empty() {
            let user = &request.attributes.user.name;
            return Err(write.refuse(format!("could not determine node from user {user:?}")));
        }
        let Attributes { group, resource, subresource, .. } = request.attributes;
        match (group.as_str(), resource.as_str(), subresource.as_str()) {
            ("", "pods", "") => write.pod(),
            ("", "pods", "status") => write.pod_status(),
            ("", "pods", "eviction") => write.eviction(),
            ("", "pods", other) => {
                let why = format!("unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed");
                Err(write.refuse(why))
            }
            ("", "nodes", _) => write.own_node(),
            ("", "persistentvolumes", _) => write.volume(),
            ("", "serviceaccounts", "token") => write.token(),
            ("coordination.k8s.io", "leases", _) => write.lease(),
            _ => Ok(()),
        }
    }
}

/// A write by a node.
struct Write<'a> {
    context: &'a Context,
    request: &'a AdmissionRequest<'a>,
    object: &'a Value,
    node: &'a str,
}

impl Write<'_> {
    fn refuse(&self, why: impl std::fmt::Display) -> Status {
        forbidden(self.request, self.object, why)
    }

    fn require(&self, holds: bool, why: impl FnOnce() -> String) -> Result<(), Status> {
        if holds { Ok(()) } else { Err(self.refuse(why())) }
    }

    fn pod(&self) -> Result<(), Status> {
        let node = self.node;
        match self.request.operation {
            Operation::Create => self.mirror_pod(),
            Operation::Delete => {
                let pod = self.stored_pod(object_name(self.request.attributes, self.object))?;
                let why = || format!("node {node:?} can only delete pods with spec.nodeName set to itself");
                self.require(bound_to(&pod, node), why)
            }
            other => {
                let why =
                    format!("unexpected operation {other:?}, node {node:?} can only create and delete mirror pods");
                Err(self.refuse(why.replace("Update", "UPDATE").replace("Connect", "CONNECT")))
            }
        }
    }

    /// A mirror pod may refer to nothing: a node that could write references could read everything.
    fn mirror_pod(&self) -> Result<(), Status> {
        let (node, pod) = (self.node, self.object);
        self.require(is_mirror(pod), || {
            let mirror = "kubernetes.io/config.mirror";
            format!("pod does not have {mirror:?} annotation, node {node:?} can only create mirror pods")
        })?;
        self.require(bound_to(pod, node), || {
            format!("node {node:?} can only create pods with spec.nodeName set to itself")
        })?;
        self.mirror_pod_owner()?;
        let references = [
            (Reference::ServiceAccount, "a service account"),
            (Reference::Secret, "secrets"),
            (Reference::ConfigMap, "configmaps"),
            (Reference::Claim, "persistentvolumeclaims"),
        ];
        references.into_iter().try_for_each(|(reference, what)| {
            let why = || format!("node {node:?} can not create pods that reference {what}");
            self.require(!references_anything(pod, reference), why)
        })
    }

    fn mirror_pod_owner(&self) -> Result<(), Status> {
        let node = self.node;
        let owners = object::owner_references(self.object);
        let [owner] = owners.as_slice() else {
            let kind = if owners.is_empty() { "an owner reference" } else { "a single owner reference" };
            return Err(self.refuse(format!("node {node:?} can only create pods with {kind} set to itself")));
        };
        self.require(owner.api_version == "v1" && owner.kind == "Node" && owner.name == node, || {
            format!("node {node:?} can only create pods with an owner reference set to itself")
        })?;
        self.require(owner.controller == Some(true), || {
            format!("node {node:?} can only create pods with a controller owner reference set to itself")
        })?;
        self.require(owner.block_owner_deletion != Some(true), || {
            format!("node {node:?} must not set blockOwnerDeletion on an owner reference")
        })?;
        let nodes = GroupResource::new("", "nodes");
        let stored = self.context.lister.get(&nodes, "", node).ok_or_else(|| Status::not_found(&nodes, node))?;
        let uid = object::uid(&stored);
        self.require(owner.uid == uid, || format!("node {node} UID mismatch: expected {} got {uid}", owner.uid))
    }

    fn pod_status(&self) -> Result<(), Status> {
        let node = self.node;
        let old = self.request.old.unwrap_or(&Value::Null);
        self.require(self.request.operation == Operation::Update, || {
            format!("unexpected operation {:?}", self.request.operation)
        })?;
        self.require(bound_to(old, node), || {
            format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself")
        })?;
        self.require(labels::modified(old, self.object).is_empty(), || {
            format!("node {node:?} cannot update labels through pod status")
        })
    }

    fn eviction(&self) -> Result<(), Status> {
        let pod = self.stored_pod(object_name(self.request.attributes, self.object))?;
        let why = || format!("node {} can only evict pods with spec.nodeName set to itself", self.node);
        self.require(bound_to(&pod, self.node), why)
    }

    fn stored_pod(&self, name: &str) -> Result<Arc<Value>, Status> {
        let pods = GroupResource::new("", "pods");
        let pod = self.context.lister.get(&pods, &self.request.attributes.namespace, name);
        pod.ok_or_else(|| Status::not_found(&pods, name))
    }

    fn own_node(&self) -> Result<(), Status> {
        let (node, object) = (self.node, self.object);
        let name = object_name(self.request.attributes, object);
        self.require(name == node, || format!("node {node:?} is not allowed to modify node {name:?}"))?;
        let old = self.request.old.unwrap_or(&Value::Null);
        let modified = labels::modified(old, object);
        let labels = labels::forbidden(&modified);
        match self.request.operation {
            Operation::Create => {
                let why = || format!("node {node:?} is not allowed to set the following labels: {}", labels.join(", "));
                self.require(labels.is_empty(), why)
            }
            Operation::Update => {
                let taints = |value: &Value| object::list_at(value, "/spec/taints").to_vec();
                // It could take away the taint that keeps other people's work from it.
                let why = || format!("node {node:?} is not allowed to modify taints");
                self.require(taints(old) == taints(object), why)?;
                self.require(labels.is_empty(), || format!("is not allowed to modify labels: {}", labels.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// Of a volume that lies here and is being deleted a node says that the directory is gone, and nothing else of any volume.
    fn volume(&self) -> Result<(), Status> {
        let old = self.request.old.unwrap_or(&Value::Null);
        let lies_on = object::labels(old).and_then(|labels| labels.get(local_path::NODE_LABEL)?.as_str());
        let here = object::annotation(old, volume::PROVISIONED_BY) == Some(local_path::PROVISIONER)
            && lies_on == Some(self.node);
        let going = object::deletion_timestamp(old).is_some();
        let let_go = self.request.operation == Operation::Update && without_hold(old) == without_hold(self.object);
        self.require(here && going && let_go, || {
            let node = self.node;
            format!("node {node:?} can only take its finalizer off volumes that lie on it and are being deleted")
        })
    }

    /// Tokens only for pods that run here, each bound to its pod.
    fn token(&self) -> Result<(), Status> {
        let reference =
            |member: &str| object::str_at(self.object, &format!("/spec/boundObjectRef/{member}")).unwrap_or_default();
        let (name, uid) = (reference("name"), reference("uid"));
        let is_pod = reference("apiVersion") == "v1" && reference("kind") == "Pod" && !name.is_empty();
        self.require(is_pod, || "node requested token not bound to a pod".to_owned())?;
        self.require(!uid.is_empty(), || "node requested token with a pod binding without a uid".to_owned())?;
        let pod = self.stored_pod(name)?;
        self.require(object::uid(&pod) == uid, || {
            format!("the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated")
        })?;
        self.require(bound_to(&pod, self.node), || {
            "node requested token bound to a pod scheduled on a different node".to_owned()
        })
    }

    fn lease(&self) -> Result<(), Status> {
        let in_namespace = self.request.attributes.namespace == LEASE_NAMESPACE;
        self.require(in_namespace, || format!("can only access leases in the {LEASE_NAMESPACE:?} system namespace"))?;
        let name = object_name(self.request.attributes, self.object);
        self.require(name == self.node, || {
            "can only access node lease with the same name as the requesting node".to_owned()
        })
    }
}

/// All of a volume but the hold of its node and what every write changes.
fn without_hold(volume: &Value) -> Value {
    let mut volume = volume.clone();
    for member in ["managedFields", "resourceVersion", "generation"] {
        object::remove(&mut volume, &["metadata", member]);
    }
    let held = object::list_at(&volume, "/metadata/finalizers").iter();
    let others: Vec<Value> = held.filter(|held| held.as_str() != Some(local_path::FINALIZER)).cloned().collect();
    object::set(&mut volume, &["metadata", "finalizers"], others.into());
    volume
}
