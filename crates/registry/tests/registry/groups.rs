//! The kinds of storage, admission, flow control, aggregation and devices: what is refused, word for word, and what `kubectl get` shows.

mod admission;
mod claims;
mod devices;
mod flow;
mod storage;
mod volumes;

use expect_test::Expect;
use sampan_meta::Status;
use serde_json::Value;

use crate::cluster::{Cluster, Place, refusal};

/// Creates an object; the answer, or the refusal as a test reads it.
pub(crate) async fn made(cluster: &Cluster, path: &str, object: Value) -> Value {
    cluster.create(&place(cluster, path, ""), object).await.unwrap()
}

/// Of the namespace `default`, if the kind has namespaces.
pub(crate) fn place(cluster: &Cluster, path: &str, name: &str) -> Place {
    let namespace = if cluster.at(path, "", "").resource.namespaced { "default" } else { "" };
    cluster.at(path, namespace, name)
}

/// A merge patch that is refused.
pub(crate) async fn change_refused(cluster: &Cluster, path: &str, name: &str, patch: Value, expected: Expect) {
    check_refusal(cluster.merge(&place(cluster, path, name), patch).await, expected);
}

/// A merge patch of the status that is refused.
pub(crate) async fn status_refused(cluster: &Cluster, path: &str, name: &str, patch: Value, expected: Expect) {
    check_refusal(cluster.merge(&place(cluster, path, name).subresource("status"), patch).await, expected);
}

fn check_refusal(result: Result<Value, Status>, expected: Expect) {
    expected.assert_eq(&refusal(result));
}
