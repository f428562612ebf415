//! What bad input gets: a clear error or event that names the object and the next step, while everything else keeps running.

use std::process::Command;

use sampan_e2e::{Cluster, DockerRegistry, Output, free_port, guests, run, sampan};

/// A cluster where an innocent pod runs.
fn cluster() -> Cluster {
    let cluster = Cluster::start();
    cluster.pod("bystander", &cluster.guest("bystander", &guests::stays("here\n")), "");
    cluster.kubectl("wait pod/bystander --for=condition=Ready --timeout=60s").ok();
    cluster
}

/// The server answers, the innocent pod never noticed anything, and a new one can be started.
fn assert_unharmed(cluster: &Cluster) {
    assert_eq!(cluster.kubectl("get --raw /readyz").ok(), "ok");
    assert_eq!(
        cluster.field("pod/bystander", "{.status.phase} {.status.containerStatuses[0].restartCount}"),
        "Running 0"
    );
    assert_eq!(cluster.kubectl("logs bystander").ok(), "here\n");
    cluster.pod("newcomer", "sampan.local/bystander:1", "");
    cluster.kubectl("wait pod/newcomer --for=condition=Ready --timeout=60s").ok();
}

/// Applies a manifest that must be refused and checks the words of the refusal.
#[track_caller]
fn refused(cluster: &Cluster, manifest: &str, words: &[&str]) {
    let error = cluster.apply(manifest).err();
    assert!(words.iter().all(|word| error.contains(word)), "{words:?} are not all in: {error}");
}

#[test]
fn manifests_that_are_wrong_are_refused_by_the_name_of_the_field() {
    let cluster = cluster();
    refused(&cluster, "a: [1\nb: 2", &["error parsing STDIN", "YAML"]);
    refused(&cluster, "kind: Pod\nmetadata: {name: x}", &["apiVersion not set"]);
    let pod = |spec: &str| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {spec}}}");
    refused(
        &cluster,
        &pod("{containers: [{name: a, image: b, imagePolicy: Always}], restart: Never}"),
        &[
            "strict decoding error",
            "unknown field \"spec.containers[0].imagePolicy\"",
            "unknown field \"spec.restart\"",
        ],
    );
    refused(
        &cluster,
        &pod("{containers: [{name: a, image: b, ports: [{containerPort: many}]}]}"),
        &["cannot unmarshal string into", "spec.containers.ports.containerPort of type int32"],
    );
    refused(&cluster, &pod("{containers: {name: a}}"), &["spec.containers"]);
    refused(&cluster, &pod("{containers: []}"), &["Pod \"x\" is invalid", "spec.containers: Required value"]);
    refused(
        &cluster,
        &pod("{containers: [{name: A_b, image: b, resources: {limits: {memory: lots}}}]}"),
        &["quantities must match the regular expression"],
    );
    refused(
        &cluster,
        &pod("{containers: [{name: A_b, image: b, ports: [{containerPort: 70000}]}]}"),
        &[
            "spec.containers[0].name: Invalid value: \"A_b\"",
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000",
        ],
    );
    refused(
        &cluster,
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: nowhere}}",
        &["namespaces \"nowhere\" not found"],
    );
    assert!(cluster.kubectl("get pod x").err().contains("pods \"x\" not found"));
    assert_unharmed(&cluster);
}

/// What a pod waits for, once it does.
#[track_caller]
fn waiting(cluster: &Cluster, pod: &str, reason: &str) {
    cluster.wait(&format!("pod/{pod}"), "{.status.containerStatuses[0].state.waiting.reason}", reason);
}

#[test]
fn images_that_cannot_be_had_are_named_in_events() {
    let cluster = cluster();
    let registry = DockerRegistry::start();
    let whole = guests::returns(true);
    let (truncated, _) = registry.put_wasm("truncated", &whole[..whole.len() - 20]);
    let (lying, digest) = registry.put_wasm("lying", &guests::exits(1));
    registry.lie(&digest, &guests::exits(2));
    let layer = "application/vnd.oci.image.layer.v1.tar";
    let (container, _) = registry.put("container", "application/vnd.oci.image.config.v1+json", layer, &[0; 1024]);
    let missing = "sampan.local/nothing:1".to_owned();
    let wrong = format!("{}/lying@sha256:{}", registry.host, "1".repeat(64));
    let dead = format!("127.0.0.1:{}/x:1", free_port());

    for (name, image) in [
        ("missing", &missing),
        ("wrong", &wrong),
        ("dead", &dead),
        ("truncated", &truncated),
        ("lying", &lying),
        ("container", &container),
    ] {
        cluster.pod(name, image, "");
    }
    cluster.pod("unnamed", "Not An Image", "");
    for (name, image, words) in [
        ("missing", &missing, "the registry has no such image"),
        ("wrong", &wrong, "the registry has no such image"),
        ("dead", &dead, "refused"),
        ("truncated", &truncated, "unexpected end"),
        ("lying", &lying, &digest),
        ("container", &container, "node node-1 has no container runtime"),
    ] {
        let event = cluster.event(name, &["Failed to pull image", image, words]);
        assert!(!event.contains("panicked"), "{event}");
        waiting(&cluster, name, "ImagePullBackOff");
        cluster.event(name, &["BackOff: Back-off pulling image", image]);
    }
    waiting(&cluster, "unnamed", "InvalidImageName");
    cluster.event("unnamed", &["InspectFailed", "couldn't parse image name \"Not An Image\""]);

    cluster.pod("imports", &cluster.guest("imports", &guests::imports_what_nobody_offers()), "");
    cluster.event("imports", &["Failed", "wasi:nn/graph@0.2.0"]);
    waiting(&cluster, "imports", "CreateContainerError");
    assert_unharmed(&cluster);
}

/// How the only container of a pod ended.
fn ended(cluster: &Cluster, pod: &str, phase: &str) -> String {
    cluster.wait(&format!("pod/{pod}"), "{.status.phase}", phase);
    let state = "{.status.containerStatuses[0].state.terminated";
    cluster.field(&format!("pod/{pod}"), &format!("{state}.exitCode}};{state}.reason}};{state}.message}}"))
}

#[test]
fn guests_that_fail_say_how_and_harm_nobody() {
    let cluster = cluster();
    let start = |name: &str, wasm: Vec<u8>, more: &str| {
        cluster.pod(name, &cluster.guest(name, &wasm), &format!("{more} restartPolicy: Never"))
    };
    start("exits", guests::exits(3), "|");
    start("traps", guests::traps(), "|");
    start("overflows", guests::overflows(), "|");
    start("swells", guests::swells(), "resources: {limits: {memory: 16Mi}} |");
    start("late", guests::spins(), "resources: {limits: {cpu: 100m}} | activeDeadlineSeconds: 2,");
    assert_eq!(ended(&cluster, "exits", "Failed"), "3;Error;");
    let trapped = ended(&cluster, "traps", "Failed");
    assert!(
        trapped.starts_with("134;Error;wasm trap: wasm `unreachable` instruction executed in boom, called by"),
        "{trapped}"
    );
    assert!(cluster.kubectl("logs traps").ok().contains("wasm trap"));
    let overflown = ended(&cluster, "overflows", "Failed");
    assert!(overflown.starts_with("134;Error;wasm trap: call stack exhausted in endless"), "{overflown}");
    let swollen = ended(&cluster, "swells", "Failed");
    assert!(swollen.starts_with("137;OOMKilled;") && swollen.contains("over its limit of 16777216"), "{swollen}");
    cluster.wait("pod/late", "{.status.phase}", "Failed");
    assert_eq!(cluster.field("pod/late", "{.status.reason}"), "DeadlineExceeded");
    assert_unharmed(&cluster);
}

#[test]
fn an_endless_loop_is_ended_by_its_deletion() {
    let cluster = cluster();
    cluster.pod("spins", &cluster.guest("spins", &guests::spins()), "| terminationGracePeriodSeconds: 1");
    cluster.kubectl("wait pod/spins --for=condition=Ready --timeout=60s").ok();
    let start = std::time::Instant::now();
    cluster.kubectl("delete pod spins --timeout=30s").ok();
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    assert!(cluster.kubectl("get pod spins").err().contains("not found"));
    assert_unharmed(&cluster);
}

fn up(cluster: &Cluster, directory: &str, arguments: &[&str]) -> Output {
    run(Command::new(sampan()).args(["up", "--data-dir"]).arg(cluster.data().with_file_name(directory)).args(arguments))
}

#[test]
fn a_start_that_cannot_succeed_says_what_to_change() {
    let cluster = cluster();
    let port = cluster.port().to_string();
    let error = up(&cluster, "other", &["--api-port", &port]).err();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("--api-port"), "{error}");
    let error = up(&cluster, "other", &["--api-port", "0", "--registry-port", &port]).err();
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("--registry-port"), "{error}");
    let error = up(&cluster, "data", &["--api-port", "0"]).err();
    assert!(error.contains("another sampan uses") && error.contains("--data-dir"), "{error}");
    let error = up(&cluster, "other", &["--api-port", "0", "--store", "mysql://x"]).err();
    assert!(error.contains("mysql://x") && error.contains("postgres://"), "{error}");
    let dead = format!("postgres://nobody@127.0.0.1:{}/x", free_port());
    let error = up(&cluster, "other", &["--api-port", "0", "--store", &dead]).err();
    assert!(error.contains("failed to open the store on Postgres") && error.contains("refused"), "{error}");
    let text = cluster.file("script.wasm", "#!/bin/sh\n");
    let error = cluster.sampan(&["push", &text.display().to_string(), "script:1"]).err();
    assert!(error.contains("script.wasm") && error.contains("it is no Wasm"), "{error}");
    assert_unharmed(&cluster);
}
