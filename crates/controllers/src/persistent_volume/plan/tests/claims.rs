//! A claim and the volume it names, is given, or lost.

use super::*;

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
