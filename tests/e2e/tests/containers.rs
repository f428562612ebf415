//! Ordinary containers beside Wasm pods, on a real containerd. Skipped where there is no root to run one.

use sampan_containers::testing::Image;
use sampan_e2e::{Ship, curl, guests, sample};

const SERVER: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: server}
spec:
  replicas: 2
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec:
      containers:
        - name: main
          image: IMAGE
          args: [serves, "8080", "hello from a container\n"]
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
"#;

#[test]
fn a_deployment_of_containers_serves_logs_and_goes_beside_a_wasm_pod() {
    let Some(mut ship) = Ship::launch() else { return };
    let nodes = ship.cluster.kubectl("describe node node-1").ok();
    assert!(nodes.contains("node.sampan.dev/containerd=true"), "{nodes}");
    let wasm = ship.cluster.guest("steady", &guests::stays("here\n"));
    ship.cluster.pod("wasm", &wasm, "");
    ship.cluster.apply(&SERVER.replace("IMAGE", &ship.image)).ok();
    ship.cluster.kubectl("rollout status deploy/server --timeout=60s").ok();
    ship.cluster.kubectl("wait pod/wasm --for=condition=Ready --timeout=60s").ok();

    let addresses = ship.cluster.field("pods -l app=server", "{.items[*].status.podIP}");
    for address in addresses.split_whitespace() {
        assert!(address.starts_with("10.211."), "{addresses}");
        assert_eq!(curl([format!("http://{address}:8080/")]).ok(), "hello from a container\n");
    }
    let service = ship.cluster.field("service server", "{.spec.clusterIP}");
    assert_eq!(curl([format!("http://{service}/")]).ok(), "hello from a container\n");
    assert!(ship.cluster.kubectl("logs deploy/server").ok().contains("listening on port 8080"));
    assert_eq!(ship.cluster.kubectl("logs wasm").ok(), "here\n");

    let ids = |ship: &Ship| {
        let path =
            "{.items[*].status.containerStatuses[0].containerID} {.items[*].status.containerStatuses[0].restartCount}";
        ship.cluster.field("pods -l app=server", path)
    };
    let before = ids(&ship);
    assert!(before.contains("containerd://") && before.ends_with("0 0"), "{before}");
    ship.cluster.crash_and_restart();
    ship.cluster.kubectl("wait node/node-1 --for=condition=Ready --timeout=60s").ok();
    assert_eq!(curl([format!("http://{service}/")]).ok(), "hello from a container\n");
    assert_eq!(ids(&ship), before, "the same containers");

    ship.cluster.kubectl("delete deploy/server service/server pod/wasm --timeout=60s").ok();
    ship.cluster.kubectl("wait pod -l app=server --for=delete --timeout=60s").ok();
    for address in addresses.split_whitespace() {
        curl(["--connect-timeout", "1", &format!("http://{address}:8080/")]).err();
    }
}

#[test]
fn the_sample_does_what_its_readme_says() {
    let Some(ship) = Ship::launch() else { return };
    let busybox = Image::of_program("bin/busybox", "/bin/busybox".as_ref()).expect("scripts/need installs it");
    let busybox = ship.registry.put_image("busybox", &busybox);
    let manifest = std::fs::read_to_string(sample("containers").join("manifest.yaml")).expect("the sample is there");
    ship.cluster.apply(&manifest.replace("docker.io/library/busybox:1.36", &busybox)).ok();
    ship.cluster.kubectl("rollout status deploy/page --timeout=60s").ok();
    let service = ship.cluster.field("service page", "{.spec.clusterIP}");
    let greeting = curl([format!("http://{service}/")]).ok();
    assert!(greeting.starts_with("Hello from container page-"), "{greeting}");
    assert!(ship.cluster.kubectl("logs deploy/page --all-pods").ok().contains("response:200"));
}

#[test]
fn containers_get_what_their_pod_says() {
    let Some(ship) = Ship::launch() else { return };
    let printed = ship.output(
        "echoes",
        "echoes, one",
        "env: [{name: COLOUR, value: blue}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]",
    );
    assert!(
        printed.starts_with("one\n") && printed.contains("COLOUR=blue\n") && printed.contains("IP=10.211."),
        "{printed}"
    );
    assert!(printed.contains("HOSTNAME=echoes\n"), "{printed}");

    let who = ship.output(
        "who",
        "who",
        "securityContext: {runAsUser: 1000, runAsGroup: 2000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}} | \
         securityContext: {supplementalGroups: [3000]}",
    );
    let line = |name: &str| who.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(who.starts_with("user 1000 group 2000\n") && line("Groups:").contains("3000"), "{who}");
    assert_eq!(line("CapEff:"), "CapEff:\t0000000000000000");
    assert_eq!((line("NoNewPrivs:").as_str(), line("Seccomp:").as_str()), ("NoNewPrivs:\t1", "Seccomp:\t2"));

    ship.cluster.kubectl("create configmap settings --from-literal=motto=onward").ok();
    let shown = ship.output(
        "shows",
        "shows, /settings/motto",
        "volumeMounts: [{name: settings, mountPath: /settings}] | volumes: [{name: settings, configMap: {name: settings}}]",
    );
    assert_eq!(shown, "onward");
    let passed = "initContainers: [{name: first, image: IMAGE, args: [writes, /shared/note, from the first], volumeMounts: [{name: shared, mountPath: /shared}]}], \
         volumes: [{name: shared, emptyDir: {}}]";
    let shown = ship.output(
        "passes",
        "shows, /shared/note",
        &format!("volumeMounts: [{{name: shared, mountPath: /shared}}] | {}", passed.replace("IMAGE", &ship.image)),
    );
    assert_eq!(shown, "from the first");
    assert!(ship.output("hosts", "shows, /etc/hosts", "").contains("\thosts\n"));

    ship.pod(
        "stubborn",
        "writes, /etc/motd, hello",
        "securityContext: {readOnlyRootFilesystem: true} | restartPolicy: Never",
    );
    ship.cluster.wait("pod/stubborn", "{.status.phase}", "Failed");
    assert!(ship.cluster.kubectl("logs stubborn").ok().contains("Read-only file system"));
}

#[test]
fn containers_end_as_their_status_says() {
    let Some(ship) = Ship::launch() else { return };
    ship.pod("fails", "exits, \"3\"", "| restartPolicy: Never");
    ship.pod("hungry", "allocates, \"100000000\"", "resources: {limits: {memory: 32Mi}} | restartPolicy: Never");
    ship.pod("again", "exits, \"1\"", "");
    ship.pod("missing", "exits, \"0\"", "command: [/nothing]");
    ship.pod("rootless", "sleeps", "securityContext: {runAsNonRoot: true}");
    let state = "{.status.containerStatuses[0].state.terminated";
    ship.cluster.wait("pod/fails", &format!("{state}.exitCode}}"), "3");
    ship.cluster.wait("pod/fails", &format!("{state}.reason}}"), "Error");
    ship.cluster.wait("pod/hungry", &format!("{state}.reason}}"), "OOMKilled");
    ship.cluster.wait("pod/hungry", &format!("{state}.exitCode}}"), "137");
    ship.cluster.wait("pod/again", "{.status.containerStatuses[0].restartCount}", "1");
    ship.cluster.event("missing", &["/nothing"]);
    ship.cluster.event("rootless", &["container has runAsNonRoot and image will run as root"]);
}
