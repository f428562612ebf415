//! Pods that cannot run, and why.

use sampan_runtime::Error;
use sampan_runtime::fake::{Call, FakeImage, Program, PullStep};
use serde_json::json;

use crate::testing::{Bed, condition, container, one};

fn waits(pod: &serde_json::Value, reason: &str) -> bool {
    container(pod)["state"]["waiting"]["reason"] == reason
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_there_is_pulled_again_until_it_is() {
    let bed = Bed::started().await;
    bed.simple("web", "r.test/late:1");
    bed.until("web", "ErrImagePull", |pod| waits(pod, "ErrImagePull")).await;
    let pod = bed.until("web", "ImagePullBackOff", |pod| waits(pod, "ImagePullBackOff")).await;
    assert_eq!(
        container(&pod)["state"]["waiting"]["message"],
        "Back-off pulling image \"r.test/late:1\": ErrImagePull: failed to pull image r.test/late:1: not found in the registry; check name and tag"
    );
    let failed = bed.until_event("web", "Failed").await;
    assert!(
        failed["message"].as_str().is_some_and(|message| message.contains("not found in the registry")),
        "{failed}"
    );
    assert_eq!(failed["involvedObject"]["fieldPath"], "spec.containers{main}");
    bed.runtime.add_image(FakeImage::new("r.test/late:1", Program::sleeps()));
    bed.until_ready("web").await;
}

#[tokio::test(start_paused = true)]
async fn a_container_image_waits_with_a_clear_message_on_a_node_without_a_container_runtime() {
    let bed = Bed::started().await;
    bed.runtime
        .add_image(FakeImage { accepted: false, ..FakeImage::new("docker.io/library/nginx:1", Program::sleeps()) });
    bed.simple("web", "docker.io/library/nginx:1");
    let pod = bed.until("web", "ErrImagePull", |pod| waits(pod, "ErrImagePull")).await;
    let message = container(&pod)["state"]["waiting"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with(
            "image docker.io/library/nginx:1 is a container image and node edge-1 has no container runtime"
        ),
        "{message}"
    );
    bed.until_event("web", "Failed").await;
    bed.simple("neighbour", "r.test/sleeps:1");
    bed.until_ready("neighbour").await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_pull_does_not_keep_a_pod_from_going() {
    let bed = Bed::started().await;
    let slow = PullStep { delay: std::time::Duration::from_secs(3000), error: None };
    bed.runtime.add_image(FakeImage { pulls: vec![slow], ..FakeImage::new("r.test/slow:1", Program::sleeps()) });
    bed.simple("web", "r.test/slow:1");
    bed.until("web", "being made", |pod| waits(pod, "ContainerCreating")).await;
    let begin = tokio::time::Instant::now();
    bed.api.delete("/api/v1/namespaces/default/pods/web", None);
    bed.until_gone("web").await;
    assert!(begin.elapsed().as_secs() < 5);
}

#[tokio::test(start_paused = true)]
async fn a_missing_config_map_is_named_and_the_pod_starts_when_it_appears() {
    let bed = Bed::started().await;
    let mut spec = one("r.test/sleeps:1");
    spec["containers"][0]["env"] =
        json!([{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}}]);
    let uid = bed.create("web", spec);
    let pod = bed.until("web", "CreateContainerConfigError", |pod| waits(pod, "CreateContainerConfigError")).await;
    assert_eq!(container(&pod)["state"]["waiting"]["message"], "configmap \"settings\" not found");
    let begin = tokio::time::Instant::now();
    bed.api.create(
        "/api/v1/namespaces/default/configmaps",
        json!({"metadata": {"name": "settings"}, "data": {"colour": "blue"}}),
    );
    bed.until_ready("web").await;
    assert!(begin.elapsed().as_secs() < 2, "it did not wait for its backoff");
    let config = bed.runtime.config(&format!("{uid}_main_0")).expect("created");
    assert!(config.env.contains(&("COLOUR".to_owned(), "blue".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_volume_is_told_and_a_change_of_it_reaches_the_files() {
    let bed = Bed::started().await;
    let mut spec = one("r.test/sleeps:1");
    spec["volumes"] = json!([{"name": "keys", "secret": {"secretName": "keys"}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "keys", "mountPath": "/keys"}]);
    let uid = bed.create("web", spec);
    let event = bed.until_event("web", "FailedMount").await;
    assert_eq!(event["message"], "MountVolume.SetUp failed for volume \"keys\" : secret \"keys\" not found");
    bed.api.create("/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "keys"}, "data": {"a": "b25l"}}));
    bed.until_ready("web").await;
    let config = bed.runtime.config(&format!("{uid}_main_0")).expect("created");
    let mount = config.mounts.iter().find(|mount| mount.target.ends_with("keys")).expect("mounted");
    assert!(mount.read_only);
    assert_eq!(std::fs::read_to_string(mount.source.join("a")).expect("there"), "one");
    bed.api.patch("/api/v1/namespaces/default/secrets/keys", &json!({"data": {"a": "dHdv"}}));
    let file = mount.source.join("a");
    tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while std::fs::read_to_string(&file).expect("there at every moment") != "two" {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the change arrives");
}

#[tokio::test(start_paused = true)]
async fn what_the_runtime_refuses_is_shown_and_tried_again() {
    let bed = Bed::started().await;
    bed.runtime.fail(
        Call::Create,
        Error::Invalid("component imports wasi:nn/graph, which this node does not offer".to_owned()),
    );
    bed.simple("web", "r.test/sleeps:1");
    let pod = bed.until("web", "CreateContainerError", |pod| waits(pod, "CreateContainerError")).await;
    assert_eq!(
        container(&pod)["state"]["waiting"]["message"],
        "component imports wasi:nn/graph, which this node does not offer"
    );
    bed.until_ready("web").await;
    bed.runtime.fail(Call::OpenSandbox, Error::Unavailable("no more processes".to_owned()));
    bed.runtime.fail(Call::Start, Error::Unavailable("not now".to_owned()));
    bed.simple("other", "r.test/sleeps:1");
    let event = bed.until_event("other", "FailedCreatePodSandBox").await;
    assert_eq!(event["message"], "Failed to create pod sandbox: no more processes");
    bed.until("other", "RunContainerError", |pod| waits(pod, "RunContainerError")).await;
    bed.until_ready("other").await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_sandbox_is_made_again_and_counts_as_a_restart() {
    let bed = Bed::started().await;
    let uid = bed.simple("web", "r.test/sleeps:1");
    bed.until_ready("web").await;
    bed.runtime.lose_sandbox(&uid);
    let pod = bed
        .until("web", "ready again", |pod| container(pod)["restartCount"] == 1 && condition(pod, "Ready") == "True")
        .await;
    assert_eq!(container(&pod)["lastState"]["terminated"]["exitCode"], 137);
    assert_eq!(pod["status"]["podIP"], "127.70.0.2", "the address stays");
    assert!(bed.runtime.sandbox(&uid).is_none() && bed.runtime.sandbox(&format!("{uid}.1")).is_some());
    bed.until_event("web", "SandboxChanged").await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_runtime_class_is_told() {
    let bed = Bed::started().await;
    let mut spec = one("r.test/sleeps:1");
    spec["runtimeClassName"] = json!("gvisor");
    bed.create("web", spec);
    let event = bed.until_event("web", "FailedCreatePodSandBox").await;
    assert_eq!(event["message"], "Failed to create pod sandbox: runtimeclass.node.k8s.io \"gvisor\" not found");
}

#[tokio::test(start_paused = true)]
async fn a_runtime_class_chooses_the_runtime_and_how_far_apart_it_runs() {
    let bed = Bed::started().await;
    bed.api.create(
        "/apis/node.k8s.io/v1/runtimeclasses",
        json!({"metadata": {"name": "strict"}, "handler": "wasm-isolated"}),
    );
    let mut spec = one("r.test/sleeps:1");
    spec["runtimeClassName"] = json!("strict");
    let uid = bed.create("web", spec);
    bed.until_ready("web").await;
    assert_eq!(bed.runtime.sandbox(&uid).expect("open").isolation, sampan_runtime::Isolation::Pod);
}
