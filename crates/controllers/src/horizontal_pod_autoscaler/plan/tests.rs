use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sampan_api::k8s::api::core::v1::Pod;

use super::*;
use crate::testing::{ago, now, object as typed};

/// A pod that has run for an hour and requests a core.
fn pod(name: &str, phase: &str, ready: bool) -> Arc<Pod> {
    let ready = if ready { "True" } else { "False" };
    Arc::new(typed(json!({
        "metadata": { "name": name },
        "spec": { "containers": [{ "name": "main", "resources": { "requests": { "cpu": "1" } } }] },
        "status": { "phase": phase, "startTime": ago(3600),
            "conditions": [{ "type": "Ready", "status": ready, "lastTransitionTime": ago(3000) }] },
    })))
}

fn pods(count: usize) -> Vec<Arc<Pod>> {
    (0..count).map(|number| pod(&format!("p{number}"), "Running", true)).collect()
}

fn samples(values: &[i64]) -> BTreeMap<String, Sample> {
    let sample = |value| Sample { value, at: now(), window: Duration::from_secs(60) };
    values.iter().enumerate().map(|(number, value)| (format!("p{number}"), sample(*value))).collect()
}

const TENTH: Tolerance = Tolerance { down: 0.1, up: 0.1 };

fn calculator(pods: &[Arc<Pod>], current: i32) -> Calculator<'_> {
    Calculator { pods, current, tolerance: TENTH, now: now() }
}

/// By 50 % of a core.
fn by_cpu(pods: &[Arc<Pod>], used: &[i64]) -> Result<i32, String> {
    let current = i32::try_from(pods.len()).expect("few");
    calculator(pods, current).by_utilization(samples(used), 50, "cpu", None).map(|measured| measured.replicas)
}

#[test]
fn the_use_of_all_pods_against_their_requests_makes_the_number() {
    assert_eq!(by_cpu(&pods(2), &[500, 500]), Ok(2));
    assert_eq!(by_cpu(&pods(2), &[1000, 1000]), Ok(4));
    assert_eq!(by_cpu(&pods(2), &[1000, 0]), Ok(2), "on the average all is well");
    assert_eq!(by_cpu(&pods(4), &[100, 100, 100, 100]), Ok(1));
    assert_eq!(by_cpu(&pods(2), &[540, 540]), Ok(2), "within a tenth");
    assert_eq!(by_cpu(&pods(2), &[560, 560]), Ok(3));
    let measured = calculator(&pods(2), 2).by_utilization(samples(&[300, 400]), 50, "cpu", None);
    assert_eq!(measured, Ok(Measured { replicas: 2, utilization: Some(35), average: 350 }));
}

#[test]
fn what_was_not_measured_is_taken_for_what_changes_least() {
    assert_eq!(by_cpu(&pods(3), &[1000, 1000]), Ok(4), "the third as if it did nothing: ceil(2000/3000/0.5 * 3)");
    assert_eq!(by_cpu(&pods(3), &[100, 100]), Ok(3), "the third as if it did all it may");
    assert_eq!(by_cpu(&pods(4), &[100, 100, 100]), Ok(3));
    let mut starting = pods(2);
    starting.push(pod("p2", "Pending", false));
    assert_eq!(by_cpu(&starting, &[1000, 1000]), Ok(4), "a pending pod will take its share");
    assert_eq!(by_cpu(&starting, &[100, 100]), Ok(1), "of one that is not ready nothing follows when shrinking");
    let mut failed = pods(2);
    failed.push(pod("p2", "Failed", false));
    assert_eq!(by_cpu(&failed, &[1000, 1000, 9000]), Ok(4));
}

#[test]
fn the_cpu_of_a_pod_that_gets_ready_says_little() {
    let young = |ready: &str, since: i64, started: i64| -> Arc<Pod> {
        let mut pod = (*pod("p1", "Running", true)).clone();
        let status = json!({ "phase": "Running", "startTime": ago(started),
            "conditions": [{ "type": "Ready", "status": ready, "lastTransitionTime": ago(since) }] });
        pod.status = typed(status);
        Arc::new(pod)
    };
    let with = |second: Arc<Pod>| by_cpu(&[pods(1).remove(0), second], &[500, 5000]);
    assert_eq!(with(young("True", 120, 130)), Ok(11), "measured since it is ready");
    assert_eq!(with(young("True", 30, 100)), Ok(2), "measured before");
    assert_eq!(with(young("False", 90, 100)), Ok(2));
    assert_eq!(with(young("False", 3590, 3600)), Ok(2), "never ready");
    assert_eq!(with(young("False", 60, 3600)), Ok(11), "it was once");
}

#[test]
fn without_measurements_or_requests_there_is_no_number() {
    let why = "did not receive metrics for targeted pods (pods might be unready)";
    assert_eq!(by_cpu(&pods(2), &[]), Err(why.to_owned()));
    assert_eq!(by_cpu(&[], &[1]), Err("no pods returned by selector while calculating replica count".to_owned()));
    let bare = Arc::new(typed(json!({ "metadata": { "name": "p0" }, "spec": { "containers": [{ "name": "main" }] },
        "status": { "phase": "Running", "startTime": ago(3600), "conditions": [{ "type": "Ready", "status": "True" }] } })));
    assert_eq!(by_cpu(&[bare], &[1]), Err("missing request for cpu in container main of Pod p0".to_owned()));
}

#[test]
fn a_value_for_each_pod_one_for_all_and_one_to_share() {
    let three = pods(3);
    let of = calculator(&three, 3);
    let average = |values: &[i64]| of.by_average(samples(values), 10_000, "").map(|measured| measured.replicas);
    assert_eq!(average(&[20_000, 20_000, 20_000]), Ok(6));
    assert_eq!(average(&[10_000, 10_500, 9_900]), Ok(3));
    assert_eq!(of.by_value(20_000, 10_000), Ok(6));
    assert_eq!(of.by_value(10_500, 10_000), Ok(3));
    assert_eq!(of.by_share(61_000, 10_000), (7, 20_334));
    assert_eq!(of.by_share(31_000, 10_000), (3, 10_334), "within a tenth");
    let none = calculator(&[], 0);
    assert_eq!(
        (none.by_value(25_000, 10_000), none.by_share(25_000, 10_000)),
        (Ok(3), (3, 0)),
        "from nothing to something"
    );
    assert_eq!(none.by_share(0, 10_000), (0, 0));
}

fn conditions() -> Conditions {
    Conditions { list: Vec::new(), now: now() }
}

fn said(conditions: &Conditions) -> String {
    let line = |condition: &Value| {
        let text = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
        format!("{}={} {}: {}\n", text("type"), text("status"), text("reason"), text("message"))
    };
    conditions.list.iter().map(line).collect()
}

#[test]
fn the_most_that_a_metric_asks_for_counts_and_what_is_missing_never_shrinks() {
    let ask = |replicas, name: &str| Ok(Proposal { replicas, name: name.to_owned(), status: json!({ "type": name }) });
    let missing = || {
        Err(Unmeasured { reason: "FailedGetResourceMetric", message: "failed to get cpu utilization: why".to_owned() })
    };
    let mut conditions = conditions();
    let wanted = together(vec![ask(3, "a"), ask(5, "b")], 4, &mut conditions);
    assert_eq!((wanted.replicas, wanted.failure), (Some((5, "b".to_owned())), None));
    let wanted = together(vec![ask(6, "a"), missing()], 4, &mut conditions);
    assert_eq!(wanted.replicas, Some((6, "a".to_owned())));
    assert_eq!(
        said(&conditions),
        "ScalingActive=True ValidMetricFound: the HPA was able to successfully calculate a replica count from a\n"
    );
    let wanted = together(vec![ask(3, "a"), missing()], 4, &mut conditions);
    assert_eq!(wanted.replicas, None);
    assert_eq!(
        wanted.failure.as_deref(),
        Some("invalid metrics (1 invalid out of 2), first error is: failed to get cpu utilization: why")
    );
    assert_eq!(
        said(&conditions),
        "ScalingActive=False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: why\n"
    );
}

#[test]
fn bounds_come_before_measurements() {
    assert_eq!(bounds(0, 1, 5), Bounded::Off);
    assert_eq!(bounds(0, 0, 5), Bounded::Inside);
    assert_eq!(bounds(9, 1, 5), Bounded::To(5, "Current number of replicas above Spec.MaxReplicas"));
    assert_eq!(bounds(1, 2, 5), Bounded::To(2, "Current number of replicas below Spec.MinReplicas"));
    assert_eq!(bounds(2, 2, 5), Bounded::Inside);
}

fn at(seconds: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_secs(seconds)
}

fn between(current: i32) -> Bounds {
    Bounds { current, least: 1, most: 100 }
}

#[test]
fn growing_is_limited_by_policies_and_shrinking_waits_for_the_window() {
    let rules = Rules::of(&json!({}));
    let (mut history, mut conditions) = (History::default(), conditions());
    history.begin(3, at(0));
    assert_eq!(history.normalize(50, between(3), &rules, at(0), &mut conditions), 7, "four pods or twice as many");
    expect_test::expect![[r#"
        AbleToScale=True ReadyForNewScale: recommended size matches current size
        ScalingLimited=True ScaleUpLimit: the desired replica count is increasing faster than the maximum scale rate
    "#]]
    .assert_eq(&said(&conditions));
    history.scaled(3, 7, at(0), &rules);
    assert_eq!(history.normalize(50, between(7), &rules, at(10), &mut conditions), 7, "not twice in a period");
    assert_eq!(history.normalize(50, between(7), &rules, at(15), &mut conditions), 14);
    history.scaled(7, 14, at(15), &rules);
    assert_eq!(
        history.normalize(200, Bounds { current: 60, least: 1, most: 100 }, &rules, at(60), &mut conditions),
        100
    );
    assert!(said(&conditions).contains(
        "ScalingLimited=True TooManyReplicas: the desired replica count is more than the maximum replica count"
    ));
    assert_eq!(history.normalize(2, between(14), &rules, at(100), &mut conditions), 14);
    assert!(said(&conditions).contains("AbleToScale=True ScaleDownStabilized: recent recommendations were higher than current one, applying the highest recent recommendation"));
    assert_eq!(history.normalize(2, between(14), &rules, at(500), &mut conditions), 2, "five minutes later");
    assert_eq!(history.normalize(0, between(14), &rules, at(900), &mut conditions), 1);
    assert!(said(&conditions).contains("ScalingLimited=True TooFewReplicas"));
}

#[test]
fn a_behaviour_of_ones_own_is_kept() {
    let normalize = |behavior: Value, wanted: i32, current: i32| {
        let rules = Rules::of(&json!({ "behavior": behavior }));
        let mut history = History::default();
        history.normalize(wanted, between(current), &rules, at(0), &mut conditions())
    };
    let up = |select: &str| {
        json!({ "scaleUp": { "selectPolicy": select, "policies": [
        { "type": "Pods", "value": 1, "periodSeconds": 60 }, { "type": "Percent", "value": 50, "periodSeconds": 60 } ] } })
    };
    assert_eq!(
        (normalize(up("Max"), 99, 10), normalize(up("Min"), 99, 10), normalize(up("Disabled"), 99, 10)),
        (15, 11, 10)
    );
    let down = |select: &str| {
        json!({ "scaleDown": { "selectPolicy": select, "stabilizationWindowSeconds": 0, "policies": [
        { "type": "Pods", "value": 1, "periodSeconds": 60 }, { "type": "Percent", "value": 50, "periodSeconds": 60 } ] } })
    };
    assert_eq!(
        (normalize(down("Max"), 1, 10), normalize(down("Min"), 1, 10), normalize(down("Disabled"), 1, 10)),
        (5, 9, 10)
    );
    let tolerant = Rules::of(&json!({ "behavior": { "scaleUp": { "tolerance": "500m" } } })).tolerance();
    assert_eq!(tolerant, Tolerance { down: 0.1, up: 0.5 });
}

#[test]
fn a_condition_keeps_its_time_until_it_turns() {
    let mut conditions = conditions();
    conditions.set("AbleToScale", true, "A", "a");
    conditions.now = at(60);
    conditions.set("AbleToScale", true, "B", "b");
    assert_eq!(conditions.list[0]["lastTransitionTime"], "2026-01-02T03:04:05Z");
    conditions.set("AbleToScale", false, "B", "b");
    assert_eq!(conditions.list[0]["lastTransitionTime"], "2026-01-02T03:05:05Z");
}

proptest! {
    /// Whatever is wanted, a target stays within its bounds, moves no faster than its rules, and arrives.
    #[test]
    fn a_target_arrives_within_its_bounds(start in 1..50_i32, wants in prop::collection::vec(0..200_i32, 1..30), last in 1..60_i32) {
        let rules = Rules::of(&json!({}));
        let (mut history, mut conditions, mut current, mut time) = (History::default(), conditions(), start, 0);
        history.begin(current, at(0));
        for wanted in wants.iter().copied().chain(std::iter::repeat_n(last, 40)) {
            let desired = history.normalize(wanted, Bounds { current, least: 1, most: 60 }, &rules, at(time), &mut conditions);
            prop_assert!((1..=60).contains(&desired) && desired <= (current * 2).max(current + 4));
            if desired != current {
                history.scaled(current, desired, at(time), &rules);
            }
            (current, time) = (desired, time + 15);
        }
        prop_assert_eq!(current, last);
    }
}
