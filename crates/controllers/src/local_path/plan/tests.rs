use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, object};

fn class(more: Value) -> StorageClass {
    let mut class = json!({ "metadata": { "name": "local-path" }, "provisioner": PROVISIONER, "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer" });
    merge(&mut class, more);
    object(class)
}

/// As a merge patch does: null takes away.
fn merge(into: &mut Value, more: Value) {
    sampan_meta::patch::merge(into, &more);
}

fn pvc(more: Value) -> PersistentVolumeClaim {
    let mut claim = json!({
        "metadata": { "name": "data", "namespace": "default", "uid": "u1", "annotations": {
            "volume.kubernetes.io/storage-provisioner": PROVISIONER, "volume.kubernetes.io/selected-node": "edge-1",
        } },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "local-path", "resources": { "requests": { "storage": "1Gi" } } },
        "status": { "phase": "Pending" },
    });
    merge(&mut claim, more);
    object(claim)
}

fn node(annotations: Value) -> Node {
    object(
        json!({ "metadata": { "name": "edge-1", "labels": { "kubernetes.io/hostname": "edge-1" }, "annotations": annotations } }),
    )
}

fn ready() -> Node {
    node(json!({ DIRECTORY_ANNOTATION: "/data/volumes/" }))
}

fn made() -> PersistentVolume {
    let (class, node) = (class(json!({})), ready());
    match claim(&pvc(json!({})), &View { class: Some(&class), node: Some(&node), volume: None }) {
        ClaimPlan::Make(volume) => *volume,
        other => panic!("{other:?}"),
    }
}

fn check(more: Value, class: &StorageClass, node: Option<&Node>, expected: &str) {
    let plan = claim(&pvc(more), &View { class: Some(class), node, volume: None });
    let shown = match plan {
        ClaimPlan::Nothing => "nothing".to_owned(),
        ClaimPlan::Make(volume) => format!("make {}", volume.metadata.name.unwrap_or_default()),
        ClaimPlan::Refuse(why) => why,
        ClaimPlan::Reschedule(claim) => {
            format!("reschedule {:?}", claim.metadata.annotations.unwrap_or_default().keys())
        }
        other => format!("{other:?}"),
    };
    assert_eq!(shown, expected);
}

#[test]
fn a_volume_is_made_on_the_node_of_the_first_pod() {
    expect_test::expect![[r#"{"metadata":{"annotations":{"pv.kubernetes.io/provisioned-by":"sampan.dev/local-path"},"finalizers":["sampan.dev/local-path"],"labels":{"sampan.dev/local-path-node":"edge-1"},"name":"pvc-u1"},"spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},"claimRef":{"apiVersion":"v1","kind":"PersistentVolumeClaim","name":"data","namespace":"default","uid":"u1"},"local":{"path":"/data/volumes/pvc-u1"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["edge-1"]}]}]}},"persistentVolumeReclaimPolicy":"Delete","storageClassName":"local-path","volumeMode":"Filesystem"}}"#]]
    .assert_eq(&serde_json::to_value(made()).map(|mut value| { value.as_object_mut().unwrap().retain(|name, _| name == "metadata" || name == "spec"); value }).unwrap().to_string());
}

#[test]
fn what_a_directory_cannot_give_is_refused() {
    let (plain, node) = (class(json!({})), ready());
    let node = Some(&node);
    check(json!({}), &plain, node, "make pvc-u1");
    check(
        json!({ "spec": { "volumeMode": "Block" } }),
        &plain,
        node,
        "only volumes of volumeMode Filesystem can be made",
    );
    check(
        json!({ "spec": { "selector": { "matchLabels": { "a": "b" } } } }),
        &plain,
        node,
        "claim Selector is not supported",
    );
    let source = json!({ "kind": "PersistentVolumeClaim", "name": "other" });
    check(json!({ "spec": { "dataSource": source } }), &plain, node, "a volume cannot be made from a data source");
    let with_parameters = class(json!({ "parameters": { "path": "/" } }));
    check(json!({}), &with_parameters, node, "the class has parameters, of which this provisioner knows none");
    let annotations = json!({ "metadata": { "annotations": { "volume.kubernetes.io/selected-node": null } } });
    let immediate = "its volumes lie on a node's disk, so the class must have volumeBindingMode WaitForFirstConsumer";
    check(annotations, &plain, None, immediate);
    let silent = self::node(json!({}));
    check(
        json!({}),
        &plain,
        Some(&silent),
        "node \"edge-1\" does not say where volumes lie on it (node.sampan.dev/local-path)",
    );
}

#[test]
fn a_node_that_is_gone_is_chosen_again() {
    check(json!({}), &class(json!({})), None, "reschedule [\"volume.kubernetes.io/storage-provisioner\"]");
}

#[test]
fn claims_of_others_are_left_alone() {
    let (plain, node) = (class(json!({})), ready());
    check(json!({ "spec": { "volumeName": "v" } }), &plain, Some(&node), "nothing");
    check(json!({ "metadata": { "deletionTimestamp": ago(1) } }), &plain, Some(&node), "nothing");
    let other = json!({ "metadata": { "annotations": { "volume.kubernetes.io/storage-provisioner": "other" } } });
    check(other, &plain, Some(&node), "nothing");
    check(json!({}), &class(json!({ "provisioner": "other" })), Some(&node), "nothing");
}

#[test]
fn growing_is_said_by_the_volume_and_then_by_the_claim() {
    let larger = json!({ "spec": { "volumeName": "pvc-u1", "resources": { "requests": { "storage": "2Gi" } } },
        "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } } });
    let bound = pvc(larger);
    let small = made();
    let view = |volume| View { volume: Some(volume), ..View::default() };
    let ClaimPlan::GrowVolume(large) = claim(&bound, &view(&small)) else { panic!("the volume first") };
    assert_eq!(capacity(&large).to_string(), "2Gi");
    let ClaimPlan::GrowClaim(done) = claim(&bound, &view(&large)) else { panic!("then the claim") };
    assert_eq!(done.status.as_ref().unwrap().capacity.as_ref().unwrap()["storage"].0, "2Gi");
    assert_eq!(claim(&done, &view(&large)), ClaimPlan::Nothing);
    let mut foreign = small.clone();
    foreign.metadata.annotations = None;
    assert_eq!(claim(&bound, &view(&foreign)), ClaimPlan::Nothing);
}

#[test]
fn a_volume_goes_with_its_claim_but_not_before_its_directory() {
    let state = |phase: &str, policy: &str, going: bool| -> PersistentVolume {
        let mut value = serde_json::to_value(made()).unwrap();
        merge(&mut value, json!({ "spec": { "persistentVolumeReclaimPolicy": policy }, "status": { "phase": phase } }));
        if going {
            value["metadata"]["deletionTimestamp"] = json!(ago(1));
        }
        object(value)
    };
    assert_eq!(volume(&state("Released", "Delete", false), true), VolumePlan::Delete);
    assert_eq!(volume(&state("Released", "Retain", false), true), VolumePlan::Nothing);
    assert_eq!(volume(&state("Bound", "Delete", false), true), VolumePlan::Nothing);
    assert_eq!(volume(&state("Bound", "Delete", true), false), VolumePlan::Nothing, "its claim is still there");
    assert_eq!(volume(&state("Released", "Delete", true), true), VolumePlan::Nothing, "the node sees to it");
    let VolumePlan::LetGo(changed) = volume(&state("Released", "Delete", true), false) else { panic!("no node") };
    assert_eq!(changed.metadata.finalizers, Some(Vec::new()));
    let mut foreign = state("Released", "Delete", false);
    foreign.metadata.annotations = None;
    assert_eq!(volume(&foreign, true), VolumePlan::Nothing);
}
