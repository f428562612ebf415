//! A CronJob keeps no more ended Jobs than it may, and has none at work once its schedule stands still.

use sampan_meta::object::{controller_of, i64_at, list_at, name, uid};
use serde_json::Value;

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    world.list("batch/cronjobs").try_for_each(|cron_job| one(world, cron_job))
}

fn one(world: &World, cron_job: &Value) -> Result<(), String> {
    let owned = |job: &&Value| controller_of(job).is_some_and(|owner| owner.uid == uid(cron_job));
    let ended = |how: &str| {
        let is = |condition: &Value| condition["type"] == how && condition["status"] == "True";
        let jobs = world.list("batch/jobs").filter(owned);
        i64::try_from(jobs.filter(|job| list_at(job, "/status/conditions").iter().any(is)).count()).unwrap_or(i64::MAX)
    };
    let limit = |field: &str| i64_at(cron_job, &format!("/spec/{field}")).unwrap_or(i64::MAX);
    let (complete, failed) = (ended("Complete"), ended("Failed"));
    let kept = complete <= limit("successfulJobsHistoryLimit") && failed <= limit("failedJobsHistoryLimit");
    if kept && list_at(cron_job, "/status/active").is_empty() {
        return Ok(());
    }
    Err(format!("cronjob {} keeps {complete} and {failed} jobs and says {}", name(cron_job), cron_job["status"]))
}
