//! Containers that are added to a pod that runs.

use serde_json::json;

use crate::testing::{Bed, condition, one};

const POD: &str = "/api/v1/namespaces/default/pods/web";

fn added(target: &str) -> serde_json::Value {
    json!({"spec": {"ephemeralContainers": [
        {"name": "look", "image": "r.test/sleeps:1", "targetContainerName": target, "command": ["look"], "stdin": true}
    ]}, "metadata": {"generation": 2}})
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_container_is_started_beside_the_others_and_not_again() {
    let mut bed = Bed::started().await;
    let uid = bed.create("web", one("r.test/sleeps:1"));
    bed.until_ready("web").await;
    bed.api.patch(POD, &added("main"));
    let state = |pod: &serde_json::Value, kind: &str| {
        pod["status"]["ephemeralContainerStatuses"][0]["state"].get(kind).is_some()
    };
    let pod = bed.until("web", "looked into", |pod| state(pod, "running")).await;
    assert_eq!(condition(&pod, "Ready"), "True");
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    let config = bed.runtime.config(&format!("{uid}_look_0")).expect("created");
    assert_eq!((config.command, config.interactive.stdin), (vec!["look".to_owned()], true));
    assert_eq!(config.security.sees, Some(format!("{uid}_main_0")));

    bed.stop().await;
    bed.start().await;
    let exit = sampan_runtime::Exit { code: 7, reason: sampan_runtime::ExitReason::Error, message: String::new() };
    bed.runtime.end(&format!("{uid}_look_0"), exit);
    let pod = bed.until("web", "looked at", |pod| state(pod, "terminated")).await;
    assert_eq!(pod["status"]["phase"], "Running");
    assert!(bed.runtime.config(&format!("{uid}_look_1")).is_none(), "it is not started again");
    bed.api.delete(POD, None);
    bed.until_gone("web").await;
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_container_without_its_target_says_so() {
    let bed = Bed::started().await;
    bed.create("web", one("r.test/sleeps:1"));
    bed.until_ready("web").await;
    bed.api.patch(POD, &added("missing"));
    let waits =
        |pod: &serde_json::Value| pod["status"]["ephemeralContainerStatuses"][0]["state"]["waiting"]["message"].clone();
    let pod = bed.until("web", "refused", |pod| waits(pod).is_string()).await;
    assert_eq!(waits(&pod), "unable to find target container missing");
}
