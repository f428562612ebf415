//! What a volume says of itself.

use super::*;

#[test]
fn a_volume_says_who_has_it() {
    check_volume(
        json!({ "status": { "phase": "Pending" } }),
        None,
        expect![[r#"
        volume status: {"phase":"Available"}
    "#]],
    );
    let kept =
        json!({ "spec": { "claimRef": { "namespace": "default", "name": "data" } }, "status": { "phase": "Pending" } });
    check_volume(
        kept,
        Some(json!({})),
        expect![[r#"
        volume status: {"phase":"Available"}
    "#]],
    );
    check_volume(bound(), Some(json!({})), expect![["settled\n"]]);
    check_volume(
        bound(),
        Some(json!({ "spec": { "volumeMode": "Block" } })),
        expect![[r#"
        settled
        Warning VolumeMismatch: Cannot bind PersistentVolume to requested PersistentVolumeClaim "data" due to incompatible volumeMode.
    "#]],
    );
    check_volume(
        bound(),
        Some(json!({ "spec": { "volumeName": "v" } })),
        expect![[r#"
        volume status: {"phase":"Bound"}
    "#]],
    );
    check_volume(
        bound(),
        None,
        expect![[r#"
        volume status: {"phase":"Released"}
    "#]],
    );
    check_volume(
        bound(),
        Some(json!({ "metadata": { "uid": "next" } })),
        expect![[r#"
        volume status: {"phase":"Released"}
    "#]],
    );
}

#[test]
fn a_volume_whose_claim_went_elsewhere_is_free_again() {
    let elsewhere = Some(json!({ "spec": { "volumeName": "other" } }));
    let mut ours = bound();
    ours["metadata"] = json!({ "annotations": { "pv.kubernetes.io/bound-by-controller": "yes" } });
    check_volume(
        ours,
        elsewhere.clone(),
        expect![[r#"
        volume v: None []
    "#]],
    );
    check_volume(
        bound(),
        elsewhere.clone(),
        expect![[r#"
        volume v: Some("default/data ") []
    "#]],
    );
    let mut made = bound();
    made["metadata"] = json!({ "annotations": { "pv.kubernetes.io/provisioned-by": "example.com/disks" } });
    made["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
    check_volume(
        made,
        elsewhere,
        expect![[r#"
        volume status: {"phase":"Released"}
    "#]],
    );
}

#[test]
fn a_released_volume_is_kept_given_to_its_provisioner_or_has_failed() {
    let released = |policy: &str, annotations: Value| {
        let mut volume = bound();
        volume["metadata"] = json!({ "annotations": annotations });
        volume["spec"]["persistentVolumeReclaimPolicy"] = json!(policy);
        volume["status"] = json!({ "phase": "Released" });
        volume
    };
    check_volume(released("Retain", json!({})), None, expect![["settled\n"]]);
    check_volume(
        released("Delete", json!({ "pv.kubernetes.io/provisioned-by": "example.com/disks" })),
        None,
        expect![["settled\n"]],
    );
    check_volume(
        released("Delete", json!({})),
        None,
        expect![[r#"
        volume status: {"message":"error getting deleter volume plugin for volume \"v\": no deletable volume plugin matched","phase":"Failed"}
        Warning VolumeFailedDelete: error getting deleter volume plugin for volume "v": no deletable volume plugin matched
    "#]],
    );
    check_volume(
        released("Recycle", json!({})),
        None,
        expect![[r#"
        volume status: {"message":"No recycler plugin found for the volume!","phase":"Failed"}
        Warning VolumeFailedRecycle: No recycler plugin found for the volume!
    "#]],
    );
    let mut failed = released("Recycle", json!({}));
    failed["status"] = json!({ "phase": "Failed" });
    check_volume(failed, None, expect![["settled\n"]]);
}
