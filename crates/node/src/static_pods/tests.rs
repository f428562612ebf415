use super::manifest::{parse, read_all};
use super::*;

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: main
    image: r.test/a:1
";

#[test]
fn a_manifest_becomes_a_pod_of_this_node_with_defaults() {
    let pod = parse(MANIFEST, "edge-1").expect("a pod");
    assert_eq!((facts::name(&pod), facts::namespace(&pod)), ("web-edge-1", "default"));
    let spec = pod.spec.as_ref().expect("a spec");
    assert_eq!((spec.node_name.as_deref(), spec.restart_policy.as_deref()), (Some("edge-1"), Some("Always")));
    assert!(is_static(&pod) && !is_mirror(&pod));
    assert_eq!(pod, parse(MANIFEST, "edge-1").expect("a pod"), "the same content is the same pod");
    assert_ne!(facts::uid(&pod), facts::uid(&parse(&MANIFEST.replace(":1", ":2"), "edge-1").expect("a pod")));
}

#[test]
fn what_is_no_pod_is_refused_in_words() {
    for (text, why) in [
        ("kind: Service\napiVersion: v1", "not a Pod"),
        ("kind: Pod\napiVersion: v1\nmetadata: {}", "metadata.name is missing"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: a}", "spec is missing"),
        ("{", ""),
    ] {
        let error = parse(text, "n").expect_err(text);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_bad_manifest_does_not_keep_others_from_running() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("a.yaml"), "{").expect("written");
    std::fs::write(directory.path().join("b.yaml"), MANIFEST).expect("written");
    std::fs::write(directory.path().join(".b.yaml.swp"), MANIFEST).expect("written");
    std::fs::write(directory.path().join("notes.txt"), "x").expect("written");
    let pods = read_all(directory.path(), "n");
    assert_eq!(pods.values().map(|pod| facts::name(pod)).collect::<Vec<_>>(), ["web-n"]);
}
