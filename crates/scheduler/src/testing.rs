//! Nodes, pods and clusters for tests.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{PodRequest, Snapshot};

/// A node of two cores, in the zone of its name, with room for three pods, and what `extra` says.
pub(crate) fn node(name: &str, extra: Value) -> Value {
    let mut node = json!({"metadata": {"name": name, "labels": {"zone": name, "kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "2", "memory": "2Gi", "pods": "3"}}});
    merge(&mut node, extra);
    node
}

/// A pod of one container, and what `spec` says.
pub(crate) fn pod(uid: &str, spec: Value) -> Arc<PodRequest> {
    labelled(uid, json!({}), spec)
}

/// As [`pod`], with labels.
pub(crate) fn labelled(uid: &str, labels: Value, spec: Value) -> Arc<PodRequest> {
    whole(json!({"metadata": {"name": uid, "uid": uid, "namespace": "default", "labels": labels}, "spec": spec}))
}

/// A pod as given, with a container if it has none.
pub(crate) fn whole(extra: Value) -> Arc<PodRequest> {
    let mut pod = json!({"metadata": {}, "spec": {"containers": [{"name": "c"}]}});
    merge(&mut pod, extra);
    Arc::new(PodRequest::new(Arc::new(serde_json::from_value(pod).unwrap())))
}

/// A pod that asks for CPU.
pub(crate) fn asking(uid: &str, cpu: &str) -> Arc<PodRequest> {
    pod(uid, json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}))
}

/// A cluster of these nodes.
pub(crate) fn cluster(nodes: &[Value]) -> Snapshot {
    let mut cluster = Snapshot::default();
    for node in nodes {
        cluster.set_node(Arc::new(serde_json::from_value(node.clone()).unwrap()));
    }
    cluster
}

/// Puts what `from` says over what `into` says.
pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
