//! Restarts of the agent, servers that are away, static pods.

use std::time::Duration;

use sampan_runtime::fake::Call;
use serde_json::json;

use crate::testing::{Bed, condition, container, one};

#[tokio::test(start_paused = true)]
async fn a_restarted_agent_takes_running_pods_back_untouched() {
    let mut bed = Bed::started().await;
    let uid = bed.simple("web", "r.test/sleeps:1");
    let gone = bed.simple("gone", "r.test/sleeps:1");
    bed.simple("crash", "r.test/fails:1");
    bed.until_ready("web").await;
    bed.until_ready("gone").await;
    bed.until("crash", "waits", |pod| container(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff").await;
    let before = bed.pod("web");
    bed.stop().await;
    assert!(bed.runtime.sandbox(&uid).is_some(), "containers go on");
    bed.api.delete("/api/v1/namespaces/default/pods/gone", Some(0));
    let starts = bed.runtime.calls(Call::Start);
    bed.start().await;
    bed.until("crash", "restarted", |pod| container(pod)["restartCount"] == 2).await;
    assert_eq!(bed.runtime.calls(Call::Start), starts + 1, "only the crashing one was started");
    assert_eq!(bed.pod("web")["status"], before["status"], "nothing of it was written");
    assert!(bed.runtime.sandbox(&gone).is_none(), "what went meanwhile is closed");
    bed.api.delete("/api/v1/namespaces/default/pods/web", None);
    bed.until_gone("web").await;
    assert!(bed.runtime.sandbox(&uid).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_ended_is_not_run_again() {
    let mut bed = Bed::started().await;
    let mut spec = one("r.test/succeeds:1");
    spec["restartPolicy"] = json!("Never");
    bed.create("job", spec);
    bed.until("job", "Succeeded", |pod| {
        pod["status"]["phase"] == "Succeeded" && condition(pod, "PodReadyToStartContainers") == "False"
    })
    .await;
    bed.stop().await;
    let (starts, before) = (bed.runtime.calls(Call::Start), bed.pod("job"));
    bed.start().await;
    bed.simple("next", "r.test/sleeps:1");
    bed.until_ready("next").await;
    assert_eq!(bed.runtime.calls(Call::Start), starts + 1);
    assert_eq!(bed.pod("job")["status"], before["status"]);
    bed.api.delete("/api/v1/namespaces/default/pods/job", None);
    bed.until_gone("job").await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_reboots_while_cut_off_runs_its_pods_with_what_they_need() {
    let mut bed = Bed::started().await;
    bed.api.create(
        "/api/v1/namespaces/default/configmaps",
        json!({"metadata": {"name": "settings"}, "data": {"colour": "blue"}}),
    );
    let mut spec = one("r.test/sleeps:1");
    spec["containers"][0]["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    let uid = bed.create("web", spec);
    let mut spec = one("r.test/succeeds:1");
    spec["restartPolicy"] = json!("Never");
    let job = bed.create("job", spec);
    bed.until_ready("web").await;
    bed.until("job", "Succeeded", |pod| pod["status"]["phase"] == "Succeeded").await;
    bed.stop().await;
    bed.api.set_down(true);
    // The reboot: every process is gone.
    bed.runtime.lose_sandbox(&uid);
    bed.start().await;
    let sandbox = format!("{uid}.1");
    tokio::time::timeout(Duration::from_secs(120), async {
        while bed.runtime.config(&format!("{uid}_main_1")).is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("it runs without a server");
    let config = bed.runtime.config(&format!("{uid}_main_1")).expect("created");
    assert!(config.env.contains(&("colour".to_owned(), "blue".to_owned())), "with its configuration");
    assert_eq!(config.sandbox, sandbox);
    assert!(bed.runtime.config(&format!("{job}_main_0")).is_none(), "what had ended does not run again");
    let starts = bed.runtime.calls(Call::Start);
    bed.api.set_down(false);
    bed.until("web", "told", |pod| container(pod)["restartCount"] == 1 && condition(pod, "Ready") == "True").await;
    assert_eq!(bed.runtime.calls(Call::Start), starts, "nothing is rebuilt when the server returns");
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_touch_pods_and_what_happened_is_told_afterwards() {
    let bed = Bed::started().await;
    let uid = bed.simple("web", "r.test/sleeps:1");
    bed.until_ready("web").await;
    bed.api.set_down(true);
    bed.runtime.end(
        &format!("{uid}_main_0"),
        sampan_runtime::Exit { code: 9, reason: sampan_runtime::ExitReason::Error, message: "boom".into() },
    );
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(bed.runtime.config(&format!("{uid}_main_1")).is_some(), "it was restarted without a server");
    bed.api.set_down(false);
    let pod =
        bed.until("web", "told", |pod| container(pod)["restartCount"] == 1 && condition(pod, "Ready") == "True").await;
    assert_eq!(container(&pod)["lastState"]["terminated"]["message"], "boom");
}

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: keeper
spec:
  containers:
  - {name: main, image: 'r.test/sleeps:1', imagePullPolicy: IfNotPresent}
";

#[tokio::test]
async fn a_static_pod_runs_is_mirrored_and_goes_with_its_file() {
    let bed = Bed::new();
    let directory = bed.directory.path().join("static");
    std::fs::create_dir_all(&directory).expect("made");
    let mut bed = bed;
    bed.start().await;
    std::fs::write(directory.join("keeper.yaml"), MANIFEST).expect("written");
    let mirror = bed.until_ready("keeper-edge-1").await;
    assert!(mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_string());
    assert_eq!(bed.runtime.calls(Call::Start), 1);
    bed.api.delete("/api/v1/namespaces/default/pods/keeper-edge-1", Some(0));
    let again = bed
        .until("keeper-edge-1", "mirrored again", |pod| {
            condition(pod, "Ready") == "True" && pod["metadata"]["uid"] != mirror["metadata"]["uid"]
        })
        .await;
    assert!(again.is_object());
    assert_eq!(bed.runtime.calls(Call::Start), 1, "deleting the mirror does not touch the pod");
    std::fs::remove_file(directory.join("keeper.yaml")).expect("removed");
    bed.until_gone("keeper-edge-1").await;
    bed.stop().await;
}
