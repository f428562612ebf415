//! Rows about one node, `n`.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::testing::object;

fn volume(name: &str, modes: &[&str]) -> Arc<PersistentVolume> {
    Arc::new(object(json!({ "metadata": { "name": name }, "spec": {
        "accessModes": modes, "csi": { "driver": "csi.test", "volumeHandle": format!("h-{name}") } } })))
}

fn pod(name: &str, namespace: &str) -> Arc<Pod> {
    Arc::new(object(json!({ "metadata": { "name": name, "namespace": namespace } })))
}

fn want(volume: &PersistentVolume) -> Wanted {
    let wanted = wanted(volume, "n", &|_| true).expect("a CSI volume");
    Wanted { pods: vec![pod("p", "default")], ..wanted }
}

fn attachment(volume: &str, status: Value) -> Arc<VolumeAttachment> {
    let name = attachment_name(&format!("h-{volume}"), "csi.test", "n");
    let source = json!({ "persistentVolumeName": volume });
    Arc::new(object(json!({ "metadata": { "name": name, "deletionTimestamp": status["going"] },
        "spec": { "attacher": "csi.test", "nodeName": "n", "source": source }, "status": status })))
}

struct Case {
    node: Option<Value>,
    wanted: Vec<Wanted>,
    there: Vec<Arc<VolumeAttachment>>,
    elsewhere: Vec<(&'static str, Vec<Arc<Pod>>)>,
    waited: u64,
}

impl Default for Case {
    fn default() -> Self {
        Self { node: Some(json!({})), wanted: Vec::new(), there: Vec::new(), elsewhere: Vec::new(), waited: 0 }
    }
}

/// A node that has `in_use` mounted and was told of `attached`.
fn node(ready: &str, in_use: &[&str], attached: &[&str]) -> Option<Value> {
    let unique = |name: &&str| unique_name("csi.test", &format!("h-{name}"));
    let attached: Vec<Value> = attached.iter().map(|name| json!({ "name": unique(name), "devicePath": "" })).collect();
    Some(json!({ "conditions": [{ "type": "Ready", "status": ready }],
        "volumesInUse": in_use.iter().map(unique).collect::<Vec<_>>(), "volumesAttached": attached }))
}

fn check(case: &Case, expected: Expect) {
    let node: Option<Node> = case.node.clone().map(|mut status| {
        let taints = status["taints"].take();
        object(json!({ "metadata": { "name": "n" }, "spec": { "taints": taints }, "status": status }))
    });
    let names = case.there.iter().filter_map(|one| one.metadata.name.clone());
    let observed = Observed {
        node: node.as_ref(),
        wanted: &case.wanted,
        there: &case.there,
        elsewhere: &case.elsewhere.iter().map(|(name, pods)| ((*name).to_owned(), pods.clone())).collect(),
        waited: &names.map(|name| (name, Duration::from_secs(case.waited))).collect(),
        volume: &|name| Some(volume(name, &["ReadWriteOnce"])).filter(|_| name != "gone"),
    };
    let Plan { attach, report, detach, says, again } = plan(&observed);
    let mut lines: Vec<String> = attach.iter().map(|wanted| format!("attach {}", wanted.volume)).collect();
    if let Some(report) = report {
        let names: Vec<String> = report.into_iter().map(|volume| volume.name).collect();
        lines.push(format!("tell {names:?}"));
    }
    lines.extend(detach.iter().map(|name| format!("detach {}", &name[..8])));
    lines.extend(says.iter().map(|said| format!("{} {}: {}", said.event_type.as_str(), said.reason, said.message)));
    lines.extend(again.map(|again| format!("again in {again:?}")));
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn names_are_those_that_kubelets_and_attachers_make_up() {
    assert_eq!(
        attachment_name("h", "csi.test", "n"),
        "csi-c8ebdda3b78030a4350ef184f0cac47ad3812c1f585d7691f3930f5a012d18d9"
    );
    assert_eq!(unique_name("csi.test", "h"), "kubernetes.io/csi/csi.test^h");
}

#[test]
fn a_volume_is_attached_told_of_and_left_alone() {
    let data = volume("data", &["ReadWriteOnce"]);
    let case = |there| Case { wanted: vec![want(&data)], there, ..Case::default() };
    check(&case(vec![]), expect!["attach data"]);
    check(&case(vec![attachment("data", json!({ "attached": false }))]), expect![""]);
    check(
        &case(vec![attachment("data", json!({ "attached": true }))]),
        expect![[r#"
        tell ["kubernetes.io/csi/csi.test^h-data"]
        Normal SuccessfulAttachVolume: AttachVolume.Attach succeeded for volume "data" "#]],
    );
    let told = Case {
        node: node("True", &["data"], &["data"]),
        ..case(vec![attachment("data", json!({ "attached": true }))])
    };
    check(&told, expect![""]);
    let failed = json!({ "attached": false, "attachError": { "message": "no room" } });
    check(
        &case(vec![attachment("data", failed)]),
        expect![[r#"Warning FailedAttachVolume: AttachVolume.Attach failed for volume "data" : no room"#]],
    );
}

#[test]
fn a_volume_leaves_once_it_is_mounted_no_more() {
    let there = || vec![attachment("data", json!({ "attached": true }))];
    let case = |node, waited| Case { node, there: there(), waited, ..Case::default() };
    check(
        &case(node("True", &[], &["data"]), 0),
        expect![[r#"
        tell []
        detach csi-a5af"#]],
    );
    check(&case(node("True", &["data"], &["data"]), 1000), expect![""]);
    check(&case(node("Unknown", &["data"], &["data"]), 100), expect!["again in 260s"]);
    check(
        &case(node("Unknown", &["data"], &["data"]), 360),
        expect![[r#"
        tell []
        detach csi-a5af"#]],
    );
    check(&case(None, 0), expect!["detach csi-a5af"]);
    let mut off = node("True", &["data"], &["data"]);
    off.as_mut().expect("a node")["taints"] = json!([{ "key": OUT_OF_SERVICE, "effect": "NoExecute" }]);
    check(
        &case(off, 0),
        expect![[r#"
        tell []
        detach csi-a5af"#]],
    );
}

#[test]
fn an_attachment_that_goes_is_waited_for_and_others_are_nobodys_business_here() {
    let going = attachment("data", json!({ "attached": true, "going": "2026-01-02T03:04:05Z" }));
    let data = volume("data", &["ReadWriteOnce"]);
    let case =
        Case { node: node("True", &[], &["data"]), wanted: vec![want(&data)], there: vec![going], ..Case::default() };
    check(&case, expect!["tell []"]);
    let mut other = (*attachment("data", json!({ "attached": true }))).clone();
    other.metadata.name = Some("by-hand".to_owned());
    let lost = attachment("gone", json!({ "attached": true }));
    check(&Case { there: vec![Arc::new(other), lost], ..Case::default() }, expect![""]);
}

#[test]
fn what_may_be_at_one_node_only_waits_for_the_other() {
    let case = |modes: &[&str], users: Vec<Arc<Pod>>| Case {
        wanted: vec![want(&volume("data", modes))],
        elsewhere: vec![("data", users)],
        ..Case::default()
    };
    check(&case(&["ReadWriteMany"], vec![]), expect!["attach data"]);
    check(&case(&["ReadWriteOnce", "ReadOnlyMany"], vec![]), expect!["attach data"]);
    check(
        &case(&["ReadWriteOnce"], vec![]),
        expect![[
            r#"Warning FailedAttachVolume: Multi-Attach error for volume "data" Volume is already exclusively attached to one node and can't be attached to another"#
        ]],
    );
    check(
        &case(&["ReadWriteOncePod"], vec![pod("a", "default"), pod("b", "default")]),
        expect![[
            r#"Warning FailedAttachVolume: Multi-Attach error for volume "data" Volume is already used by pod(s) a, b"#
        ]],
    );
    check(
        &case(&["ReadWriteOnce"], vec![pod("a", "other")]),
        expect![[
            r#"Warning FailedAttachVolume: Multi-Attach error for volume "data" Volume is already used by 1 pod(s) in different namespaces"#
        ]],
    );
}

#[test]
fn only_what_its_driver_has_attached_is_wanted() {
    assert!(wanted(&volume("data", &[]), "n", &|driver| driver != "csi.test").is_none());
    let path: PersistentVolume =
        object(json!({ "metadata": { "name": "p" }, "spec": { "hostPath": { "path": "/" } } }));
    assert!(wanted(&path, "n", &|_| true).is_none());
    assert!(wanted(&volume("data", &[]), "n", &|_| true).is_some_and(|wanted| wanted.shared));
}

#[test]
fn a_pod_that_is_over_holds_nothing_unless_its_node_keeps_it() {
    let over: Pod = object(json!({ "status": { "phase": "Succeeded" } }));
    let node = |annotations: Value| -> Node { object(json!({ "metadata": { "annotations": annotations } })) };
    assert!(!holds_volumes(&over, &node(json!({}))));
    assert!(holds_volumes(&over, &node(json!({ KEEP: "true" }))));
    assert!(holds_volumes(&pod("p", "default"), &node(json!({}))));
}
