//! Services and workloads: what tells the scheduler which pods belong together when they do not say so themselves.

use std::collections::{BTreeMap, HashMap};

use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sampan_meta::NamespacedName;

use crate::PodRequest;
use crate::selector::{Labels, Selector};

/// Selectors of Services, ReplicationControllers, ReplicaSets and StatefulSets.
#[derive(Clone, Debug, Default)]
pub struct Workloads {
    services: HashMap<String, BTreeMap<String, Labels>>,
    /// By kind, then by name.
    owners: HashMap<String, HashMap<NamespacedName, Selector>>,
}

impl Workloads {
    /// A Service is there, with that selector.
    pub fn set_service(&mut self, name: &NamespacedName, selector: Option<&Labels>) {
        match selector.filter(|selector| !selector.is_empty()) {
            Some(selector) => {
                let services = self.services.entry(name.namespace.clone()).or_default();
                services.insert(name.name.clone(), selector.clone());
            }
            None => self.remove_service(name),
        }
    }

    /// A Service went.
    pub fn remove_service(&mut self, name: &NamespacedName) {
        if let Some(services) = self.services.get_mut(&name.namespace) {
            services.remove(&name.name);
        }
    }

    /// A workload of that kind is there, with that selector.
    pub fn set_owner(&mut self, kind: &str, name: NamespacedName, selector: Selector) {
        self.owners.entry(kind.to_owned()).or_default().insert(name, selector);
    }

    /// A workload went.
    pub fn remove_owner(&mut self, kind: &str, name: &NamespacedName) {
        if let Some(owners) = self.owners.get_mut(kind) {
            owners.remove(name);
        }
    }

    /// Selects the pods that belong together with `pod`; `None` when nothing says so. Matches upstream's `helper.DefaultSelector`.
    pub fn siblings(&self, pod: &PodRequest) -> Option<Selector> {
        let mut together = Labels::new();
        let has = |selector: &Labels| selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value));
        let services = self.services.get(&pod.name.namespace).into_iter().flat_map(BTreeMap::values);
        for selector in services.filter(|selector| has(selector)) {
            together.extend(selector.clone());
        }
        let selector = Selector::having(&together);
        let owner = controller(pod).and_then(|owner| {
            let name = NamespacedName { namespace: pod.name.namespace.clone(), name: owner.name.clone() };
            self.owners.get(&owner.kind)?.get(&name)
        });
        let selector = match owner {
            Some(owner) => selector.and_all(owner.clone()),
            None => selector,
        };
        (!selector.is_everything() && !selector.is_nothing()).then_some(selector)
    }
}

fn controller(pod: &PodRequest) -> Option<&OwnerReference> {
    pod.pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn pod(owner: &str) -> PodRequest {
        let pod = json!({"metadata": {"name": "a", "namespace": "shop", "labels": {"app": "web", "tier": "front"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "1", "controller": true}]}});
        PodRequest::new(Arc::new(serde_json::from_value(pod).unwrap()))
    }

    fn named(name: &str) -> NamespacedName {
        NamespacedName { namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn services_and_the_owner_say_together_which_pods_are_siblings() {
        let mut workloads = Workloads::default();
        let labels = |key: &str, value: &str| Labels::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(workloads.siblings(&pod("web")), None);
        workloads.set_service(&named("web"), Some(&labels("app", "web")));
        workloads.set_service(&named("api"), Some(&labels("app", "api")));
        workloads.set_owner("ReplicaSet", named("web"), Selector::having(&labels("tier", "front")));
        let both = Selector::having(&labels("app", "web")).and_is("tier", "front");
        assert_eq!(workloads.siblings(&pod("web")), Some(both));
        workloads.remove_service(&named("web"));
        assert_eq!(workloads.siblings(&pod("web")), Some(Selector::having(&labels("tier", "front"))));
        assert_eq!(workloads.siblings(&pod("other")), None);
    }
}
