use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, now, object};

/// A CronJob that was created so many seconds ago; it is 03:04:05.
fn cron_job(schedule: &str, age: i64, more: &Value) -> CronJob {
    let mut cron_job = json!({
        "metadata": { "name": "tick", "namespace": "default", "uid": "cj", "creationTimestamp": ago(age) },
        "spec": {
            "schedule": schedule, "concurrencyPolicy": "Allow", "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1,
            "jobTemplate": { "metadata": { "labels": { "a": "b" } }, "spec": { "template": { "spec": { "containers": [] } } } },
        },
    });
    for (pointer, value) in more.as_object().into_iter().flatten() {
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        match parent {
            "" => cron_job[member] = value.clone(),
            parent => cron_job.pointer_mut(parent).expect("the parent exists")[member] = value.clone(),
        }
    }
    object(cron_job)
}

fn job(name: &str, end: Option<&str>, completed: i64) -> Arc<Job> {
    let conditions: Vec<Value> = end.map(|end| json!({ "type": end, "status": "True" })).into_iter().collect();
    let time = (end == Some("Complete")).then(|| ago(completed));
    Arc::new(object(json!({
        "metadata": { "name": name, "uid": name },
        "status": { "conditions": conditions, "completionTime": time, "startTime": ago(completed + 10) },
    })))
}

fn active(names: &[&str]) -> Value {
    json!({ "active": names.iter().map(|name| json!({ "name": name, "uid": name })).collect::<Vec<_>>() })
}

fn run(cron_job: &CronJob, jobs: &[Arc<Job>]) -> Plan {
    plan(&Observed { cron_job, jobs, now: now() })
}

/// When the Job that starts is for, and the events.
fn outcome(plan: &Plan) -> String {
    let started = plan.start.as_ref().map_or_else(|| "-".to_owned(), |start| start.scheduled.0.to_string());
    let notes: Vec<_> = plan.notes.iter().map(|note| note.reason.as_str()).collect();
    format!("{started} {}", notes.join(",")).trim_end().to_owned()
}

#[test]
fn a_job_starts_for_the_last_time_that_has_come() {
    for (schedule, age, expected) in [
        ("* * * * *", 30, "2026-01-02T03:04:00Z"),
        ("* * * * *", 3, "-"),
        ("*/5 * * * *", 600, "2026-01-02T03:00:00Z"),
        ("@hourly", 7200, "2026-01-02T03:00:00Z"),
        ("30 6-16/4 * * 1-5", 86_400 * 4, "2026-01-01T14:30:00Z"),
        ("@every 90s", 200, "2026-01-02T03:03:45Z"),
        ("* * * * *", 86_400, "2026-01-02T03:04:00Z TooManyMissedTimes"),
        ("59 23 31 2 *", 600, "- InvalidSchedule"),
        ("every day", 600, "- UnparseableSchedule"),
    ] {
        assert_eq!(outcome(&run(&cron_job(schedule, age, &json!({})), &[])), expected, "{schedule}");
    }
}

#[test]
fn the_next_look_is_when_the_next_time_comes() {
    let delay = |schedule: &str, more: Value| run(&cron_job(schedule, 30, &more), &[]).requeue;
    let seconds = |seconds: u64| Some(Duration::from_millis(seconds * 1000 + 100));
    assert_eq!(delay("* * * * *", json!({})), seconds(55));
    assert_eq!(delay("5 * * * *", json!({})), seconds(55));
    assert_eq!(delay("* * * * *", json!({ "/spec/suspend": true })), None);
    assert_eq!(delay("never", json!({})), None);
}

#[test]
fn a_zone_moves_the_schedule_and_is_told_in_the_annotation() {
    let plan = run(&cron_job("0 12 * * *", 86_400, &json!({ "/spec/timeZone": "Asia/Tokyo" })), &[]);
    let start = plan.start.expect("it was noon in Tokyo an hour ago");
    assert_eq!(start.scheduled.0.to_string(), "2026-01-02T03:00:00Z");
    assert_eq!(start.job.metadata.annotations.unwrap()[SCHEDULED_AT], "2026-01-02T12:00:00+09:00");
    let plan = run(&cron_job("* * * * *", 60, &json!({ "/spec/timeZone": "Mars/Olympus" })), &[]);
    assert_eq!(outcome(&plan), "- UnknownTimeZone");
}

#[test]
fn the_job_is_named_after_its_minute_and_belongs_to_the_cron_job() {
    let start = run(&cron_job("* * * * *", 60, &json!({})), &[]).start.expect("it is due");
    let meta = start.job.metadata;
    assert_eq!(meta.name.as_deref(), Some("tick-29455384"));
    assert_eq!(meta.labels.unwrap()["a"], "b");
    assert_eq!(meta.annotations.unwrap()[SCHEDULED_AT], "2026-01-02T03:04:00Z");
    assert_eq!(meta.owner_references.unwrap()[0].uid, "cj");
}

#[test]
fn a_time_that_is_met_or_past_its_deadline_starts_nothing() {
    let last = json!({ "/status": { "lastScheduleTime": "2026-01-02T03:04:00Z" } });
    assert_eq!(outcome(&run(&cron_job("* * * * *", 600, &last), &[])), "-");
    let listed = json!({ "/status": active(&["tick-29455384"]) });
    let known = [job("tick-29455384", None, 0)];
    assert_eq!(outcome(&run(&cron_job("* * * * *", 600, &listed), &known)), "-");
    let deadline = |seconds: i64| json!({ "/spec/startingDeadlineSeconds": seconds });
    assert_eq!(outcome(&run(&cron_job("0 * * * *", 7200, &deadline(60)), &[])), "-");
    assert_eq!(outcome(&run(&cron_job("0 * * * *", 7200, &deadline(300)), &[])), "2026-01-02T03:00:00Z");
    assert_eq!(outcome(&run(&cron_job("* * * * *", 86_400, &deadline(300)), &[])), "2026-01-02T03:04:00Z");
}

#[test]
fn what_is_still_at_work_is_joined_awaited_or_replaced() {
    let with = |policy: &str| {
        let more = json!({ "/spec/concurrencyPolicy": policy, "/status": active(&["tick-1"]) });
        let plan = run(&cron_job("* * * * *", 60, &more), &[job("tick-1", None, 0)]);
        let replaced = plan.start.as_ref().map_or(0, |start| start.replaces.len());
        format!("{} replaces {replaced}", outcome(&plan))
    };
    assert_eq!(with("Allow"), "2026-01-02T03:04:00Z replaces 0");
    assert_eq!(with("Forbid"), "- JobAlreadyActive replaces 0");
    assert_eq!(with("Replace"), "2026-01-02T03:04:00Z replaces 1");
}

#[test]
fn jobs_that_ended_leave_the_list_and_the_oldest_leave_the_cluster() {
    let more = json!({ "/spec/suspend": true, "/status": active(&["done", "gone", "busy"]) });
    let jobs = [
        job("old", Some("Complete"), 300),
        job("done", Some("Complete"), 100),
        job("bad-1", Some("Failed"), 200),
        job("bad-2", Some("Failed"), 50),
        job("busy", None, 0),
        job("foreign", None, 0),
    ];
    let plan = run(&cron_job("* * * * *", 600, &more), &jobs);
    assert_eq!(outcome(&plan), "- SawCompletedJob,UnexpectedJob,MissingJob");
    let names = |jobs: &[Arc<Job>]| jobs.iter().filter_map(|job| job.metadata.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&plan.delete), ["old", "bad-1"]);
    let left: Vec<_> = plan.status.active.iter().flatten().filter_map(|active| active.name.clone()).collect();
    assert_eq!(left, ["busy"]);
    assert_eq!(plan.status.last_successful_time.unwrap().0.to_string(), "2026-01-02T03:02:25Z");
}
