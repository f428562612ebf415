use super::*;

fn node() -> Value {
    plain("v1", "Node", "", "edge-1")
}

fn on(name: &str, node: &str) -> Value {
    pod(name, json!({ "nodeName": node, "containers": [] }))
}

fn mirror() -> Value {
    let mut pod = on("static-edge-1", "edge-1");
    pod["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "x" });
    pod["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "v1", "kind": "Node", "name": "edge-1", "uid": "edge-1-uid", "controller": true }]);
    pod
}

fn edge_fixture() -> Fixture {
    fixture([node(), on("web", "edge-1"), on("other", "edge-2")])
}

#[test]
fn a_new_node_is_tainted_until_it_is_ready() {
    let created = edge_fixture().admit(&edge(), "create nodes", None, &node()).unwrap();
    assert_eq!(created["spec"]["taints"], json!([{ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" }]));
}

#[test]
fn a_node_writes_its_own_node_and_lease_alone() {
    let fixture = edge_fixture();
    let other = plain("v1", "Node", "", "edge-2");
    let refusal = fixture.admit(&edge(), "create nodes", None, &other).unwrap_err();
    assert_eq!(refusal, "nodes \"edge-2\" is forbidden: node \"edge-1\" is not allowed to modify node \"edge-2\"");
    assert!(fixture.admit(&edge(), "patch nodes/status edge-2", Some(&other), &other).is_err());
    assert!(fixture.admit(&edge(), "patch nodes/status edge-1", Some(&node()), &node()).is_ok());
    let lease = |name: &str| plain("coordination.k8s.io/v1", "Lease", "kube-node-lease", name);
    let create = |namespace: &str, name: &str| {
        fixture.admit(&edge(), &format!("create coordination.k8s.io:leases {namespace}/"), None, &lease(name))
    };
    assert!(create("kube-node-lease", "edge-1").is_ok());
    assert!(create("kube-node-lease", "edge-2").is_err() && create("default", "edge-1").is_err());
}

#[test]
fn a_node_does_not_steer_work_by_labels_or_taints() {
    let fixture = edge_fixture();
    let labelled = |key: &str| {
        let mut node = node();
        node["metadata"]["labels"] = json!({ key: "x" });
        node
    };
    let allowed = [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "example.com/mine",
        "mine",
        "foo.node.kubernetes.io/x",
        "kubelet.kubernetes.io/x",
    ];
    let refused = [
        "node-restriction.kubernetes.io/secure",
        "a.node-restriction.kubernetes.io/x",
        "kubernetes.io/other",
        "node-role.kubernetes.io/control-plane",
        "x.k8s.io/y",
    ];
    for key in allowed {
        assert!(fixture.admit(&edge(), "create nodes", None, &labelled(key)).is_ok(), "{key}");
        assert!(fixture.admit(&edge(), "update nodes edge-1", Some(&node()), &labelled(key)).is_ok(), "{key}");
    }
    for key in refused {
        let refusal = fixture.admit(&edge(), "create nodes", None, &labelled(key)).unwrap_err();
        assert!(refusal.ends_with(&format!("is not allowed to set the following labels: {key}")), "{refusal}");
        assert!(fixture.admit(&edge(), "update nodes edge-1", Some(&node()), &labelled(key)).is_err(), "{key}");
        assert!(
            fixture.admit(&edge(), "update nodes edge-1", Some(&labelled(key)), &node()).is_err(),
            "taking it away: {key}"
        );
        assert!(
            fixture.admit(&edge(), "update nodes edge-1", Some(&labelled(key)), &labelled(key)).is_ok(),
            "leaving it: {key}"
        );
    }
    let mut tainted = node();
    tainted["spec"]["taints"] = json!([{ "key": "k", "effect": "NoSchedule" }]);
    let refusal = fixture.admit(&edge(), "update nodes edge-1", Some(&tainted), &node()).unwrap_err();
    assert!(refusal.ends_with("node \"edge-1\" is not allowed to modify taints"), "{refusal}");
}

#[test]
fn a_node_reports_on_and_deletes_its_own_pods_alone() {
    let fixture = edge_fixture();
    let (own, other) = (on("web", "edge-1"), on("other", "edge-2"));
    assert!(fixture.admit(&edge(), "update pods/status default/web", Some(&own), &own).is_ok());
    assert!(fixture.admit(&edge(), "update pods/status default/other", Some(&other), &other).is_err());
    assert!(fixture.admit(&edge(), "delete pods default/web", Some(&own), &own).is_ok());
    assert!(fixture.admit(&edge(), "delete pods default/other", Some(&other), &other).is_err());
    assert!(fixture.admit(&edge(), "update pods default/web", Some(&own), &own).is_err());
    assert!(fixture.admit(&edge(), "create pods/exec default/web", None, &json!({})).is_err());
    let mut claimed = other.clone();
    claimed["spec"]["nodeName"] = json!("edge-1");
    assert!(
        fixture.admit(&edge(), "update pods/status default/other", Some(&other), &claimed).is_err(),
        "by the pod as it was"
    );
    let mut labelled = own.clone();
    labelled["metadata"]["labels"] = json!({ "app": "x" });
    assert!(fixture.admit(&edge(), "update pods/status default/web", Some(&own), &labelled).is_err());
}

#[test]
fn a_node_evicts_its_own_pods_alone() {
    let fixture = edge_fixture();
    let eviction = |name: &str| plain("policy/v1", "Eviction", "default", name);
    assert!(fixture.admit(&edge(), "create pods/eviction default/web", None, &eviction("web")).is_ok());
    assert!(fixture.admit(&edge(), "create pods/eviction default/other", None, &eviction("other")).is_err());
    assert!(fixture.admit(&edge(), "create pods/eviction default/none", None, &eviction("none")).is_err());
}

#[test]
fn a_node_creates_mirror_pods_that_refer_to_nothing() {
    let fixture = edge_fixture();
    let create = |pod: &Value| fixture.admit(&edge(), "create pods default/", None, pod).map(|_| ());
    assert_eq!(create(&mirror()), Ok(()));
    let changed = |path: &str, value: Value| {
        let mut pod = mirror();
        let (parent, member) = path.rsplit_once('/').unwrap();
        pod.pointer_mut(parent).unwrap()[member] = value;
        create(&pod).unwrap_err()
    };
    let rows = [
        ("/metadata/annotations", json!({}), "node \"edge-1\" can only create mirror pods"),
        ("/spec/nodeName", json!("edge-2"), "can only create pods with spec.nodeName set to itself"),
        ("/metadata/ownerReferences", json!([]), "with an owner reference set to itself"),
        ("/metadata/ownerReferences/0/name", json!("edge-2"), "with an owner reference set to itself"),
        ("/metadata/ownerReferences/0/controller", json!(false), "with a controller owner reference set to itself"),
        ("/metadata/ownerReferences/0/blockOwnerDeletion", json!(true), "must not set blockOwnerDeletion"),
        ("/metadata/ownerReferences/0/uid", json!("old"), "UID mismatch: expected old got edge-1-uid"),
        ("/spec/serviceAccountName", json!("default"), "service account"),
        ("/spec/volumes", json!([{ "name": "v", "secret": { "secretName": "s" } }]), "secrets"),
        ("/spec/volumes", json!([{ "name": "v", "configMap": { "name": "s" } }]), "configmaps"),
        (
            "/spec/volumes",
            json!([{ "name": "v", "persistentVolumeClaim": { "claimName": "s" } }]),
            "persistentvolumeclaims",
        ),
        ("/spec/containers", json!([{ "name": "c", "envFrom": [{ "secretRef": { "name": "s" } }] }]), "secrets"),
        (
            "/spec/volumes",
            json!([{ "name": "v", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }]),
            "ServiceAccountToken volume projections",
        ),
    ];
    for (path, value, expected) in rows {
        let refusal = changed(path, value);
        assert!(refusal.contains(expected), "{path}: {refusal}");
    }
    let mut plain_pod = on("x", "edge-1");
    plain_pod["spec"]["containers"] = json!([{ "name": "c" }]);
    assert!(create(&plain_pod).is_err());
}

#[test]
fn a_node_asks_for_tokens_of_its_own_pods_alone() {
    let fixture = edge_fixture();
    let ask = |reference: Value| {
        let request = json!({ "spec": { "boundObjectRef": reference } });
        fixture.admit(&edge(), "create serviceaccounts/token default/default", None, &request).err()
    };
    let reference = |name: &str, uid: &str| json!({ "apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid });
    assert_eq!(ask(reference("web", "web-uid")), None);
    let rows = [
        (json!(null), "node requested token not bound to a pod"),
        (
            json!({ "apiVersion": "v1", "kind": "Secret", "name": "web", "uid": "x" }),
            "node requested token not bound to a pod",
        ),
        (reference("web", ""), "node requested token with a pod binding without a uid"),
        (reference("web", "old"), "does not match the UID in record"),
        (reference("other", "other-uid"), "node requested token bound to a pod scheduled on a different node"),
        (reference("none", "x"), "pods \"none\" not found"),
    ];
    for (reference, expected) in rows {
        let refusal = ask(reference).unwrap();
        assert!(refusal.contains(expected), "{refusal}");
    }
    let request = json!({ "spec": {} });
    assert!(
        fixture.admit(&admin(), "create serviceaccounts/token default/default", None, &request).is_ok(),
        "people may"
    );
}

#[test]
fn a_node_that_does_not_say_which_writes_nothing() {
    let nameless = User::new("system:node:", [NODES]);
    let refusal = edge_fixture().admit(&nameless, "create nodes", None, &node()).unwrap_err();
    assert!(refusal.ends_with("could not determine node from user \"system:node:\""), "{refusal}");
}

#[test]
fn a_node_lets_go_of_its_own_deleted_volumes_and_changes_nothing_else_of_them() {
    let fixture = edge_fixture();
    let volume = |node: &str, going: bool| {
        let mut volume = plain("v1", "PersistentVolume", "", "v");
        volume["metadata"]["labels"] = json!({ "sampan.dev/local-path-node": node });
        volume["metadata"]["annotations"] = json!({ "pv.kubernetes.io/provisioned-by": "sampan.dev/local-path" });
        volume["metadata"]["finalizers"] = json!(["a", "sampan.dev/local-path"]);
        if going {
            volume["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        }
        volume
    };
    let patch = |old: &Value, new: &Value| fixture.admit(&edge(), "patch persistentvolumes v", Some(old), new);
    let without = |volume: &Value| {
        let mut volume = volume.clone();
        volume["metadata"]["finalizers"] = json!(["a"]);
        volume
    };
    let own = volume("edge-1", true);
    assert!(patch(&own, &without(&own)).is_ok());
    let mut redirected = without(&own);
    redirected["spec"] = json!({ "local": { "path": "/etc" } });
    let mut robbed = own.clone();
    robbed["metadata"]["finalizers"] = json!(["sampan.dev/local-path"]);
    let (other, staying) = (volume("edge-2", true), volume("edge-1", false));
    let mut foreign = own.clone();
    foreign["metadata"]["annotations"] = json!({});
    let others = [(&own, &redirected), (&own, &robbed), (&other, &without(&other)), (&staying, &without(&staying))];
    for (old, new) in others.into_iter().chain([(&foreign, &without(&foreign))]) {
        let refusal = patch(old, new).unwrap_err();
        let why = "node \"edge-1\" can only take its finalizer off volumes that lie on it and are being deleted";
        assert_eq!(refusal, format!("persistentvolumes \"v\" is forbidden: {why}"));
    }
}
