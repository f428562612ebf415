use std::time::Duration;

use expect_test::{Expect, expect};
use sampan_meta::{ManualClock, SeededEntropy};
use serde_json::Value;

use super::correlator::Correlator;
use super::*;
use crate::fake::FakeServer;

fn about(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some("default".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(format!("uid-{name}")),
        ..ObjectReference::default()
    }
}

struct Fixture {
    server: FakeServer,
    clock: Arc<ManualClock>,
    recorder: Recorder,
}

impl Fixture {
    fn new() -> Self {
        let (server, clock) = (FakeServer::new(), Arc::new(ManualClock::default()));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let recorder = Recorder::new(&server.client(), "scheduler", "", clock.clone(), &entropy);
        Self { server, clock, recorder }
    }

    async fn event(&self, name: &str, message: &str) {
        self.recorder.event(&about(name), EventType::Warning, "FailedScheduling", message);
        tokio::time::sleep(Duration::from_secs(120)).await;
    }

    fn check(&self, expected: Expect) {
        let line =
            |event: &Value| format!("{}x {} {}\n", event["count"], event["involvedObject"]["name"], event["message"]);
        let mut lines: Vec<_> = self.server.objects("/events").iter().map(line).collect();
        lines.sort();
        expected.assert_eq(&lines.concat());
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_carries_what_kubectl_shows() {
    let fixture = Fixture::new();
    fixture.event("web", "no node fits").await;
    let mut event = fixture.server.objects("/events").remove(0);
    event["metadata"] = Value::Null;
    event["kind"] = Value::Null;
    event["apiVersion"] = Value::Null;
    expect![[r#"
        {
          "apiVersion": null,
          "count": 1,
          "firstTimestamp": "2026-01-02T03:04:05Z",
          "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": "web",
            "namespace": "default",
            "uid": "uid-web"
          },
          "kind": null,
          "lastTimestamp": "2026-01-02T03:04:05Z",
          "message": "no node fits",
          "metadata": null,
          "reason": "FailedScheduling",
          "reportingComponent": "scheduler",
          "reportingInstance": "",
          "source": {
            "component": "scheduler"
          },
          "type": "Warning"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&event).expect("json"));
}

#[tokio::test(start_paused = true)]
async fn repeats_are_counted_in_one_event() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.event("web", "no node fits").await;
        fixture.clock.advance(Duration::from_secs(60));
    }
    fixture.event("other", "no node fits").await;
    fixture.check(expect![[r#"
        1x "other" "no node fits"
        3x "web" "no node fits"
    "#]]);
}

#[tokio::test(start_paused = true)]
async fn many_similar_messages_are_combined() {
    let fixture = Fixture::new();
    for number in 0..12 {
        fixture.event("web", &format!("try {number:02}")).await;
    }
    fixture.check(expect![[r#"
        1x "web" "try 00"
        1x "web" "try 01"
        1x "web" "try 02"
        1x "web" "try 03"
        1x "web" "try 04"
        1x "web" "try 05"
        1x "web" "try 06"
        1x "web" "try 07"
        1x "web" "try 08"
        3x "web" "(combined from similar events): try 11"
    "#]]);
}

#[tokio::test(start_paused = true)]
async fn a_noisy_object_is_held_to_its_budget_and_harms_no_other() {
    let fixture = Fixture::new();
    for _ in 0..100 {
        fixture.event("noisy", "again").await;
    }
    fixture.event("quiet", "once").await;
    fixture.clock.advance(Duration::from_secs(300));
    fixture.event("noisy", "again").await;
    // 26 were written; the count of those that were not is lost, as upstream.
    fixture.check(expect![[r#"
        1x "quiet" "once"
        26x "noisy" "again"
    "#]]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_event_begins_again_and_goes_on_counting() {
    let fixture = Fixture::new();
    fixture.event("web", "no node fits").await;
    let name = fixture.server.objects("/events")[0]["metadata"]["name"].as_str().expect("named").to_owned();
    fixture.server.delete(&format!("/api/v1/namespaces/default/events/{name}"));
    fixture.event("web", "no node fits").await;
    fixture.check(expect![[r#"
        2x "web" "no node fits"
    "#]]);
}

#[tokio::test(start_paused = true)]
async fn recording_never_waits_for_a_server_that_is_away() {
    let fixture = Fixture::new();
    fixture.server.fail_next(10_000, 503);
    for number in 0..5000 {
        fixture.recorder.event(&about("web"), EventType::Normal, "Pulled", format!("message {number}"));
    }
    assert!(fixture.recorder.dropped() >= 3900, "one writer's queue holds a thousand");
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_loses_no_event() {
    let fixture = Fixture::new();
    fixture.server.fail_next(3, 503);
    fixture.event("web", "no node fits").await;
    fixture.check(expect![[r#"
        1x "web" "no node fits"
    "#]]);
}

#[test]
fn memory_is_bounded_by_forgetting_the_oldest() {
    let mut correlator = Correlator::default();
    let clock = ManualClock::default();
    for number in 0..5000 {
        let occurrence = Occurrence {
            about: about(&format!("pod-{number}")),
            event_type: EventType::Normal,
            reason: "Pulled".to_owned(),
            message: "image pulled".to_owned(),
            at: clock.now(),
        };
        let verdict = correlator.judge(&occurrence).expect("within the budget");
        assert_eq!(verdict.count, 1);
        correlator.written(verdict, format!("event-{number}"));
    }
    let remembered = |correlator: &mut Correlator, number: usize| {
        let occurrence = Occurrence {
            about: about(&format!("pod-{number}")),
            event_type: EventType::Normal,
            reason: "Pulled".to_owned(),
            message: "image pulled".to_owned(),
            at: clock.now(),
        };
        correlator.judge(&occurrence).is_some_and(|verdict| verdict.count == 2)
    };
    assert!(!remembered(&mut correlator, 0));
    assert!(remembered(&mut correlator, 4999));
}
