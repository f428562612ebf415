//! Rows about single steps; whole histories are below.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, object};

mod histories;

fn merge(into: &mut Value, more: &Value) {
    match more {
        Value::Object(more) => more.iter().for_each(|(name, value)| merge(&mut into[name.as_str()], value)),
        other => *into = other.clone(),
    }
}

fn pvc(more: Value) -> PersistentVolumeClaim {
    let mut claim = json!({
        "metadata": { "name": "data", "namespace": "default", "uid": "claim" },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": { "requests": { "storage": "1Gi" } } },
        "status": { "phase": "Pending" },
    });
    merge(&mut claim, &more);
    object(claim)
}

fn pv(name: &str, more: Value) -> Arc<PersistentVolume> {
    let mut volume = json!({
        "metadata": { "name": name },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "capacity": { "storage": "1Gi" },
            "persistentVolumeReclaimPolicy": "Retain" },
        "status": { "phase": "Available" },
    });
    merge(&mut volume, &more);
    Arc::new(object(volume))
}

fn class(name: &str, provisioner: &str, mode: &str) -> StorageClass {
    object(json!({ "metadata": { "name": name }, "provisioner": provisioner, "volumeBindingMode": mode }))
}

/// What a plan says, in a few words.
fn shown(plan: &Plan) -> String {
    let claim = |claim: &PersistentVolumeClaim| {
        let spec = claim.spec.clone().unwrap_or_default();
        let marks: Vec<String> =
            claim.metadata.annotations.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "volume {:?} class {:?} {marks:?}",
            spec.volume_name.unwrap_or_default(),
            spec.storage_class_name.unwrap_or_default()
        )
    };
    let step = match &plan.step {
        Step::Settled => "settled".to_owned(),
        Step::Claim(changed) => format!("claim: {}", claim(changed)),
        Step::ClaimStatus(changed) => {
            format!("claim status: {}", serde_json::to_string(&changed.status).expect("json"))
        }
        Step::Volume(changed) => {
            let reference = changed.spec.clone().unwrap_or_default().claim_ref;
            let name = changed.metadata.name.as_deref().unwrap_or_default();
            let reference = reference.map(|reference| {
                format!(
                    "{}/{} {}",
                    reference.namespace.unwrap_or_default(),
                    reference.name.unwrap_or_default(),
                    reference.uid.unwrap_or_default()
                )
            });
            let marks: Vec<&String> = changed.metadata.annotations.iter().flatten().map(|(name, _)| name).collect();
            format!("volume {name}: {reference:?} {marks:?}")
        }
        Step::VolumeStatus(changed) => {
            format!("volume status: {}", serde_json::to_string(&changed.status).expect("json"))
        }
    };
    let says =
        plan.says.as_ref().map(|says| format!("{} {}: {}\n", says.event_type.as_str(), says.reason, says.message));
    format!("{step}\n{}", says.unwrap_or_default())
}

fn check(claim: Value, view: &View<'_>, expected: Expect) {
    expected.assert_eq(&shown(&super::claim(&pvc(claim), view)));
}

fn check_volume(volume: Value, claim: Option<Value>, expected: Expect) {
    let claim = claim.map(pvc);
    expected.assert_eq(&shown(&super::volume(&pv("v", volume), claim.as_ref())));
}

fn bound() -> Value {
    json!({ "spec": { "claimRef": { "namespace": "default", "name": "data", "uid": "claim" } } })
}

#[test]
fn a_binding_is_written_step_by_step() {
    let free = [pv("v", json!({}))];
    let view = |volumes| View { volumes, ..View::default() };
    check(
        json!({}),
        &view(&free),
        expect![[r#"
        volume v: Some("default/data claim") ["pv.kubernetes.io/bound-by-controller"]
    "#]],
    );
    let given = [pv("v", bound())];
    check(
        json!({}),
        &view(&given),
        expect![[r#"
        claim: volume "v" class "fast" ["pv.kubernetes.io/bind-completed=yes", "pv.kubernetes.io/bound-by-controller=yes"]
    "#]],
    );
    let taken = json!({ "metadata": { "annotations": { "pv.kubernetes.io/bind-completed": "yes" } }, "spec": { "volumeName": "v" } });
    check(
        taken.clone(),
        &view(&given),
        expect![[r#"
        claim status: {"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},"phase":"Bound"}
    "#]],
    );
    let mut done = taken.clone();
    done["status"] = json!({ "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" } });
    check(done.clone(), &view(&given), expect![["settled\n"]]);
    let larger =
        [pv("v", json!({ "spec": { "capacity": { "storage": "2Gi" }, "claimRef": bound()["spec"]["claimRef"] } }))];
    check(done, &view(&larger), expect![["settled\n"]]);
    check_volume(
        bound(),
        Some(taken),
        expect![[r#"
        volume status: {"phase":"Bound"}
    "#]],
    );
}

#[test]
fn the_smallest_volume_of_the_fewest_modes_that_fits_is_taken() {
    let check = |claim: Value, volumes: &[Arc<PersistentVolume>], expected: Option<&str>| {
        let found = matching::find(&pvc(claim), volumes, false);
        assert_eq!(found.and_then(|volume| volume.metadata.name.as_deref()), expected);
    };
    let size = |name: &str, size: &str| pv(name, json!({ "spec": { "capacity": { "storage": size } } }));
    check(json!({}), &[size("large", "10Gi"), size("small", "1Mi"), size("fits", "2Gi")], Some("fits"));
    check(json!({}), &[size("small", "1023Mi")], None);
    let shared = pv("shared", json!({ "spec": { "accessModes": ["ReadWriteOnce", "ReadWriteMany"] } }));
    check(json!({}), &[shared.clone(), size("large", "10Gi")], Some("large"));
    check(json!({ "spec": { "accessModes": ["ReadWriteMany"] } }), &[shared, size("large", "10Gi")], Some("shared"));
    let mine = pv(
        "mine",
        json!({ "spec": { "capacity": { "storage": "9Gi" }, "claimRef": { "namespace": "default", "name": "data" } } }),
    );
    check(json!({}), &[size("fits", "1Gi"), mine], Some("mine"));
    let others =
        pv("others", json!({ "spec": { "claimRef": { "namespace": "default", "name": "data", "uid": "before" } } }));
    check(json!({}), &[others], None);
    let not = [
        json!({ "status": { "phase": "Released" } }),
        json!({ "spec": { "storageClassName": "slow" } }),
        json!({ "spec": { "storageClassName": null } }),
        json!({ "spec": { "volumeMode": "Block" } }),
        json!({ "spec": { "volumeAttributesClassName": "gold" } }),
        json!({ "metadata": { "deletionTimestamp": ago(1) } }),
    ];
    not.into_iter().for_each(|volume| check(json!({}), &[pv("v", volume)], None));
    let red = pv("red", json!({ "metadata": { "labels": { "colour": "red" } } }));
    let wants = |colour: &str| json!({ "spec": { "selector": { "matchLabels": { "colour": colour } } } });
    check(wants("red"), &[size("plain", "1Gi"), red.clone()], Some("red"));
    check(wants("blue"), &[red], None);
}

#[test]
fn a_claim_that_finds_nothing_says_what_it_waits_for() {
    check(
        json!({ "spec": { "storageClassName": "" } }),
        &View { default_class: Some("fast"), ..View::default() },
        expect![[r#"
        settled
        Normal FailedBinding: no persistent volumes available for this claim and no storage class is set
    "#]],
    );
    check(
        json!({}),
        &View::default(),
        expect![[r#"
        settled
        Warning ProvisioningFailed: storageclass.storage.k8s.io "fast" not found
    "#]],
    );
    let none = class("fast", "kubernetes.io/no-provisioner", "Immediate");
    check(
        json!({}),
        &View { class: Some(&none), ..View::default() },
        expect![[r#"
        settled
        Warning ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner
    "#]],
    );
    check(
        json!({ "spec": { "storageClassName": null } }),
        &View { default_class: Some("fast"), ..View::default() },
        expect![[r#"
        claim: volume "" class "fast" []
    "#]],
    );
    check(
        json!({ "status": { "phase": null } }),
        &View::default(),
        expect![[r#"
        claim status: {"phase":"Pending"}
        Warning ProvisioningFailed: storageclass.storage.k8s.io "fast" not found
    "#]],
    );
}

#[test]
fn a_class_that_waits_for_pods_gives_nothing_before_the_scheduler_has_spoken() {
    let class = class("fast", "example.com/disks", "WaitForFirstConsumer");
    let free = [pv("v", json!({}))];
    let (one, two) = (["a".to_owned()], ["a".to_owned(), "b".to_owned()]);
    let view = |waiting_pods| View { volumes: &free, class: Some(&class), waiting_pods, ..View::default() };
    check(
        json!({}),
        &view(&[]),
        expect![[r#"
        settled
        Normal WaitForFirstConsumer: waiting for first consumer to be created before binding
    "#]],
    );
    check(
        json!({}),
        &view(&one),
        expect![[r#"
        settled
        Normal WaitForPodScheduled: waiting for pod a to be scheduled
    "#]],
    );
    check(
        json!({}),
        &view(&two),
        expect![[r#"
        settled
        Normal WaitForPodScheduled: waiting for pods a,b to be scheduled
    "#]],
    );
    let selected = json!({ "metadata": { "annotations": { "volume.kubernetes.io/selected-node": "edge-1" } } });
    check(
        selected.clone(),
        &view(&[]),
        expect![[r#"
        claim: volume "" class "fast" ["volume.beta.kubernetes.io/storage-provisioner=example.com/disks", "volume.kubernetes.io/selected-node=edge-1", "volume.kubernetes.io/storage-provisioner=example.com/disks"]
    "#]],
    );
    let mut called = selected;
    for name in sampan_api::volume::PROVISIONER {
        called["metadata"]["annotations"][name] = json!("example.com/disks");
    }
    check(
        called,
        &view(&[]),
        expect![[r#"
        settled
        Normal ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'example.com/disks' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.
    "#]],
    );
    let given = [pv("v", bound())];
    check(
        json!({}),
        &View { volumes: &given, class: Some(&class), ..View::default() },
        expect![[r#"
        claim: volume "v" class "fast" ["pv.kubernetes.io/bind-completed=yes", "pv.kubernetes.io/bound-by-controller=yes"]
    "#]],
    );
}

#[test]
fn a_claim_gets_the_volume_it_names_or_none() {
    let named = json!({ "spec": { "volumeName": "v" } });
    let check = |volume: Option<Value>, expected: Expect| {
        let volumes: Vec<_> = volume.into_iter().map(|volume| pv("v", volume)).collect();
        check(named.clone(), &View { volumes: &volumes, ..View::default() }, expected);
    };
    check(None, expect![["settled\n"]]);
    check(
        Some(json!({})),
        expect![[r#"
        volume v: Some("default/data claim") ["pv.kubernetes.io/bound-by-controller"]
    "#]],
    );
    check(
        Some(json!({ "spec": { "claimRef": { "namespace": "default", "name": "data" } } })),
        expect![[r#"
        volume v: Some("default/data claim") []
    "#]],
    );
    check(
        Some(bound()),
        expect![[r#"
        claim: volume "v" class "fast" ["pv.kubernetes.io/bind-completed=yes"]
    "#]],
    );
    check(
        Some(json!({ "spec": { "claimRef": { "namespace": "default", "name": "other" } } })),
        expect![[r#"
        settled
        Warning FailedBinding: volume "v" already bound to a different claim.
    "#]],
    );
    let mismatch = |volume: Value, why: &str| {
        let plan = super::claim(&pvc(named.clone()), &View { volumes: &[pv("v", volume)], ..View::default() });
        let says = plan.says.expect("it says why");
        assert_eq!(
            (says.reason, says.message.as_str()),
            ("VolumeMismatch", format!("Cannot bind to requested volume \"v\": {why}").as_str())
        );
    };
    mismatch(json!({ "spec": { "capacity": { "storage": "1Mi" } } }), "requested PV is too small");
    mismatch(json!({ "spec": { "storageClassName": "slow" } }), "storageClassName does not match");
    mismatch(json!({ "spec": { "volumeMode": "Block" } }), "incompatible volumeMode");
    mismatch(json!({ "spec": { "accessModes": ["ReadOnlyMany"] } }), "incompatible accessMode");
    mismatch(json!({ "metadata": { "deletionTimestamp": ago(1) } }), "the volume is marked for deletion \"v\"");
}

#[test]
fn a_claim_that_lost_its_volume_never_gets_another() {
    let had = |volume: &str| {
        json!({ "metadata": { "annotations": { "pv.kubernetes.io/bind-completed": "yes" } }, "spec": { "volumeName": volume },
            "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } } })
    };
    let free = [pv("free", json!({}))];
    let view = View { volumes: &free, ..View::default() };
    check(
        had("v"),
        &view,
        expect![[r#"
        claim status: {"phase":"Lost"}
        Warning ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!
    "#]],
    );
    check(
        had(""),
        &view,
        expect![[r#"
        claim status: {"phase":"Lost"}
        Warning ClaimLost: Bound claim has lost reference to PersistentVolume. Data on the volume is lost!
    "#]],
    );
    let others =
        [pv("v", json!({ "spec": { "claimRef": { "namespace": "default", "name": "data", "uid": "before" } } }))];
    check(
        had("v"),
        &View { volumes: &others, ..View::default() },
        expect![[r#"
        claim status: {"phase":"Lost"}
        Warning ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly
    "#]],
    );
    let mut lost = had("v");
    lost["status"] = json!({ "phase": "Lost", "capacity": null });
    check(lost, &view, expect![["settled\n"]]);
}

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
