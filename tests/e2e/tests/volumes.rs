//! Persistent volumes as users have them: claims, the class every cluster starts with, and data that outlives pods.

use std::path::PathBuf;

use sampan_containers::testing::{Containerd, Image, guest};
use sampan_e2e::{Cluster, DockerRegistry, Options, guests};

/// A set whose pods have a claim each.
fn set(image: &str) -> String {
    format!(
        r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: web}}
spec:
  serviceName: web
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: "{image}"
          volumeMounts: [{{name: data, mountPath: /data}}, {{name: data, mountPath: /part, subPath: part}}]
  volumeClaimTemplates:
    - metadata: {{name: data}}
      spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"#
    )
}

fn claim(name: &str, more: &str) -> String {
    let spec = format!("{{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Mi}}}}{more}}}");
    format!("{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: {name}}}, spec: {spec}}}")
}

/// Where the volume of a bound claim lies.
fn directory(cluster: &Cluster, claim: &str) -> PathBuf {
    let volume = cluster.field(&format!("pvc/{claim}"), "{.spec.volumeName}");
    PathBuf::from(cluster.field(&format!("pv/{volume}"), "{.spec.local.path}"))
}

#[test]
fn the_data_of_a_set_outlives_its_pods_and_goes_with_its_claims() {
    let cluster = Cluster::start();
    let classes = cluster.kubectl("get storageclass").ok();
    assert!(classes.contains("local-path (default)") && classes.contains("WaitForFirstConsumer"), "{classes}");
    cluster.apply(&set(&cluster.guest("stays", &guests::stays("here\n")))).ok();
    cluster.kubectl("rollout status statefulset/web --timeout=60s").ok();
    for claim in ["data-web-0", "data-web-1"] {
        assert_eq!(cluster.field(&format!("pvc/{claim}"), "{.status.phase} {.status.capacity.storage}"), "Bound 1Gi");
    }
    cluster.kubectl_with(&["exec", "web-0", "--", "sh", "-c", "echo kept > /data/note; echo below > /part/note"]).ok();
    let lies = directory(&cluster, "data-web-0");
    let read =
        |file: &str| std::fs::read_to_string(lies.join(file)).expect("the volume is a directory of this machine");
    assert_eq!((&*read("note"), &*read("part/note")), ("kept\n", "below\n"));
    assert_ne!(lies, directory(&cluster, "data-web-1"));

    let uid = cluster.field("pod/web-0", "{.metadata.uid}");
    cluster.kubectl("delete pod web-0 --timeout=60s").ok();
    cluster.until("another web-0", || {
        let pod = cluster.kubectl("get pod web-0 -o jsonpath={.metadata.uid}");
        (pod.success && pod.stdout != uid).then_some(())
    });
    cluster.kubectl("wait pod/web-0 --for=condition=Ready --timeout=60s").ok();
    assert_eq!(cluster.kubectl("exec web-0 -- cat /data/note /part/note").ok(), "kept\nbelow\n");

    // Larger: a matter of saying so.
    cluster
        .kubectl_with(&[
            "patch",
            "pvc",
            "data-web-0",
            "-p",
            "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}",
        ])
        .ok();
    cluster.wait("pvc/data-web-0", "{.status.capacity.storage}", "2Gi");

    let volume = cluster.field("pvc/data-web-0", "{.spec.volumeName}");
    cluster.kubectl("delete statefulset web --timeout=60s").ok();
    cluster.kubectl("wait pod -l app=web --for=delete --timeout=60s").ok();
    assert_eq!(read("note"), "kept\n", "a set's claims stay");
    cluster.kubectl("delete pvc data-web-0 data-web-1 --timeout=60s").ok();
    cluster.kubectl(&format!("wait pv/{volume} --for=delete --timeout=60s")).ok();
    assert!(!lies.exists(), "the directory goes before the object");
}

#[test]
fn a_claim_waits_for_its_volume_and_a_pod_for_its_claim() {
    let cluster = Cluster::start();
    cluster.apply(&claim("first", ", storageClassName: manual")).ok();
    cluster.event("first", &["ProvisioningFailed", "storageclass.storage.k8s.io \"manual\" not found"]);
    assert_eq!(cluster.field("pvc/first", "{.status.phase}"), "Pending");
    cluster.apply(&claim("idle", "")).ok();
    cluster.event("idle", &["WaitForFirstConsumer", "waiting for first consumer to be created before binding"]);

    let image = cluster.guest("cats", &guests::cats("note"));
    let mount = "volumeMounts: [{name: v, mountPath: /v}] | volumes: [{name: v, persistentVolumeClaim: {claimName: first, readOnly: true}}], restartPolicy: Never";
    // A pod that is bound by its own word meets a claim that is not.
    cluster.pod("early", &image, &format!("{mount}, nodeName: node-1"));
    cluster.event("early", &["FailedMount", "error processing PVC default/first: PVC is not bound"]);

    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    std::fs::write(directory.path().join("note"), "from the machine\n").expect("it can be written");
    let path = directory.path().display();
    let volume = format!(
        "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: manual}}, spec: {{accessModes: [ReadWriteOnce], capacity: {{storage: 1Gi}}, storageClassName: manual, hostPath: {{path: \"{path}\", type: Directory}}}}}}"
    );
    cluster.apply(&volume).ok();
    cluster.wait("pvc/first", "{.status.phase}", "Bound");
    cluster.wait("pv/manual", "{.status.phase}", "Bound");
    cluster.wait("pod/early", "{.status.phase}", "Succeeded");
    assert_eq!(cluster.kubectl("logs early").ok(), "from the machine\n");

    // The pod holds the claim, the claim the volume; what a person made stays when all are gone.
    cluster.kubectl("delete pvc first --wait=false").ok();
    cluster.kubectl("delete pod early --timeout=60s").ok();
    cluster.kubectl("wait pvc/first --for=delete --timeout=60s").ok();
    cluster.wait("pv/manual", "{.status.phase}", "Released");
    assert!(directory.path().join("note").exists());
}

#[test]
fn a_container_has_its_claim_too() {
    let Some(containerd) = Containerd::shared() else { return };
    let registry = DockerRegistry::start();
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let program = guest(directory.path()).expect("the guest compiles");
    let image = registry.put_image("guest", &Image::of_program("guest", &program).expect("an image"));
    let arguments = vec!["--containerd".to_owned(), containerd.socket().display().to_string()];
    let cluster = Cluster::start_with(Options { arguments, ..Options::default() });
    cluster.apply(&claim("shared", "")).ok();
    let run = |name: &str, words: &str, read_only: bool| {
        let claim = format!("persistentVolumeClaim: {{claimName: shared, readOnly: {read_only}}}");
        let more = format!(
            "args: [{words}], volumeMounts: [{{name: v, mountPath: /v}}] | restartPolicy: Never, volumes: [{{name: v, {claim}}}]"
        );
        cluster.pod(name, &image, &more);
    };
    run("writer", "writes, /v/note, from a container", false);
    cluster.wait("pod/writer", "{.status.phase}", "Succeeded");
    run("reader", "shows, /v/note", true);
    cluster.wait("pod/reader", "{.status.phase}", "Succeeded");
    assert!(cluster.kubectl("logs reader").ok().contains("from a container"));
    run("intruder", "writes, /v/note, again", true);
    cluster.wait("pod/intruder", "{.status.phase}", "Failed");
    assert!(cluster.kubectl("logs intruder").ok().contains("Read-only"), "the claim is read-only for it");
}
