//! What pods and jobs do in their lives, as kubectl shows it.

use sampan_e2e::{Cluster, guests};

#[test]
fn jobs_on_sqlite_run_in_parallel_complete_and_fail() {
    jobs_run(&Cluster::start());
}

#[test]
fn jobs_on_postgres_run_in_parallel_complete_and_fail() {
    jobs_run(&Cluster::start_on_postgres());
}

fn jobs_run(cluster: &Cluster) {
    let short = cluster.guest("short", &guests::lasts("done\n", 300, 0));
    let fails = cluster.guest("fails", &guests::prints("broken\n", 7));
    let job = |name: &str, image: &str, spec: &str| {
        let pod = format!("{{spec: {{restartPolicy: Never, containers: [{{name: main, image: \"{image}\"}}]}}}}");
        cluster
            .apply(&format!(
                "{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}}}, spec: {{{spec}, template: {pod}}}}}"
            ))
            .ok();
    };
    job("many", &short, "parallelism: 2, completions: 5");
    job("bad", &fails, "backoffLimit: 1");
    cluster.kubectl("wait job/many --for=condition=complete --timeout=60s").ok();
    assert_eq!(cluster.field("job/many", "{.status.succeeded}"), "5");
    assert_eq!(cluster.kubectl("logs job/many").ok(), "done\n");
    assert_eq!(cluster.kubectl("get pods -l job-name=many --no-headers").ok().matches("Completed").count(), 5);

    cluster.kubectl("wait job/bad --for=condition=failed --timeout=60s").ok();
    assert_eq!(cluster.field("job/bad", "{.status.conditions[?(@.type==\"Failed\")].reason}"), "BackoffLimitExceeded");
    assert_eq!(cluster.field("job/bad", "{.status.failed}"), "2");
    cluster.event("bad", &["BackoffLimitExceeded"]);

    cluster.kubectl(&format!("create job single --image={short}")).ok();
    cluster.kubectl("wait job/single --for=condition=complete --timeout=60s").ok();
    cluster.kubectl("delete job single many bad --timeout=60s").ok();
    cluster.kubectl("wait pod -l job-name --for=delete --timeout=60s").ok();
}

#[test]
fn containers_start_in_order_and_again_as_their_policy_says() {
    let cluster = Cluster::start();
    let one = cluster.guest("one", &guests::lasts("one\n", 300, 0));
    let main = cluster.guest("stays", &guests::stays("main\n"));
    let init = format!("initContainers: [{{name: first, image: \"{one}\"}}, {{name: second, image: \"{one}\"}}]");
    cluster.pod("ordered", &main, &format!("| {init}"));
    cluster.kubectl("wait pod/ordered --for=condition=Ready --timeout=60s").ok();
    let times = |path: &str| cluster.field("pod/ordered", &format!("{{.status.{path}}}"));
    let first = times("initContainerStatuses[0].state.terminated.finishedAt");
    let second = times("initContainerStatuses[1].state.terminated.startedAt");
    let after = times("initContainerStatuses[1].state.terminated.finishedAt");
    let started = times("containerStatuses[0].state.running.startedAt");
    assert!(
        !first.is_empty() && first <= second && second <= after && after <= started,
        "{first} {second} {after} {started}"
    );
    assert_eq!(cluster.kubectl("logs ordered -c first").ok(), "one\n");
    assert_eq!(cluster.kubectl("logs ordered").ok(), "main\n");

    cluster.pod("again", &cluster.guest("fails", &guests::prints("oops\n", 9)), "| restartPolicy: OnFailure");
    cluster.wait("pod/again", "{.status.containerStatuses[0].restartCount}", "1");
    cluster.wait("pod/again", "{.status.containerStatuses[0].state.waiting.reason}", "CrashLoopBackOff");
    assert_eq!(cluster.field("pod/again", "{.status.containerStatuses[0].lastState.terminated.exitCode}"), "9");
    assert_eq!(cluster.kubectl("logs again --previous").ok(), "oops\n");
    cluster.event("again", &["BackOff: Back-off restarting failed container main"]);
}

#[test]
fn logs_are_cut_and_stamped_as_asked() {
    let cluster = Cluster::start();
    cluster.pod("talks", &cluster.guest("talks", &guests::stays("a\nb\nc\nd\n")), "");
    cluster.kubectl("wait pod/talks --for=condition=Ready --timeout=60s").ok();
    cluster.until("four lines", || (cluster.kubectl("logs talks").ok() == "a\nb\nc\nd\n").then_some(()));
    assert_eq!(cluster.kubectl("logs talks --tail=2").ok(), "c\nd\n");
    assert_eq!(cluster.kubectl("logs talks --since=1h --tail=1").ok(), "d\n");
    assert_eq!(cluster.kubectl("logs talks --since-time=2999-01-01T00:00:00Z").ok(), "");
    assert_eq!(cluster.kubectl("logs talks --limit-bytes=3").ok(), "a\nb");
    let stamped = cluster.kubectl("logs talks --timestamps --tail=1").ok();
    let (time, line) = stamped.split_once(' ').expect("a time and a line");
    assert!(time.starts_with("20") && time.ends_with('Z') && line == "d\n", "{stamped}");
    assert!(
        cluster
            .kubectl("logs talks --previous")
            .err()
            .contains("previous terminated container \"main\" in pod \"talks\" not found")
    );
    assert!(cluster.kubectl("logs talks -c other").err().contains("container other is not valid for pod talks"));

    cluster.pod("ends", &cluster.guest("ends", &guests::lasts("first\n", 1000, 0)), "| restartPolicy: Never");
    cluster
        .kubectl_with(&["wait", "pod/ends", "--for=jsonpath={.status.containerStatuses[0].state}", "--timeout=60s"])
        .ok();
    cluster.until("following begins once it runs", || {
        cluster.kubectl("logs ends -f").stdout.contains("first\n").then_some(())
    });
    cluster.wait("pod/ends", "{.status.phase}", "Succeeded");
}

#[test]
fn settings_reach_a_pod_as_environment_and_files() {
    let cluster = Cluster::start();
    cluster.kubectl("create configmap settings --from-literal=MODE=careful --from-literal=text=old").ok();
    cluster.kubectl("create secret generic login --from-literal=token=hidden").ok();
    let environment = "env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: login, key: token}}}, \
        {name: MY_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: MY_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, \
        {name: MY_NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, \
        {name: MY_LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}, {name: BOTH, value: \"$(MODE)-$(MY_NAME)-$$(MODE)\"}], \
        envFrom: [{configMapRef: {name: settings}}], resources: {limits: {memory: 8Mi}}";
    cluster.pod(
        "printer",
        &cluster.guest("environment", &guests::environment()),
        &format!("{environment} | restartPolicy: Never"),
    );
    cluster.wait("pod/printer", "{.status.phase}", "Succeeded");
    let printed = cluster.kubectl("logs printer").ok();
    let address = cluster.field("pod/printer", "{.status.podIP}");
    for line in [
        "MODE=careful",
        "TOKEN=hidden",
        "MY_NAME=printer",
        &format!("MY_IP={address}"),
        "MY_NODE=node-1",
        "MY_LIMIT=8388608",
        "BOTH=careful-printer-$(MODE)",
        "HOSTNAME=printer",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing in:\n{printed}");
    }

    let mount = |volume: &str| {
        format!(
            "volumeMounts: [{{name: v, mountPath: /etc/v, readOnly: true}}] | volumes: [{{name: v, {volume}}}], restartPolicy: Never"
        )
    };
    cluster.pod("reader", &cluster.guest("reader", &guests::cats("token")), &mount("secret: {secretName: login}"));
    cluster.pod(
        "waiter",
        &cluster.guest("waiter", &guests::awaits("text", b'n')),
        &mount("configMap: {name: settings}"),
    );
    cluster.wait("pod/reader", "{.status.phase}", "Succeeded");
    assert_eq!(cluster.kubectl("logs reader").ok(), "hidden");
    cluster.kubectl("wait pod/waiter --for=condition=Ready --timeout=60s").ok();
    cluster.kubectl_with(&["patch", "configmap", "settings", "-p", "{\"data\": {\"text\": \"new\"}}"]).ok();
    cluster.wait("pod/waiter", "{.status.phase}", "Succeeded");
    assert_eq!(cluster.kubectl("logs waiter").ok(), "new");
    assert_eq!(cluster.field("pod/waiter", "{.status.containerStatuses[0].restartCount}"), "0");

    cluster.pod("lacking", "sampan.local/environment:1", "envFrom: [{configMapRef: {name: nowhere}}]");
    cluster.wait("pod/lacking", "{.status.containerStatuses[0].state.waiting.reason}", "CreateContainerConfigError");
    cluster.event("lacking", &["configmap \"nowhere\" not found"]);
    cluster.kubectl("create configmap nowhere --from-literal=FOUND=yes").ok();
    cluster.until("the pod finds what it lacked", || {
        cluster.kubectl("logs lacking").stdout.contains("FOUND=yes").then_some(())
    });
}

#[test]
fn a_file_is_run_as_a_job() {
    let cluster = Cluster::start();
    let file = cluster.bytes("print_it.wasm", &guests::environment()).display().to_string();
    let said = cluster.sampan(&["run", &file, "--env", "WORD=boat"]);
    assert!(said.success && said.stderr.contains("kubectl -n default logs -f job/print-it"), "{said:?}");
    cluster.kubectl("wait job/print-it --for=condition=complete --timeout=60s").ok();
    assert!(cluster.kubectl("logs job/print-it").ok().contains("WORD=boat\n"));
    let error = cluster.sampan(&["run", "nothing.wasm"]).err();
    assert!(error.contains("failed to read nothing.wasm"), "{error}");
}

#[test]
fn two_clusters_live_side_by_side_and_a_namespace_goes_with_all_in_it() {
    // One on each store.
    let (one, other) = (Cluster::start_on_postgres(), Cluster::start());
    let image = one.guest("stays", &guests::stays("here\n"));
    other.guest("stays", &guests::stays("there\n"));
    for cluster in [&one, &other] {
        cluster.pod("same", &image, "");
        cluster.kubectl("wait pod/same --for=condition=Ready --timeout=60s").ok();
    }
    assert_eq!(one.kubectl("logs same").ok(), "here\n");
    assert_eq!(other.kubectl("logs same").ok(), "there\n");
    let addresses = [&one, &other].map(|cluster| cluster.field("pod/same", "{.status.podIP}"));
    assert_ne!(addresses[0], addresses[1]);

    one.kubectl("create namespace crowd").ok();
    one.kubectl(&format!("-n crowd create deployment many --image={image} --replicas=5")).ok();
    one.kubectl("-n crowd rollout status deploy/many --timeout=60s").ok();
    one.kubectl("-n crowd create configmap settings --from-literal=a=1").ok();
    one.kubectl("-n crowd create service clusterip front --tcp=80:8080").ok();
    one.kubectl("delete namespace crowd --timeout=60s").ok();
    assert!(one.kubectl("get namespace crowd").err().contains("not found"));
    let left = one.kubectl("get pods,deployments,replicasets,configmaps,services -A -o name").ok();
    assert!(!left.contains("many") && !left.contains("settings") && !left.contains("front"), "{left}");
    one.kubectl("wait pod/same --for=condition=Ready --timeout=10s").ok();
}
