//! What a node may do besides RBAC: only what concerns itself and the pods bound to it (upstream's
//! `plugin/pkg/auth/authorizer/node`).

mod references;

use std::collections::HashMap;
use std::sync::LazyLock;

use parking_lot::Mutex;
use sampan_api::request::{Attributes, Lister};
use sampan_meta::GroupResource;
use sampan_meta::selector::FieldSelector;
use serde_json::Value;

use super::Rule;
use references::references;
pub(crate) use references::{Reference, is_mirror, references_anything};

const LEASE_NAMESPACE: &str = "kube-node-lease";
/// More witnesses than a node can have pods and volumes; when it is reached the memory is emptied, which costs time, nothing else.
const MOST_WITNESSES: usize = 100_000;

/// What the node rules think of a request.
pub(super) enum Opinion {
    Allowed,
    /// Nothing, with what is worth saying about it (mostly empty).
    None(String),
}

/// For each answer "yes, a pod of yours needs it" the pod that was found: looked at first the next time, so that a thousand pods
/// of one node do not cost a thousand walks over a thousand pods. A witness is proof only after it was looked at again.
#[derive(Default)]
pub(super) struct Witnesses(Mutex<HashMap<Question, String>>);

/// Which node asks for which object.
type Question = (String, Reference, String, String);

/// Decides for nodes; has no opinion about anybody else.
pub(super) fn authorize(lister: &dyn Lister, witnesses: &Witnesses, attributes: &Attributes) -> Opinion {
    let Some(node) = attributes.user.node_name() else { return none("") };
    if node.is_empty() {
        return none(format!("unknown node for user {:?}", attributes.user.name));
    }
    let asked = Asked { lister, witnesses, node, attributes };
    match (attributes.resource_request, attributes.group.as_str(), attributes.resource.as_str()) {
        (true, "", "secrets") => asked.read_related(Reference::Secret),
        (true, "", "configmaps") => asked.read_related(Reference::ConfigMap),
        (true, "", "persistentvolumeclaims") => asked.claim(),
        (true, "", "serviceaccounts") => asked.create_token(),
        (true, "coordination.k8s.io", "leases") => asked.lease(),
        (true, "", "nodes") => asked.own_node(),
        (true, "", "pods") => asked.own_pods(),
        _ if STATIC_RULES.iter().any(|rule| rule.allows(attributes)) => Opinion::Allowed,
        _ => none(""),
    }
}

/// What every node may do alike: the rules of the role `system:node`, less what is decided per object above.
static STATIC_RULES: LazyLock<Vec<Rule>> = LazyLock::new(crate::bootstrap::node_rules);

struct Asked<'a> {
    lister: &'a dyn Lister,
    witnesses: &'a Witnesses,
    node: &'a str,
    attributes: &'a Attributes,
}

impl Asked<'_> {
    fn verb_in(&self, verbs: &[&str]) -> bool {
        verbs.contains(&self.attributes.verb.as_str())
    }

    fn read_related(&self, reference: Reference) -> Opinion {
        let Attributes { subresource, namespace, .. } = self.attributes;
        match () {
            () if !self.verb_in(&["get", "list", "watch"]) => none("can only read resources of this type"),
            () if !subresource.is_empty() => none("cannot read subresource"),
            () if namespace.is_empty() => none("can only read namespaced object of this type"),
            () => self.related(reference),
        }
    }

    fn claim(&self) -> Opinion {
        match (self.attributes.subresource.as_str(), self.attributes.verb.as_str()) {
            ("", "get") => self.related(Reference::Claim),
            ("", _) => none("can only get individual resources of this type"),
            ("status", "update" | "patch") => self.related(Reference::Claim),
            ("status", _) => none("can only get/update/patch this type"),
            _ => none("cannot get subresource"),
        }
    }

    fn create_token(&self) -> Opinion {
        match (self.attributes.verb.as_str(), self.attributes.subresource.as_str()) {
            ("create", "token") if !self.attributes.name.is_empty() => self.related(Reference::ServiceAccount),
            ("create", "token") => none("can only create tokens for individual service accounts"),
            ("create", _) => none("can only create token subresource of serviceaccount"),
            _ => none("can only create tokens for individual service accounts"),
        }
    }

    fn lease(&self) -> Opinion {
        let Attributes { verb, namespace, name, .. } = self.attributes;
        match () {
            () if !self.verb_in(&["get", "create", "update", "patch", "delete"]) => {
                none("can only get, create, update, patch, or delete a node lease")
            }
            () if namespace != LEASE_NAMESPACE => {
                none(format!("can only access leases in the {LEASE_NAMESPACE:?} system namespace"))
            }
            // The name of a lease to be created is not in the URL; admission looks at it.
            () if verb != "create" && name != self.node => {
                none("can only access node lease with the same name as the requesting node")
            }
            () => Opinion::Allowed,
        }
    }

    fn own_node(&self) -> Opinion {
        let Attributes { verb, subresource, name, .. } = self.attributes;
        match (subresource.as_str(), verb.as_str()) {
            // Admission sees to it that these write the node's own object.
            ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Opinion::Allowed,
            ("", "get" | "list" | "watch") if name == self.node || self.selects("metadata.name") => Opinion::Allowed,
            ("", "get" | "list" | "watch") if name.is_empty() => {
                none(format!("node '{}' cannot read all nodes, only its own Node object", self.node))
            }
            ("", "get" | "list" | "watch") => {
                none(format!("node '{}' cannot read '{name}', only its own Node object", self.node))
            }
            _ => none(""),
        }
    }

    fn own_pods(&self) -> Opinion {
        let Attributes { verb, subresource, name, .. } = self.attributes;
        match (subresource.as_str(), verb.as_str()) {
            ("", "list" | "watch") if self.selects("spec.nodeName") => Opinion::Allowed,
            ("", "get" | "list" | "watch") if !name.is_empty() => self.own_pod(),
            ("", "list" | "watch") => none("can only list/watch pods with spec.nodeName field selector"),
            // Admission limits these to mirror pods of, and pods bound to, this node.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Opinion::Allowed,
            _ => none(""),
        }
    }

    fn own_pod(&self) -> Opinion {
        let pod = self.lister.get(&pods(), &self.attributes.namespace, &self.attributes.name);
        match pod {
            Some(pod) if bound_to(&pod, self.node) => Opinion::Allowed,
            _ => self.unrelated(),
        }
    }

    /// Whether the request's field selector says `field=NODE`.
    fn selects(&self, field: &str) -> bool {
        let Ok(selector) = FieldSelector::parse(&self.attributes.field_selector) else { return false };
        selector.exact(field) == Some(self.node)
    }

    /// Allowed if a pod bound to this node refers to the object asked for.
    fn related(&self, reference: Reference) -> Opinion {
        let Attributes { namespace, name, .. } = self.attributes;
        if name.is_empty() {
            return none("No Object name found");
        }
        let question = (self.node.to_owned(), reference, namespace.clone(), name.clone());
        let remembered = self.witnesses.0.lock().get(&question).cloned();
        let witness = remembered.and_then(|pod| self.lister.get(&pods(), namespace, &pod));
        if witness.is_some_and(|pod| self.needs(&pod, reference)) {
            return Opinion::Allowed;
        }
        let found = self.lister.list(&pods(), Some(namespace)).into_iter().find(|pod| self.needs(pod, reference));
        match found {
            Some(pod) => {
                self.witnesses.remember(question, &pod);
                Opinion::Allowed
            }
            None => self.unrelated(),
        }
    }

    fn needs(&self, pod: &Value, reference: Reference) -> bool {
        bound_to(pod, self.node) && references(pod, reference, &self.attributes.name)
    }

    fn unrelated(&self) -> Opinion {
        none(format!("no relationship found between node '{}' and this object", self.node))
    }
}

impl Witnesses {
    fn remember(&self, question: Question, pod: &Value) {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let mut witnesses = self.0.lock();
        if witnesses.len() >= MOST_WITNESSES {
            witnesses.clear();
        }
        witnesses.insert(question, name.to_owned());
    }
}

/// Whether the pod is bound to the node.
pub(crate) fn bound_to(pod: &Value, node: &str) -> bool {
    pod.pointer("/spec/nodeName").and_then(Value::as_str) == Some(node)
}

fn pods() -> GroupResource {
    GroupResource::new("", "pods")
}

fn none(reason: impl Into<String>) -> Opinion {
    Opinion::None(reason.into())
}
