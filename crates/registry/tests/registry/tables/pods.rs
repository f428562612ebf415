use expect_test::expect;
use serde_json::{Value, json};

use super::check;

#[tokio::test]
async fn a_pod_is_summed_up_as_its_containers_are() {
    let pod = |name: &str, spec: Value, status: Value| {
        let mut spec = spec;
        if spec.get("containers").is_none() {
            spec["containers"] = json!([{"name": "a"}, {"name": "b"}]);
        }
        json!({"metadata": {"name": name}, "spec": spec, "status": status})
    };
    let running = |restarts: i64| {
        json!({"name": "a", "ready": true, "restartCount": restarts, "state": {"running": {}},
            "lastState": {"terminated": {"finishedAt": "2026-01-02T03:13:05Z"}}})
    };
    let ended =
        |reason: &str, code: i64| json!({"name": "b", "state": {"terminated": {"reason": reason, "exitCode": code}}});
    let mut going = pod("going", json!({"nodeName": "n1"}), json!({"phase": "Running"}));
    going["metadata"]["deletionTimestamp"] = "2026-01-02T03:14:35Z".into();
    let rows = [
        pod("waiting", json!({}), json!({"phase": "Pending"})),
        pod(
            "running",
            json!({"nodeName": "n1"}),
            json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}], "containerStatuses": [running(0), running(2)]}),
        ),
        pod(
            "crashing",
            json!({}),
            json!({"phase": "Running", "containerStatuses": [running(0), {"name": "b", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        ),
        pod("done", json!({}), json!({"phase": "Succeeded", "containerStatuses": [ended("Completed", 0)]})),
        pod(
            "half",
            json!({}),
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [running(0), ended("Completed", 0)]}),
        ),
        pod(
            "killed",
            json!({}),
            json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"signal": 9}}}]}),
        ),
        pod("code", json!({}), json!({"phase": "Failed", "containerStatuses": [ended("", 3)]})),
        pod("evicted", json!({}), json!({"phase": "Failed", "reason": "Evicted"})),
        pod(
            "init",
            json!({"initContainers": [{"name": "i"}, {"name": "j"}]}),
            json!({"phase": "Pending",
            "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "j", "state": {"running": {}}}]}),
        ),
        pod(
            "init-failed",
            json!({"initContainers": [{"name": "i"}]}),
            json!({"phase": "Pending",
            "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
        ),
        pod(
            "sidecar",
            json!({"initContainers": [{"name": "i", "restartPolicy": "Always"}]}),
            json!({"phase": "Running", "containerStatuses": [running(0)],
            "initContainerStatuses": [{"name": "i", "started": true, "ready": true, "restartCount": 1, "state": {"running": {}}}]}),
        ),
        pod(
            "gated",
            json!({"readinessGates": [{"conditionType": "x"}]}),
            json!({"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}, {"type": "x", "status": "True"}]}),
        ),
        going,
    ];
    check(
        "pods",
        &rows,
        expect![[r#"
            Name | Ready | Status | Restarts | Age | IP | Node | Nominated Node | Readiness Gates
            waiting | 0/2 | Pending | 0 | 10m | <none> | <none> | <none> | <none>
            running | 2/2 | Running | 2 (60s ago) | 10m | 10.0.0.1 | n1 | <none> | <none>
            crashing | 1/2 | CrashLoopBackOff | 3 (60s ago) | 10m | <none> | <none> | <none> | <none>
            done | 0/2 | Completed | 0 | 10m | <none> | <none> | <none> | <none>
            half | 1/2 | Running | 0 | 10m | <none> | <none> | <none> | <none>
            killed | 0/2 | Signal:9 | 0 | 10m | <none> | <none> | <none> | <none>
            code | 0/2 | ExitCode:3 | 0 | 10m | <none> | <none> | <none> | <none>
            evicted | 0/2 | Evicted | 0 | 10m | <none> | <none> | <none> | <none>
            init | 0/2 | Init:1/2 | 0 | 10m | <none> | <none> | <none> | <none>
            init-failed | 0/2 | Init:Error | 0 | 10m | <none> | <none> | <none> | <none>
            sidecar | 2/3 | Running | 1 (60s ago) | 10m | <none> | <none> | <none> | <none>
            gated | 0/2 | SchedulingGated | 0 | 10m | <none> | <none> | <none> | 1/1
            going | 0/2 | Terminating | 0 | 10m | <none> | n1 | <none> | <none>"#]],
    )
    .await;
}
