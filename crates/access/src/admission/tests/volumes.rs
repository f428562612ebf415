use super::*;

fn class(name: &str, more: Value) -> Value {
    let mut class = plain("storage.k8s.io/v1", "StorageClass", "", name);
    for (member, value) in more.as_object().unwrap() {
        object::set(&mut class, &[member.as_str()], value.clone());
    }
    class
}

fn default_class(name: &str, created: &str) -> Value {
    let mut class = class(name, json!({}));
    class["metadata"]["annotations"] = json!({ "storageclass.kubernetes.io/is-default-class": "true" });
    class["metadata"]["creationTimestamp"] = json!(created);
    class
}

fn claim(spec: Value) -> Value {
    let mut claim = plain("v1", "PersistentVolumeClaim", "default", "c");
    claim["spec"] = spec;
    claim
}

#[test]
fn a_claim_without_a_class_gets_the_newest_default() {
    let fixture = fixture([
        class("plain", json!({})),
        default_class("old", "2026-01-01T00:00:00Z"),
        default_class("z", "2026-01-02T00:00:00Z"),
        default_class("new", "2026-01-02T00:00:00Z"),
    ]);
    let admitted =
        |claim: Value| fixture.admit(&admin(), "create persistentvolumeclaims default/", None, &claim).unwrap();
    assert_eq!(admitted(claim(json!({})))["spec"]["storageClassName"], "new");
    assert_eq!(admitted(claim(json!({ "storageClassName": "" })))["spec"]["storageClassName"], "");
    let mut annotated = claim(json!({}));
    annotated["metadata"]["annotations"] = json!({ "volume.beta.kubernetes.io/storage-class": "plain" });
    assert_eq!(admitted(annotated)["spec"]["storageClassName"], Value::Null);
}

#[test]
fn claims_and_volumes_are_held_while_they_are_used() {
    let fixture = fixture([]);
    let made = fixture.admit(&admin(), "create persistentvolumeclaims default/", None, &claim(json!({}))).unwrap();
    assert_eq!(made["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    let again = fixture.admit(&admin(), "create persistentvolumeclaims default/", None, &made).unwrap();
    assert_eq!(again["metadata"]["finalizers"], made["metadata"]["finalizers"]);
    let volume = plain("v1", "PersistentVolume", "", "v");
    let made = fixture.admit(&admin(), "create persistentvolumes", None, &volume).unwrap();
    assert_eq!(made["metadata"]["finalizers"], json!(["kubernetes.io/pv-protection"]));
    let kept = fixture.admit(&admin(), "update persistentvolumes v", Some(&volume), &volume).unwrap();
    assert_eq!(kept, volume, "who takes it off is not given it back");
}

#[test]
fn a_claim_grows_where_its_class_lets_it() {
    let fixture = fixture([class("fast", json!({ "allowVolumeExpansion": true })), class("slow", json!({}))]);
    let sized = |class: &str, size: &str, phase: &str| {
        let mut claim = claim(json!({ "storageClassName": class, "resources": { "requests": { "storage": size } } }));
        claim["status"]["phase"] = json!(phase);
        claim
    };
    let resize = |class: &str, phase: &str, to: &str| {
        fixture.admit(
            &admin(),
            "update persistentvolumeclaims default/c",
            Some(&sized(class, "1Gi", phase)),
            &sized(class, to, phase),
        )
    };
    assert!(resize("fast", "Bound", "2Gi").is_ok());
    assert!(resize("slow", "Bound", "1Gi").is_ok());
    assert_eq!(
        resize("slow", "Bound", "2Gi").unwrap_err(),
        "persistentvolumeclaims \"c\" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
    );
    assert!(
        resize("fast", "Pending", "2Gi").unwrap_err().ends_with("Only bound persistent volume claims can be expanded")
    );
}

#[test]
fn an_ingress_without_a_class_gets_the_default() {
    let mut class = plain("networking.k8s.io/v1", "IngressClass", "", "web");
    class["metadata"]["annotations"] = json!({ "ingressclass.kubernetes.io/is-default-class": "true" });
    let fixture = fixture([class]);
    let mut ingress = plain("networking.k8s.io/v1", "Ingress", "default", "i");
    ingress["spec"] = json!({});
    let admitted = |ingress: &Value| {
        fixture.admit(&admin(), "create networking.k8s.io:ingresses default/", None, ingress).unwrap()
    };
    assert_eq!(admitted(&ingress)["spec"]["ingressClassName"], "web");
    ingress["spec"]["ingressClassName"] = json!("own");
    assert_eq!(admitted(&ingress)["spec"]["ingressClassName"], "own");
}

#[test]
fn a_binding_says_where_the_node_is() {
    let mut node = plain("v1", "Node", "", "edge-1");
    node["metadata"]["labels"] =
        json!({ "topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r", "other": "x" });
    let fixture = fixture([node]);
    let binding = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": "web" }, "target": { "kind": "Node", "name": "edge-1" } });
    let told = fixture.admit(&admin(), "create pods/binding default/web", None, &binding).unwrap();
    assert_eq!(
        told["metadata"]["labels"],
        json!({ "topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r" })
    );
}
