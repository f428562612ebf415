//! Ordinary containers and Wasm on one network, on a real containerd: Services across both kinds, and pods of both.

use sampan_e2e::{Ship, sample};

/// What asks for a page, in busybox.
fn ask(address: &str, port: &str) -> String {
    format!("printf 'GET / HTTP/1.0\\r\\nHost: ship\\r\\n\\r\\n' | nc {address} {port}")
}

fn shell(ship: &Ship, pod: &str, container: &str, line: &str) -> String {
    ship.cluster.kubectl_with(&["exec", pod, "-c", container, "--", "sh", "-c", line]).ok()
}

fn ready(ship: &Ship, pod: &str) {
    ship.cluster.wait(&format!("pod/{pod}"), "{.status.conditions[?(@.type==\"Ready\")].status}", "True");
}

/// A Service of that pod on port 80, once it leads there; its address.
fn expose(ship: &Ship, pod: &str) -> String {
    ship.cluster.kubectl(&format!("expose pod {pod} --port 80 --target-port 8080")).ok();
    let slice = format!("endpointslice -l kubernetes.io/service-name={pod}");
    ship.cluster
        .kubectl(&format!("wait {slice} --for=jsonpath={{.endpoints[0].conditions.ready}}=true --timeout=40s"))
        .ok();
    ship.cluster.field(&format!("service {pod}"), "{.spec.clusterIP}")
}

#[test]
fn containers_and_wasm_reach_each_other_by_services_and_addresses() {
    let Some(ship) = Ship::launch() else { return };
    ship.cluster.push("hello-http", &sample("hello-http/hello-http.wasm"));
    ship.cluster.push("toolbox", &sample("toolbox/toolbox.wasm"));
    ship.cluster.pod("wasm", "sampan.local/hello-http:1", "ports: [{containerPort: 8080}]");
    ship.cluster.pod("tools", "sampan.local/toolbox:1", "command: [sleep, \"3600\"]");
    let probe = "readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}";
    ship.pod("oci", "serves, \"8080\"", &format!("ports: [{{containerPort: 8080}}], {probe}"));
    ship.busybox("box", "");
    ["wasm", "tools", "oci"].iter().for_each(|pod| ready(&ship, pod));

    let address = |pod: &str| ship.cluster.field(&format!("pod {pod}"), "{.status.podIP}");
    let (to_wasm, to_oci) = (expose(&ship, "wasm"), expose(&ship, "oci"));
    for (from, page) in [
        (ask(&to_wasm, "80"), "Hello"),
        (ask(&address("wasm"), "8080"), "Hello"),
        (ask(&to_oci, "80"), "hello from a container"),
    ] {
        let answer = shell(&ship, "box", "main", &from);
        assert!(answer.contains(page), "{from}: {answer}");
    }
    for url in [format!("http://{to_oci}/"), format!("http://{}:8080/", address("oci"))] {
        let answer = ship.cluster.kubectl(&format!("exec tools -- wget -q -O - {url}")).ok();
        assert_eq!(answer, "hello from a container\n", "{url}");
    }
    let reached =
        shell(&ship, "box", "main", "nc $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null && echo reached");
    assert_eq!(reached, "reached\n", "the apiserver is a Service like others");
    assert_eq!(ship.cluster.field("events --field-selector reason=FailedJoinPodNetwork", "{.items[*].message}"), "");
}

#[test]
fn a_pod_may_be_of_both_kinds() {
    let Some(ship) = Ship::launch() else { return };
    ship.cluster.push("hello-http", &sample("hello-http/hello-http.wasm"));
    ship.cluster.push("toolbox", &sample("toolbox/toolbox.wasm"));
    let busybox = ship.put_busybox();
    let manifest = MIXED.replace("BUSYBOX", &busybox).replace("GUEST", &ship.image);
    ship.cluster.apply(&manifest).ok();
    ready(&ship, "mixed");
    assert!(ship.cluster.field("pod mixed", "{.status.podIP}").starts_with("10.211."));
    let ids = ship.cluster.field(
        "pod mixed",
        "{.status.containerStatuses[*].containerID} {.status.initContainerStatuses[*].containerID}",
    );
    assert_eq!((ids.matches("wasm://").count(), ids.matches("containerd://").count()), (3, 2), "{ids}");

    assert_eq!(shell(&ship, "mixed", "box", "cat /shared/note"), "from wasm\n", "volumes are shared");
    let page = shell(&ship, "mixed", "box", &ask("127.0.0.1", "8080"));
    assert!(page.contains("Hello"), "localhost of a container is that of Wasm: {page}");
    let page = ship.cluster.kubectl("exec mixed -c tools -- wget -q -O - http://localhost:9090/").ok();
    assert_eq!(page, "from oci\n", "and the other way round");
    let service = expose(&ship, "mixed");
    assert!(sampan_e2e::curl([format!("http://{service}/")]).ok().contains("Hello"));
    ship.cluster.kubectl("delete pod mixed --timeout=60s").ok();
}

const MIXED: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: mixed, labels: {app: mixed}}
spec:
  volumes: [{name: shared, emptyDir: {}}]
  initContainers:
    - name: writes
      image: sampan.local/toolbox:1
      command: [sh, -c, "echo from wasm > /shared/note"]
      volumeMounts: [{name: shared, mountPath: /shared}]
  containers:
    - {name: web, image: sampan.local/hello-http:1, ports: [{containerPort: 8080}]}
    - name: box
      image: BUSYBOX
      command: [sh, -c, "trap exit TERM; while :; do sleep 1; done"]
      volumeMounts: [{name: shared, mountPath: /shared}]
    - {name: tools, image: "sampan.local/toolbox:1", command: [sleep, "3600"]}
    - {name: serves, image: GUEST, args: [serves, "9090", "from oci\n"]}
"#;
