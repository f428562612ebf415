use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::testing::{cluster, node, pod};
use crate::{Cursor, Profile, Snapshot, place};

fn a_claim(name: &str, extra: Value) -> (NamespacedName, Arc<PersistentVolumeClaim>) {
    let mut claim = json!({"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": {
        "storageClassName": "local", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    crate::testing::merge(&mut claim, extra);
    (
        NamespacedName { namespace: "default".into(), name: name.into() },
        Arc::new(serde_json::from_value(claim).unwrap()),
    )
}

fn a_volume(name: &str, zone: &str, extra: Value) -> (String, Arc<PersistentVolume>) {
    let mut volume = json!({"metadata": {"name": name}, "status": {"phase": "Available"}, "spec": {
        "storageClassName": "local", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "2Gi"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]}]}}}});
    crate::testing::merge(&mut volume, extra);
    (name.into(), Arc::new(serde_json::from_value(volume).unwrap()))
}

fn a_class(name: &str, provisioner: &str, mode: &str) -> (String, Arc<StorageClass>) {
    let class = json!({"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode});
    (name.into(), Arc::new(serde_json::from_value(class).unwrap()))
}

/// Nodes `n1` and `n2`, each its own zone, and classes `local` (static), `made` (provisioned) and `now` (bound at once).
fn world() -> Snapshot {
    let mut cluster = cluster(&[node("n1", json!({})), node("n2", json!({}))]);
    cluster.storage.classes.extend([
        a_class("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer"),
        a_class("made", "example.com/disk", "WaitForFirstConsumer"),
        a_class("now", "example.com/disk", "Immediate"),
    ]);
    cluster
}

fn mounting(claims: &[&str]) -> Arc<PodRequest> {
    let volumes: Vec<_> =
        claims.iter().map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}})).collect();
    pod("a", json!({"volumes": volumes}))
}

fn check(pod: &PodRequest, cluster: &mut Snapshot, expected: Expect) {
    let profile = Profile::new("default-scheduler");
    let answer = match place(pod, cluster, &profile, &mut Cursor::default()) {
        Ok(placement) => {
            let bind = placement.volumes.bind.iter().map(|(volume, claim)| format!(", {volume} for {}", claim.name));
            let made = placement.volumes.provision.iter().map(|claim| format!(", {} to be made", claim.name));
            format!("{}{}", placement.node, bind.chain(made).collect::<String>())
        }
        Err(failure) => failure.message(),
    };
    expected.assert_eq(&answer);
}

#[test]
fn a_claim_that_is_missing_lost_or_going_keeps_the_pod_waiting() {
    let mut cluster = world();
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect![[r#"0/2 nodes are available: persistentvolumeclaim "data" not found."#]],
    );
    let lost = json!({"spec": {"volumeName": "gone"}, "status": {"phase": "Lost"}});
    cluster.storage.claims.extend([a_claim("data", lost)]);
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect![[
            r#"0/2 nodes are available: persistentvolumeclaim "data" bound to non-existent persistentvolume "gone"."#
        ]],
    );
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    cluster.storage.claims.extend([a_claim("data", going)]);
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect![[r#"0/2 nodes are available: persistentvolumeclaim "data" is being deleted."#]],
    );
}

#[test]
fn a_claim_that_binds_at_once_is_waited_for() {
    let mut cluster = world();
    cluster.storage.claims.extend([a_claim("data", json!({"spec": {"storageClassName": "now"}}))]);
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect!["0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."],
    );
}

#[test]
fn a_pod_goes_where_its_volume_is() {
    let mut cluster = world();
    let bound =
        json!({"spec": {"volumeName": "v"}, "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}});
    cluster.storage.claims.extend([a_claim("data", bound)]);
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect![
            "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)."
        ],
    );
    cluster.storage.volumes.extend([a_volume("v", "n2", json!({}))]);
    check(&mounting(&["data"]), &mut cluster, expect!["n2"]);
    cluster.storage.volumes.extend([a_volume("v", "n9", json!({}))]);
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect!["0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."],
    );
}

#[test]
fn the_smallest_volume_that_will_do_is_taken_and_only_once() {
    let mut cluster = world();
    cluster.storage.claims.extend([a_claim("data", json!({})), a_claim("more", json!({}))]);
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect!["0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."],
    );
    let sized = |size: &str| json!({"spec": {"capacity": {"storage": size}}});
    cluster.storage.volumes.extend([
        a_volume("large", "n1", sized("5Gi")),
        a_volume("right", "n1", sized("1Gi")),
        a_volume("small", "n2", sized("500Mi")),
        a_volume("other", "n2", json!({"spec": {"storageClassName": "x"}})),
    ]);
    check(&mounting(&["data"]), &mut cluster, expect!["n1, right for data"]);
    check(&mounting(&["data", "more"]), &mut cluster, expect!["n1, right for data, large for more"]);
    let others = VolumePlan { bind: vec![("right".into(), a_claim("theirs", json!({})).0)], provision: Vec::new() };
    cluster.storage.assume(&pod("b", json!({})), "n1", &others);
    check(&mounting(&["data"]), &mut cluster, expect!["n1, large for data"]);
    cluster.storage.forget("b");
    check(&mounting(&["data"]), &mut cluster, expect!["n1, right for data"]);
}

#[test]
fn a_volume_made_for_the_claim_comes_before_others() {
    let mut cluster = world();
    cluster.storage.claims.extend([a_claim("data", json!({}))]);
    let meant = json!({"spec": {"claimRef": {"namespace": "default", "name": "data"}, "capacity": {"storage": "9Gi"}}});
    let elses = json!({"spec": {"claimRef": {"namespace": "default", "name": "x"}}});
    cluster.storage.volumes.extend([
        a_volume("a", "n1", elses),
        a_volume("meant", "n1", meant),
        a_volume("z", "n1", json!({})),
    ]);
    check(&mounting(&["data"]), &mut cluster, expect!["n1, meant for data"]);
}

#[test]
fn what_can_be_provisioned_is_asked_for_where_the_class_and_the_driver_allow() {
    let mut cluster = world();
    cluster.storage.claims.extend([a_claim("data", json!({"spec": {"storageClassName": "made"}}))]);
    check(&mounting(&["data"]), &mut cluster, expect!["n2, data to be made"]);
    let driver = json!({"metadata": {"name": "example.com/disk"}, "spec": {"storageCapacity": true}});
    cluster.storage.drivers.insert("example.com/disk".into(), Arc::new(serde_json::from_value(driver).unwrap()));
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect!["0/2 nodes are available: 2 node(s) did not have enough free storage."],
    );
    let capacity = json!({"metadata": {"name": "c"}, "storageClassName": "made", "capacity": "10Gi",
        "nodeTopology": {"matchLabels": {"zone": "n1"}}});
    let name = NamespacedName { namespace: String::new(), name: "c".into() };
    cluster.storage.capacities.insert(name, Arc::new(serde_json::from_value(capacity).unwrap()));
    check(&mounting(&["data"]), &mut cluster, expect!["n1, data to be made"]);
    let selected = json!({"spec": {"storageClassName": "made"}, "metadata": {"annotations": {SELECTED_NODE: "n2"}}});
    cluster.storage.claims.extend([a_claim("data", selected)]);
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect![
            "0/2 nodes are available: 1 node(s) did not have enough free storage, 1 node(s) didn't find available persistent volumes to bind."
        ],
    );
}

#[test]
fn a_claim_for_one_pod_is_had_by_one() {
    let mut cluster = world();
    let alone = json!({"spec": {"storageClassName": "made", "accessModes": ["ReadWriteOncePod"]}});
    cluster.storage.claims.extend([a_claim("data", alone)]);
    let mut first = (*mounting(&["data"])).clone();
    first.uid = "first".into();
    cluster.place(Arc::new(first), "n1");
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect![
            "0/2 nodes are available: 2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode."
        ],
    );
    cluster.remove("first");
    check(&mounting(&["data"]), &mut cluster, expect!["n2, data to be made"]);
}

#[test]
fn zones_of_volumes_and_limits_of_drivers_count() {
    let mut cluster = Snapshot::default();
    for name in ["n1", "n2"] {
        let labels = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": name}}});
        cluster.set_node(Arc::new(serde_json::from_value(node(name, labels)).unwrap()));
    }
    let bound = |volume: &str| json!({"spec": {"volumeName": volume}, "status": {"phase": "Bound"}});
    cluster.storage.claims.extend([a_claim("data", bound("v")), a_claim("more", bound("w"))]);
    let csi = |handle: &str| {
        json!({"metadata": {"labels": {"topology.kubernetes.io/zone": "n1__n3"}}, "spec": {"nodeAffinity": null,
            "csi": {"driver": "example.com/disk", "volumeHandle": handle}}})
    };
    cluster.storage.volumes.extend([a_volume("v", "", csi("v")), a_volume("w", "", csi("w"))]);
    check(&mounting(&["data"]), &mut cluster, expect!["n1"]);
    let limits = json!({"metadata": {"name": "n1"}, "spec": {"drivers": [
        {"name": "example.com/disk", "nodeID": "n1", "allocatable": {"count": 1}}]}});
    cluster.storage.csi_nodes.insert("n1".into(), Arc::new(serde_json::from_value(limits).unwrap()));
    let mut first = (*mounting(&["more"])).clone();
    first.uid = "first".into();
    cluster.place(Arc::new(first), "n1");
    check(
        &mounting(&["data"]),
        &mut cluster,
        expect!["0/2 nodes are available: 1 node(s) exceed max volume count, 1 node(s) had no available volume zone."],
    );
    check(&mounting(&["more"]), &mut cluster, expect!["n1"]);
}
