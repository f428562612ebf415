//! A node with Wasm and containers: who runs what, and where it gets its address.

use std::sync::Arc;

use sampan_runtime::fake::{Call, FakeImage, FakeRuntime, Program};
use sampan_runtime::{Isolation, NetworkAttachment, Runtime};
use serde_json::{Value, json};

use crate::testing::{Bed, condition, container, one};

const IMAGE: &str = "r.test/server:1";

/// A bed whose node also runs containers: `r.test/server:1` is one, and no Wasm.
struct Both {
    bed: Bed,
    containers: FakeRuntime,
}

impl Both {
    async fn started() -> Self {
        let bed = Bed::new();
        let now = bed.config().clock;
        let containers = FakeRuntime::new("containerd", Arc::new(move || now.now().as_nanosecond()));
        let containers = containers.making_networks([10, 9]);
        containers.add_image(FakeImage::new(IMAGE, Program::sleeps()));
        bed.runtime.add_image(FakeImage { accepted: false, ..FakeImage::new(IMAGE, Program::sleeps()) });
        let mut both = Self { bed, containers };
        both.start().await;
        both
    }

    async fn start(&mut self) {
        let mut config = self.bed.config();
        config.runtimes.push(Arc::new(self.containers.clone()) as Arc<dyn Runtime>);
        self.bed.start_with(config).await;
    }
}

fn place(pod: &Value) -> (&str, &str) {
    (pod["status"]["podIP"].as_str().unwrap_or_default(), container(pod)["containerID"].as_str().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn each_image_goes_to_its_runtime_and_gets_its_kind_of_address() {
    let both = Both::started().await;
    let (server, wasm) = (both.bed.simple("server", IMAGE), both.bed.simple("wasm", "r.test/sleeps:1"));
    let pod = both.bed.until_ready("server").await;
    assert_eq!(place(&pod), ("10.9.0.1", format!("containerd://{server}_main_0").as_str()));
    let pod = both.bed.until_ready("wasm").await;
    assert_eq!(place(&pod), ("127.70.0.2", format!("wasm://{wasm}_main_0").as_str()));
    let config = both.containers.config(&format!("{server}_main_0")).expect("created");
    let hosts = config.mounts.iter().find(|mount| mount.target.ends_with("etc/hosts")).expect("mounted");
    let text = std::fs::read_to_string(&hosts.source).expect("written");
    assert!(text.contains("10.9.0.1\tserver\n"), "{text}");
    assert_eq!(config.resources.oom_score_adj, 1000, "nothing is promised to it");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_container_pod_leaves_nothing() {
    let both = Both::started().await;
    let uid = both.bed.simple("server", IMAGE);
    both.bed.until_ready("server").await;
    both.bed.api.delete("/api/v1/namespaces/default/pods/server", None);
    both.bed.until_gone("server").await;
    assert!(both.containers.sandbox(&uid).is_none() && both.bed.network.given.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_runtime_class_is_looked_up_before_any_image() {
    let both = Both::started().await;
    for (name, handler) in [("wasm", "wasm"), ("runc", "containerd")] {
        let class = json!({"metadata": {"name": name}, "handler": handler});
        both.bed.api.create("/apis/node.k8s.io/v1/runtimeclasses", class);
    }
    let mut spec = one(IMAGE);
    spec["runtimeClassName"] = json!("wasm");
    both.bed.create("wrong", spec.clone());
    let refused =
        both.bed.until("wrong", "ErrImagePull", |pod| container(pod)["state"]["waiting"]["reason"] == "ErrImagePull");
    let refused = refused.await;
    let message = container(&refused)["state"]["waiting"]["message"].to_string();
    assert!(message.contains("it runs: wasm"), "{message}");
    assert_eq!(both.containers.calls(Call::Pull), 0, "the container runtime was not asked");
    spec["runtimeClassName"] = json!("runc");
    both.bed.create("right", spec);
    let pod = both.bed.until_ready("right").await;
    assert_eq!(place(&pod).0, "10.9.0.1");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_agent_finds_the_address_again() {
    let mut both = Both::started().await;
    both.bed.simple("server", IMAGE);
    let before = both.bed.until_ready("server").await;
    both.bed.stop().await;
    let starts = both.containers.calls(Call::Start);
    both.start().await;
    both.bed.simple("other", IMAGE);
    both.bed.until_ready("other").await;
    assert_eq!(both.bed.pod("server")["status"], before["status"]);
    assert_eq!(both.containers.calls(Call::Start), starts + 1, "only the new one was started");
}

#[tokio::test(start_paused = true)]
async fn a_lost_sandbox_is_made_again_with_another_address() {
    let both = Both::started().await;
    let uid = both.bed.simple("server", IMAGE);
    both.bed.until_ready("server").await;
    both.containers.lose_sandbox(&uid);
    let again = |pod: &Value| condition(pod, "Ready") == "True" && container(pod)["restartCount"] == 1;
    let pod = both.bed.until("server", "restarted", again).await;
    assert_eq!(place(&pod).0, "10.9.0.2");
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_the_nodes_own_network_gets_no_other() {
    let both = Both::started().await;
    let mut spec = one(IMAGE);
    spec["hostNetwork"] = json!(true);
    both.bed.create("server", spec);
    let pod = both.bed.until_ready("server").await;
    assert_eq!(place(&pod).0, "127.70.0.1");
    assert!(both.bed.network.given.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_sandbox_is_told_and_tried_again() {
    let both = Both::started().await;
    let error = sampan_runtime::Error::Unavailable("no CNI configuration".to_owned());
    both.containers.fail(Call::OpenSandbox, error);
    both.bed.simple("server", IMAGE);
    let event = both.bed.until_event("server", "FailedCreatePodSandBox").await;
    assert_eq!(event["message"], "Failed to create pod sandbox: no CNI configuration");
    both.bed.until_ready("server").await;
}

#[tokio::test(start_paused = true)]
async fn one_container_among_others_makes_the_network_of_the_pod() {
    let mut both = Both::started().await;
    let spec = json!({"containers": [{"name": "main", "image": "r.test/sleeps:1"}, {"name": "side", "image": IMAGE}]});
    let uid = both.bed.create("mixed", spec);
    let pod = both.bed.until_ready("mixed").await;
    let statuses = &pod["status"]["containerStatuses"];
    let ids = [0, 1].map(|at| statuses[at]["containerID"].as_str().unwrap_or_default().to_owned());
    assert_eq!(ids, [format!("wasm://{uid}_main_0"), format!("containerd://{uid}_side_0")]);
    assert_eq!(place(&pod).0, "10.9.0.1");
    let wasm = both.bed.runtime.sandbox(&uid).expect("opened");
    let Some(NetworkAttachment::Namespace { ip, .. }) = wasm.network else { panic!("{:?}", wasm.network) };
    assert_eq!((ip.to_string().as_str(), wasm.isolation), ("10.9.0.1", Isolation::Pod));
    assert!(both.bed.network.given.lock().is_empty(), "it has no other address");

    both.bed.stop().await;
    let starts = both.bed.runtime.calls(Call::Start) + both.containers.calls(Call::Start);
    both.start().await;
    both.bed.simple("other", IMAGE);
    both.bed.until_ready("other").await;
    assert_eq!(both.bed.runtime.calls(Call::Start) + both.containers.calls(Call::Start), starts + 1);
    both.bed.api.delete("/api/v1/namespaces/default/pods/mixed", None);
    both.bed.until_gone("mixed").await;
    assert!(both.bed.runtime.sandbox(&uid).is_none() && both.containers.sandbox(&uid).is_none());
}
