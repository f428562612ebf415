use sampan_meta::{ManualClock, SeededEntropy};
use serde_json::Value;

use super::*;
use crate::fake::FakeServer;

/// A wall clock that moves with tokio's paused one: a heartbeat is a changed `renewTime`.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> jiff::Timestamp {
        ManualClock::default().now() + self.0.elapsed()
    }
}

fn candidate(server: &FakeServer, identity: &str) -> Election {
    let options = ElectionOptions::new("kube-system", "controllers", identity);
    let seed = u64::from(identity.as_bytes()[0]);
    Election::new(&server.client(), options, Arc::new(PausedClock(Instant::now())), Arc::new(SeededEntropy::new(seed)))
}

fn lease(server: &FakeServer) -> Value {
    server.objects("coordination.k8s.io/leases").remove(0)["spec"].clone()
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_leads_and_the_second_waits() {
    let server = FakeServer::new();
    let first = candidate(&server, "a").acquire().await;
    let second = timeout(Duration::from_secs(600), candidate(&server, "b").acquire()).await;
    assert!(second.is_err(), "two leaders");
    assert!(first.is_held());
    assert_eq!(lease(&server)["holderIdentity"], "a");
    assert_eq!(lease(&server)["leaseDurationSeconds"], 15);
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_over_at_once() {
    let server = FakeServer::new();
    let first = candidate(&server, "a").acquire().await;
    first.release().await;
    assert_eq!(lease(&server)["holderIdentity"], "");
    let start = Instant::now();
    let second = candidate(&server, "b").acquire().await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(second.is_held());
    assert_eq!(lease(&server)["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_followed_when_its_lease_has_run_out_and_not_before() {
    let server = FakeServer::new();
    drop(candidate(&server, "a").acquire().await);
    let start = Instant::now();
    let second = candidate(&server, "b").acquire().await;
    assert!(second.is_held());
    assert!(start.elapsed() >= Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_says_so_before_others_may_take_over() {
    let server = FakeServer::new();
    let leadership = candidate(&server, "a").acquire().await;
    let start = Instant::now();
    server.fail_next(1_000_000, 503);
    leadership.lost().await;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(!leadership.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_costs_no_leadership() {
    let server = FakeServer::new();
    let leadership = candidate(&server, "a").acquire().await;
    server.fail_next(3, 503);
    assert!(timeout(Duration::from_secs(300), leadership.lost()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_taken_stops() {
    let server = FakeServer::new();
    let leadership = candidate(&server, "a").acquire().await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/controllers";
    server.patch(path, serde_json::json!({ "spec": { "holderIdentity": "b" } }));
    leadership.lost().await;
    assert_eq!(lease(&server)["holderIdentity"], "b");
}
