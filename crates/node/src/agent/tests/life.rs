//! Pods that do well: start, restart, end, go.

use expect_test::expect;
use sampan_runtime::fake::{Call, FakeImage, Program};
use serde_json::json;

use crate::testing::{Bed, condition, container, one};

#[tokio::test(start_paused = true)]
async fn the_node_registers_with_what_it_has_and_keeps_its_lease() {
    let bed = Bed::started().await;
    let node = bed
        .api
        .until("the node is ready", |api| {
            api.get("nodes", "", "edge-1").filter(|node| condition(node, "Ready") == "True")
        })
        .await;
    let labels = &node["metadata"]["labels"];
    assert_eq!(
        (&labels["zone"], &labels["kubernetes.io/hostname"], &labels["node.sampan.dev/wasm"]),
        (&json!("harbour"), &json!("edge-1"), &json!("true"))
    );
    let status = &node["status"];
    assert_eq!((&status["capacity"]["pods"], &status["allocatable"]["cpu"]), (&json!("10000"), &json!("1")));
    assert_eq!(status["nodeInfo"]["containerRuntimeVersion"], "wasm://1.0.0-fake");
    assert_eq!(status["addresses"][0], json!({"type": "InternalIP", "address": "127.70.0.1"}));
    let renewals = bed.api.requests("PATCH /apis/coordination.k8s.io");
    let reports = bed.api.requests("PATCH /api/v1/nodes/edge-1/status");
    tokio::time::sleep(std::time::Duration::from_secs(105)).await;
    assert_eq!(bed.api.requests("PATCH /apis/coordination.k8s.io") - renewals, 10, "a heartbeat each ten seconds");
    assert_eq!(bed.api.requests("PATCH /api/v1/nodes/edge-1/status"), reports, "nothing changed");
    tokio::time::sleep(std::time::Duration::from_secs(300)).await;
    assert_eq!(bed.api.requests("PATCH /api/v1/nodes/edge-1/status"), reports + 1, "a full report each five minutes");
}

#[tokio::test(start_paused = true)]
async fn a_pod_becomes_ready_and_then_nothing_is_written() {
    let bed = Bed::started().await;
    let uid = bed.simple("web", "r.test/sleeps:1");
    let pod = bed.until_ready("web").await;
    assert_eq!(
        (pod["status"]["phase"].as_str(), pod["status"]["podIP"].as_str()),
        (Some("Running"), Some("127.70.0.2"))
    );
    assert_eq!(pod["status"]["hostIP"], "127.70.0.1");
    assert_eq!(pod["status"]["qosClass"], "BestEffort");
    let container = container(&pod);
    assert_eq!(container["containerID"], format!("wasm://{uid}_main_0"));
    assert!(container["imageID"].as_str().is_some_and(|id| id.starts_with("r.test/sleeps@sha256:")), "{container}");
    bed.until_event("web", "Started").await;
    assert_eq!(bed.events("web"), ["Pulling", "Pulled", "Created", "Started"]);
    let writes = bed.api.requests("PATCH /api/v1/namespaces/default/pods");
    assert!(writes <= 3, "{writes} writes for one start");
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(bed.api.requests("PATCH /api/v1/namespaces/default/pods"), writes, "a settled pod is written nowhere");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_stops_gracefully_and_its_object_goes_last() {
    let bed = Bed::started().await;
    let uid = bed.simple("web", "r.test/sleeps:1");
    bed.until_ready("web").await;
    bed.api.delete("/api/v1/namespaces/default/pods/web", None);
    bed.until_gone("web").await;
    assert!(bed.runtime.config(&format!("{uid}_main_0")).is_none() && bed.runtime.sandbox(&uid).is_none());
    assert!(bed.network.given.lock().is_empty(), "the address is given back");
    bed.until_event("web", "Killing").await;
    let files = bed.directory.path().join("node/pods").join(&uid);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(
        !files.exists() && std::fs::read_dir(bed.directory.path().join("node/logs")).expect("logs").next().is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_deaf_container_is_killed_when_its_grace_is_over_or_cut_short() {
    let bed = Bed::started().await;
    bed.simple("deaf", "r.test/deaf:1");
    bed.until_ready("deaf").await;
    let begin = tokio::time::Instant::now();
    bed.api.delete("/api/v1/namespaces/default/pods/deaf", Some(20));
    bed.until_gone("deaf").await;
    assert_eq!(begin.elapsed().as_secs(), 20);
    bed.simple("deaf", "r.test/deaf:1");
    bed.until_ready("deaf").await;
    let begin = tokio::time::Instant::now();
    bed.api.delete("/api/v1/namespaces/default/pods/deaf", Some(1000));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    bed.api.delete("/api/v1/namespaces/default/pods/deaf", Some(3));
    bed.until_gone("deaf").await;
    assert_eq!(begin.elapsed().as_secs(), 5, "a shorter grace counts from when it was asked for");
}

#[tokio::test(start_paused = true)]
async fn a_job_pod_succeeds_or_fails_and_stays_until_deleted() {
    let bed = Bed::started().await;
    for (name, image, phase) in [("good", "r.test/succeeds:1", "Succeeded"), ("bad", "r.test/fails:1", "Failed")] {
        let mut spec = one(image);
        spec["restartPolicy"] = json!("Never");
        let uid = bed.create(name, spec);
        let pod = bed.until(name, phase, |pod| pod["status"]["phase"] == phase).await;
        let code = container(&pod)["state"]["terminated"]["exitCode"].as_i64();
        assert_eq!(code, Some(if name == "good" { 0 } else { 3 }));
        assert_eq!(pod["status"]["conditions"][2]["reason"], if name == "good" { "PodCompleted" } else { "PodFailed" });
        bed.until(name, "closed", |pod| condition(pod, "PodReadyToStartContainers") == "False").await;
        assert!(bed.runtime.sandbox(&uid).is_none());
        bed.api.delete(&format!("/api/v1/namespaces/default/pods/{name}"), None);
        bed.until_gone(name).await;
    }
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_in_order_and_a_sidecar_goes_last() {
    let bed = Bed::started().await;
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [
            {"name": "first", "image": "r.test/succeeds:1"},
            {"name": "side", "image": "r.test/sleeps:1", "restartPolicy": "Always"},
            {"name": "second", "image": "r.test/succeeds:1"},
        ],
        "containers": [{"name": "main", "image": "r.test/succeeds:1"}],
    });
    bed.create("web", spec);
    let begin = tokio::time::Instant::now();
    bed.until_ready("web").await;
    assert_eq!(begin.elapsed().as_secs(), 4, "two init containers of two seconds each");
    let pod = bed.until("web", "Succeeded", |pod| pod["status"]["phase"] == "Succeeded").await;
    let codes: Vec<_> = pod["status"]["initContainerStatuses"]
        .as_array()
        .expect("statuses")
        .iter()
        .map(|status| status["state"]["terminated"]["exitCode"].clone())
        .collect();
    assert_eq!(codes, [json!(0), json!(143), json!(0)], "the sidecar was stopped after the others");
}

#[tokio::test(start_paused = true)]
async fn a_crashing_container_is_restarted_with_backoff_and_keeps_two_runs() {
    let bed = Bed::started().await;
    let uid = bed.simple("crash", "r.test/fails:1");
    let begin = tokio::time::Instant::now();
    let mut starts = Vec::new();
    for restarts in 0..5 {
        bed.until("crash", "restarted", |pod| {
            container(pod)["restartCount"] == restarts && container(pod)["state"]["running"].is_object()
        })
        .await;
        starts.push(begin.elapsed().as_secs());
    }
    // One second each run, then 0, 10, 20, 40 seconds of waiting.
    assert_eq!(starts, [0, 1, 12, 33, 74]);
    let pod = bed
        .until("crash", "CrashLoopBackOff", |pod| container(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff")
        .await;
    assert_eq!(container(&pod)["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(
        container(&pod)["state"]["waiting"]["message"],
        format!("back-off 1m20s restarting failed container=main pod=crash_default({uid})")
    );
    bed.until_event("crash", "BackOff").await;
    let kept: Vec<u32> =
        (0..5).filter(|attempt| bed.runtime.config(&format!("{uid}_main_{attempt}")).is_some()).collect();
    assert_eq!(kept, [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_pod_for_good() {
    let bed = Bed::started().await;
    let mut spec = one("r.test/sleeps:1");
    spec["activeDeadlineSeconds"] = json!(60);
    bed.create("late", spec);
    bed.until_ready("late").await;
    let pod = bed.until("late", "Failed", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(pod["status"]["reason"], "DeadlineExceeded");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_pods_start_side_by_side() {
    let bed = Bed::started().await;
    for number in 0..100 {
        bed.simple(&format!("web-{number}"), "r.test/sleeps:1");
    }
    for number in 0..100 {
        bed.until_ready(&format!("web-{number}")).await;
    }
    assert_eq!(bed.runtime.calls(Call::Start), 100);
}

#[tokio::test(start_paused = true)]
async fn a_changed_image_restarts_the_container_with_it() {
    let bed = Bed::started().await;
    bed.runtime.add_image(FakeImage::new("r.test/other:2", Program::sleeps()));
    let uid = bed.simple("web", "r.test/sleeps:1");
    bed.until_ready("web").await;
    bed.api.patch(
        "/api/v1/namespaces/default/pods/web",
        &json!({"metadata": {"generation": 2}, "spec": {"containers": [{"name": "main", "image": "r.test/other:2"}]}}),
    );
    let pod = bed
        .until("web", "restarted", |pod| container(pod)["restartCount"] == 1 && condition(pod, "Ready") == "True")
        .await;
    assert!(container(&pod)["imageID"].as_str().is_some_and(|id| id.starts_with("r.test/other@")), "{pod}");
    assert!(bed.runtime.config(&format!("{uid}_main_1")).is_some());
}

#[tokio::test(start_paused = true)]
async fn last_words_come_from_the_file_or_the_log() {
    let bed = Bed::started().await;
    let program = Program {
        stdout: vec!["working".into(), "oh no".into()],
        ..Program::exits(1, std::time::Duration::from_secs(1))
    };
    bed.runtime.add_image(FakeImage::new("r.test/chatty:1", program));
    let mut spec = one("r.test/chatty:1");
    spec["restartPolicy"] = json!("Never");
    spec["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    bed.create("logs", spec.clone());
    let pod = bed.until("logs", "Failed", |pod| pod["status"]["phase"] == "Failed").await;
    expect!["working\noh no\n"]
        .assert_eq(container(&pod)["state"]["terminated"]["message"].as_str().expect("a message"));
    let uid = bed.create("file", spec);
    bed.until_ready("file").await;
    let config = bed.runtime.config(&format!("{uid}_main_0")).expect("created");
    let mount = config.mounts.iter().find(|mount| mount.target.ends_with("termination-log")).expect("mounted");
    std::fs::write(&mount.source, "disk full").expect("written");
    let pod = bed.until("file", "Failed", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(container(&pod)["state"]["terminated"]["message"], "disk full");
}
