use serde_json::{Value, json};

use super::*;

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("the test's object fits its type")
}

fn pvc(more: Value) -> PersistentVolumeClaim {
    let mut claim = json!({ "metadata": { "name": "data", "namespace": "default", "uid": "c" },
        "spec": { "volumeName": "pvc-c" }, "status": { "phase": "Bound" } });
    for (name, value) in more.as_object().into_iter().flatten() {
        claim[name.as_str()] = value.clone();
    }
    object(claim)
}

fn pv(source: Value) -> PersistentVolume {
    let mut spec = json!({ "claimRef": { "namespace": "default", "name": "data", "uid": "c" } });
    for (name, value) in source.as_object().into_iter().flatten() {
        spec[name.as_str()] = value.clone();
    }
    let annotations = json!({ "pv.kubernetes.io/provisioned-by": "sampan.dev/local-path" });
    object(json!({ "metadata": { "name": "pvc-c", "annotations": annotations }, "spec": spec }))
}

fn pod(volume: Value) -> (Pod, Volume) {
    let pod: Pod = object(json!({ "metadata": { "name": "p", "namespace": "default", "uid": "p" },
        "spec": { "containers": [], "volumes": [volume] } }));
    let volume = pod.spec.clone().and_then(|spec| spec.volumes).expect("volumes").remove(0);
    (pod, volume)
}

#[test]
fn a_pod_gets_a_claim_that_is_bound_and_its_own() {
    let named = json!({ "name": "v", "persistentVolumeClaim": { "claimName": "data" } });
    let check = |volume: &Value, claim: Value, in_use: bool| {
        let (pod, volume) = pod(volume.clone());
        super::check(&pod, &volume, &pvc(claim), in_use).map(str::to_owned)
    };
    assert_eq!(check(&named, json!({}), false), Ok("pvc-c".to_owned()));
    assert_eq!(check(&named, json!({ "status": { "phase": "Pending" } }), false), Err("PVC is not bound".to_owned()));
    let unnamed = json!({ "spec": {} });
    assert_eq!(check(&named, unnamed, false), Err("PVC has empty pvc.Spec.VolumeName".to_owned()));
    let going = json!({ "metadata": { "name": "data", "deletionTimestamp": "2026-01-02T03:04:05Z" } });
    assert_eq!(check(&named, going.clone(), false), Err("PVC is being deleted".to_owned()));
    assert_eq!(check(&named, going, true), Ok("pvc-c".to_owned()), "whoever has it keeps it");
    let own = json!({ "name": "scratch", "ephemeral": {} });
    let why = "PVC default/data was not created for pod default/p (pod is not owner)";
    assert_eq!(check(&own, json!({}), false), Err(why.to_owned()));
    let owner = json!([{ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p", "controller": true }]);
    let owned = json!({ "metadata": { "name": "data", "ownerReferences": owner } });
    assert_eq!(check(&own, owned, false), Ok("pvc-c".to_owned()));
}

#[test]
fn only_directories_below_our_own_are_ours_to_make() {
    let directories = Directories::new(Path::new("/node"));
    let of = |spec: Value| source(&pv(spec), &pvc(json!({})), &directories);
    let local = |path: &str| of(json!({ "local": { "path": path } }));
    let own = "/node/local-path/pvc-c";
    assert_eq!(local(own), Ok(Source::Own(own.into())));
    for other in ["/node/local-path/pvc-d", "/node/local-path", "/node/local-path/../pods", "/etc"] {
        assert_eq!(local(other), Ok(Source::Local(other.into())));
    }
    let host_path = of(json!({ "hostPath": { "path": "/data", "type": "Directory" } }));
    assert!(matches!(host_path, Ok(Source::HostPath(found)) if found.path == "/data"));
    let nfs = of(json!({ "nfs": { "path": "/", "server": "s" } }));
    assert_eq!(nfs, Err("PV pvc-c is of a type this node does not offer; it offers local and hostPath".to_owned()));
    let mut block = pvc(json!({}));
    block.spec.get_or_insert_default().volume_mode = Some("Block".to_owned());
    let refused = source(&pv(json!({ "local": { "path": own } })), &block, &directories);
    assert_eq!(refused, Err("PV pvc-c has volumeMode Block, which this node does not offer".to_owned()));
    let mut other = pvc(json!({}));
    other.metadata.uid = Some("another".to_owned());
    assert_eq!(source(&pv(json!({})), &other, &directories), Err("PV pvc-c is bound to another claim".to_owned()));
}

#[test]
fn the_link_leads_to_the_volume_and_goes_without_it() {
    let root = tempfile::tempdir().expect("a directory");
    let directories = Directories::new(root.path());
    let (_, volume) = pod(json!({ "name": "v", "persistentVolumeClaim": { "claimName": "data" } }));
    let (link, own) = (link("p", &volume, &directories), directories.local_volumes().join("pvc-c"));
    prepare(&link, &Source::Own(own.clone())).expect("it can be made");
    fs::write(link.join("kept"), "data").expect("the volume can be written");
    prepare(&link, &Source::Own(own.clone())).expect("again is fine");
    prepare(&link, &Source::Kept).expect("it is there");
    crate::volumes::remove("p", &directories).expect("the pod's directory can be removed");
    assert!(!link.exists());
    assert_eq!(fs::read(own.join("kept")).expect("the data outlives the pod"), b"data");
    let missing = prepare(&link, &Source::Local(root.path().join("none")));
    assert!(missing.is_err_and(|why| why.ends_with("none\" does not exist")));
}
