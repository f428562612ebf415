//! Pods that have to go: the machine runs short, they took too much, the node goes down.

use std::time::Duration;

use serde_json::json;

use crate::testing::{Bed, condition, container, one};
use crate::{Eviction, EvictionFlags, Shutdown};

/// Every machine has less free memory than this.
fn short_of_memory() -> Eviction {
    let flags = EvictionFlags { hard: "memory.available<1Ei", ..EvictionFlags::default() };
    Eviction {
        thresholds: Eviction::thresholds(flags).expect("a threshold"),
        transition: Duration::from_secs(300),
        ..Eviction::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_least_important_pod_is_evicted_when_memory_runs_short_and_the_node_says_so() {
    let mut bed = Bed::new();
    let with_priority = |priority: i64| {
        let mut spec = one("r.test/sleeps:1");
        spec["priority"] = json!(priority);
        spec
    };
    let mut config = bed.config();
    config.eviction = short_of_memory();
    bed.start_with(config).await;
    bed.create("critical", with_priority(2_000_000_000));
    bed.create("web", with_priority(0));
    let pod = bed.until("web", "evicted", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(pod["status"]["reason"], "Evicted");
    let message = pod["status"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("The node was low on resource: memory. Threshold quantity: 1Ei, available: "),
        "{message}"
    );
    assert!(
        message.ends_with("Container main was using 64Ki, request is 0, has larger consumption of memory. "),
        "{message}"
    );
    assert_eq!(condition(&pod, "DisruptionTarget"), "True");
    assert_eq!(bed.until_event("web", "Evicted").await["message"], message);
    bed.until_event("edge-1", "EvictionThresholdMet").await;
    let node = bed.api.until("memory pressure", |api| {
        api.get("nodes", "", "edge-1").filter(|node| {
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            conditions.into_iter().any(|condition| {
                condition["type"] == "MemoryPressure"
                    && condition["status"] == "True"
                    && condition["reason"] == "KubeletHasInsufficientMemory"
            })
        })
    });
    node.await;
    assert_eq!(condition(&bed.pod("critical"), "Ready"), "True", "critical pods stay");
    bed.stop().await;
    bed.start().await;
    let pod = bed.until("web", "still evicted", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!((&pod["status"]["reason"], &pod["status"]["message"]), (&json!("Evicted"), &json!(message)));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fills_its_empty_dir_beyond_its_limit_is_evicted() {
    let mut bed = Bed::new();
    let mut config = bed.config();
    config.eviction = Eviction { local_limits: true, ..Eviction::default() };
    let mut spec = one("r.test/sleeps:1");
    spec["volumes"] = json!([{"name": "scratch", "emptyDir": {"sizeLimit": "64Ki"}}]);
    let uid = bed.create("full", spec);
    bed.start_with(config).await;
    bed.until_ready("full").await;
    let volume = bed.directory.path().join("node/pods").join(uid).join("volumes/empty-dir~scratch");
    std::fs::write(volume.join("data"), vec![1; 200_000]).expect("the volume is there");
    let pod = bed.until("full", "evicted", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(pod["status"]["message"], "Usage of EmptyDir volume \"scratch\" exceeds the limit \"64Ki\". ");
    assert_eq!(condition(&pod, "DisruptionTarget"), "", "the pod itself is to blame");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_shuts_down_ends_its_pods_first() {
    let mut bed = Bed::new();
    let mut config = bed.config();
    config.shutdown = Shutdown { grace: Duration::from_secs(20), critical: Duration::from_secs(5) };
    bed.start_with(config).await;
    bed.simple("web", "r.test/sleeps:1");
    bed.until_ready("web").await;
    bed.stop().await;
    let pod = bed.pod("web");
    assert_eq!(
        (&pod["status"]["phase"], &pod["status"]["reason"], &pod["status"]["message"]),
        (&json!("Failed"), &json!("Terminated"), &json!("Pod was terminated in response to imminent node shutdown."))
    );
    assert!(container(&pod)["state"]["terminated"].is_object(), "{pod}");
    let node = bed.api.get("nodes", "", "edge-1").expect("the node");
    let ready =
        node["status"]["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == "Ready");
    assert_eq!(
        ready.map(|ready| (ready["status"].clone(), ready["message"].clone())),
        Some((json!("False"), json!("node is shutting down")))
    );
}
