//! Which volume a claim finds, and what is said when it finds none.

use super::*;

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
