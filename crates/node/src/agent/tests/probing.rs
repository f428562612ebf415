//! Probes and hooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use sampan_runtime::ProbeKind;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::testing::{Bed, condition, container, one};

/// An HTTP server on the loopback whose status code can be changed; 0 answers nothing sensible.
async fn server() -> (u16, Arc<AtomicU16>, Arc<parking_lot::Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (code, requests) = (Arc::new(AtomicU16::new(200)), Arc::new(parking_lot::Mutex::default()));
    let (answer, heard) = (code.clone(), Arc::clone(&requests));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap_or(0);
            let heard: &parking_lot::Mutex<Vec<String>> = &heard;
            heard.lock().push(String::from_utf8_lossy(&request[..read]).lines().next().unwrap_or_default().to_owned());
            let reply = format!(
                "HTTP/1.1 {} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                answer.load(Ordering::Relaxed)
            );
            let _gone = stream.write_all(reply.as_bytes()).await;
        }
    });
    (port, code, requests)
}

fn http_get(port: u16) -> serde_json::Value {
    json!({"httpGet": {"host": "127.0.0.1", "port": port, "path": "/up"}, "periodSeconds": 1, "timeoutSeconds": 1})
}

#[tokio::test]
async fn readiness_follows_the_answers() {
    let bed = Bed::started().await;
    let (port, code, _) = server().await;
    code.store(503, Ordering::Relaxed);
    let mut spec = one("r.test/sleeps:1");
    spec["containers"][0]["readinessProbe"] = http_get(port);
    bed.create("web", spec);
    let pod = bed.until("web", "running", |pod| container(pod)["state"]["running"].is_object()).await;
    assert_eq!((condition(&pod, "Ready").as_str(), &container(&pod)["started"]), ("False", &json!(true)));
    let event = bed.until_event("web", "Unhealthy").await;
    assert_eq!(event["message"], "Readiness probe failed: HTTP probe failed with statuscode: 503");
    code.store(204, Ordering::Relaxed);
    bed.until_ready("web").await;
    code.store(500, Ordering::Relaxed);
    bed.until("web", "unready", |pod| condition(pod, "Ready") == "False").await;
}

#[tokio::test]
async fn liveness_restarts_what_does_not_answer() {
    let bed = Bed::started().await;
    let (port, code, _) = server().await;
    let mut spec = one("r.test/sleeps:1");
    spec["containers"][0]["livenessProbe"] = http_get(port);
    spec["containers"][0]["livenessProbe"]["failureThreshold"] = json!(1);
    bed.create("web", spec);
    bed.until_ready("web").await;
    code.store(500, Ordering::Relaxed);
    bed.until("web", "restarted", |pod| container(pod)["restartCount"] == 1).await;
    let event = bed.until_event("web", "Killing").await;
    assert_eq!(event["message"], "Container main failed liveness probe, will be restarted");
    code.store(200, Ordering::Relaxed);
    bed.until("web", "well again", |pod| condition(pod, "Ready") == "True").await;
}

#[tokio::test]
async fn a_startup_probe_holds_the_others_back() {
    let bed = Bed::started().await;
    let (port, code, _) = server().await;
    code.store(500, Ordering::Relaxed);
    let mut spec = one("r.test/sleeps:1");
    spec["containers"][0]["startupProbe"] = http_get(port);
    spec["containers"][0]["startupProbe"]["failureThreshold"] = json!(100);
    spec["containers"][0]["livenessProbe"] =
        json!({"tcpSocket": {"host": "127.0.0.1", "port": port}, "periodSeconds": 1});
    bed.create("web", spec);
    let pod = bed.until("web", "running", |pod| container(pod)["state"]["running"].is_object()).await;
    assert_eq!(container(&pod)["started"], false);
    bed.until_event("web", "Unhealthy").await;
    code.store(200, Ordering::Relaxed);
    let pod = bed.until_ready("web").await;
    assert_eq!((&container(&pod)["started"], &container(&pod)["restartCount"]), (&json!(true), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn a_component_that_exports_the_probe_is_asked_without_any_setting() {
    let bed = Bed::started().await;
    bed.runtime.set_probe("r.test/sleeps:1", ProbeKind::Ready, Some(false));
    bed.simple("web", "r.test/sleeps:1");
    let pod = bed.until("web", "running", |pod| container(pod)["state"]["running"].is_object()).await;
    assert_eq!(condition(&pod, "Ready"), "False");
    bed.runtime.set_probe("r.test/sleeps:1", ProbeKind::Ready, Some(true));
    bed.until_ready("web").await;
    bed.runtime.set_probe("r.test/sleeps:1", ProbeKind::Live, Some(true));
    bed.simple("live", "r.test/sleeps:1");
    bed.until_ready("live").await;
    let begin = tokio::time::Instant::now();
    bed.runtime.set_probe("r.test/sleeps:1", ProbeKind::Live, Some(false));
    bed.until("live", "restarted", |pod| container(pod)["restartCount"].as_i64() >= Some(1)).await;
    assert!((20..=31).contains(&begin.elapsed().as_secs()), "three failures ten seconds apart: {:?}", begin.elapsed());
}

#[tokio::test]
async fn a_pre_stop_hook_is_asked_before_the_end() {
    let bed = Bed::started().await;
    let (port, _, requests) = server().await;
    let mut spec = one("r.test/sleeps:1");
    let hook = |path: &str| json!({"httpGet": {"host": "127.0.0.1", "port": port, "path": path}});
    spec["containers"][0]["lifecycle"] = json!({"postStart": hook("/hello"), "preStop": hook("/bye")});
    bed.create("web", spec);
    bed.until_ready("web").await;
    bed.api.delete("/api/v1/namespaces/default/pods/web", Some(5));
    bed.until_gone("web").await;
    assert_eq!(*requests.lock(), ["GET /hello HTTP/1.1", "GET /bye HTTP/1.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_sleeping_hook_takes_its_part_of_the_grace() {
    let bed = Bed::started().await;
    let mut spec = one("r.test/deaf:1");
    spec["containers"][0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 8}}});
    bed.create("web", spec);
    bed.until_ready("web").await;
    let begin = tokio::time::Instant::now();
    bed.api.delete("/api/v1/namespaces/default/pods/web", Some(10));
    bed.until_gone("web").await;
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_exec_probe_goes_by_the_exit_code_of_its_command() {
    let bed = Bed::started().await;
    let probed = |command: &[&str]| {
        let mut spec = one("r.test/sleeps:1");
        spec["containers"][0]["readinessProbe"] = json!({"exec": {"command": command}});
        spec
    };
    bed.create("fine", probed(&["exit", "0"]));
    bed.until_ready("fine").await;
    bed.create("bad", probed(&["exit", "1"]));
    let event = bed.until_event("bad", "Unhealthy").await;
    assert_eq!(event["message"], "Readiness probe failed: ");
    bed.create("absent", probed(&["true"]));
    let event = bed.until_event("absent", "Unhealthy").await;
    let message = event["message"].as_str().expect("a message");
    assert!(message.contains("executable file not found in $PATH"), "{message}");
}
