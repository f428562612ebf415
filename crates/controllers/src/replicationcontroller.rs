//! ReplicationController: a ReplicaSet of the first hour. As upstream's `pkg/controller/replication`, which converts likewise.

use std::borrow::Cow;
use std::sync::Arc;

use sampan_api::k8s::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use sampan_api::k8s::api::core::v1::{
    ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus,
};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::controller::Rule;
use crate::replicaset::{ReplicaSetController, Replicated};
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "replicationcontroller-controller",
    identity: "replication-controller",
    requires: &[("", "replicationcontrollers")],
    permissions: &[
        Rule { group: "", resources: &["replicationcontrollers"], verbs: &["get", "list", "watch", "update"] },
        Rule {
            group: "",
            resources: &["replicationcontrollers/status", "replicationcontrollers/finalizers"],
            verbs: &["update"],
        },
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch", "create", "delete", "patch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(ReplicaSetController::<ReplicationController>::new(context.clone())),
};

impl Replicated for ReplicationController {
    fn as_replica_set(&self) -> Cow<'_, ReplicaSet> {
        let spec = self.spec.clone().map(|spec| ReplicaSetSpec {
            min_ready_seconds: spec.min_ready_seconds,
            replicas: spec.replicas,
            selector: LabelSelector { match_labels: spec.selector, match_expressions: None },
            template: spec.template,
        });
        let status = self.status.clone().map(|status| ReplicaSetStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            observed_generation: status.observed_generation,
            terminating_replicas: None,
            conditions: status.conditions.map(|all| all.into_iter().map(to_replica_set).collect()),
        });
        Cow::Owned(ReplicaSet { metadata: self.metadata.clone(), spec, status })
    }

    /// The pods that are ending go unsaid: there is no field for them.
    fn with_status(&self, status: ReplicaSetStatus) -> Self {
        let status = ReplicationControllerStatus {
            replicas: status.replicas,
            fully_labeled_replicas: status.fully_labeled_replicas,
            ready_replicas: status.ready_replicas,
            available_replicas: status.available_replicas,
            observed_generation: status.observed_generation,
            conditions: status.conditions.map(|all| all.into_iter().map(from_replica_set).collect()),
        };
        Self { status: Some(status), ..self.clone() }
    }
}

fn to_replica_set(condition: ReplicationControllerCondition) -> ReplicaSetCondition {
    ReplicaSetCondition {
        type_: condition.type_,
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
        last_transition_time: condition.last_transition_time,
    }
}

fn from_replica_set(condition: ReplicaSetCondition) -> ReplicationControllerCondition {
    ReplicationControllerCondition {
        type_: condition.type_,
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
        last_transition_time: condition.last_transition_time,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{ago, object};

    #[test]
    fn what_it_says_survives_the_way_there_and_back() {
        let condition = json!({ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no", "lastTransitionTime": ago(5) });
        let controller: ReplicationController = object(json!({
            "metadata": { "name": "web", "namespace": "default", "uid": "u" },
            "spec": { "replicas": 2, "minReadySeconds": 5, "selector": { "app": "web" } },
            "status": { "replicas": 2, "readyReplicas": 1, "observedGeneration": 3, "conditions": [condition] },
        }));
        let set = controller.as_replica_set().into_owned();
        assert_eq!(set.spec.as_ref().unwrap().selector.match_labels, controller.spec.as_ref().unwrap().selector);
        let mut status = set.status.unwrap();
        status.terminating_replicas = Some(1);
        assert_eq!(controller.with_status(status), controller, "what cannot be said is no reason to write");
    }
}
