//! CronJobs. Upstream: `pkg/registry/batch/cronjob`, `ValidateCronJobCreate`.

use jiff::Timestamp;
use sampan_api::cron::{Schedule, time_zone};
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::job::rules;
use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};
use crate::validation::{counts, one_of};

/// The controller appends `-` and ten digits to make the names of jobs, which are labels.
const MAX_NAME: usize = 52;
/// Letters between two slashes of a time zone's name.
const MAX_ZONE_PART: usize = 14;

pub(crate) struct CronJobStrategy;

impl Strategy for CronJobStrategy {
    fn names(&self) -> Names {
        let names =
            Names::new(("batch", "v1"), ("CronJob", "CronJobList"), ("cronjobs", "cronjob"), "batch.v1.CronJob");
        names.short(&["cj"]).in_all()
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = validate_spec(object, None);
        let name = object::name(object);
        if name.len() > MAX_NAME {
            let path = Path::new("metadata").child("name");
            errors.push(field::invalid(&path, name, "must be no more than 52 characters"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        validate_spec(object, Some(old))
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        let mut columns = vec![
            Column::name(),
            text("Schedule", "When it runs, in cron's form."),
            text("Timezone", "By which clocks."),
            Column::new("Suspend", "boolean", "Whether it makes no more jobs."),
            cell::number_column("Active", "How many of its jobs are running."),
            text("Last Schedule", "Time since it last made a job."),
            cell::age_column(),
        ];
        columns.extend(cell::template_columns());
        columns
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let (containers, images) = cell::containers(object, "/spec/jobTemplate/spec/template/spec/containers");
        let last = match object::time_at(object, "/status/lastScheduleTime") {
            Some(_) => cell::since(object, "/status/lastScheduleTime", now),
            None => cell::NONE.into(),
        };
        let suspend = match object::bool_at(object, "/spec/suspend") {
            Some(true) => "True",
            Some(false) => "False",
            None => "<unset>",
        };
        vec![
            cell::name(object),
            cell::text(object, "/spec/schedule", ""),
            cell::text(object, "/spec/timeZone", cell::NONE),
            suspend.into(),
            cell::count(object, "/status/active").into(),
            last,
            cell::age(object, now),
            containers.into(),
            images.into(),
            cell::selector(object, "/spec/jobTemplate/spec/selector").into(),
        ]
    }
}

fn validate_spec(object: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    let spec = object.get("spec").unwrap_or(&Value::Null);
    validate_schedule(&mut errors, spec, old, &path.child("schedule"));
    counts::not_negative(&mut errors, spec, &["startingDeadlineSeconds"], &path);
    let zone = spec.get("timeZone").and_then(Value::as_str);
    if old.is_none_or(|old| old.pointer("/spec/timeZone").and_then(Value::as_str) != zone) {
        validate_zone(&mut errors, zone, &path.child("timeZone"));
    }
    let policy = path.child("concurrencyPolicy");
    match object::str_at(spec, "/concurrencyPolicy") {
        None => errors.push(field::required(&policy, "")),
        Some(_) => one_of(&mut errors, spec, "/concurrencyPolicy", &policy, &["Allow", "Forbid", "Replace"]),
    }
    let job = spec.pointer("/jobTemplate/spec").unwrap_or(&Value::Null);
    validate_template(&mut errors, job, &path.child("jobTemplate").child("spec"));
    counts::not_negative(&mut errors, spec, &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"], &path);
    errors
}

/// A time zone in the schedule is what older clusters had; it may stay where it is. Upstream: `validateScheduleFormat`.
fn validate_schedule(errors: &mut ErrorList, spec: &Value, old: Option<&Value>, path: &Path) {
    let Some(schedule) = object::str_at(spec, "/schedule") else {
        errors.push(field::required(path, ""));
        return;
    };
    if let Err(why) = Schedule::parse(schedule) {
        errors.push(field::invalid(path, schedule, why));
    }
    let has_zone = |text: &str| text.contains("TZ");
    let allowed = old.and_then(|old| object::str_at(old, "/spec/schedule")).is_some_and(has_zone);
    let why = match (has_zone(schedule), allowed) {
        (true, true) if object::str_at(spec, "/timeZone").is_some() => {
            "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        }
        (true, false) => "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
        _ => return,
    };
    errors.push(field::invalid(path, schedule, why));
}

/// Upstream: `validateTimeZone`.
fn validate_zone(errors: &mut ErrorList, zone: Option<&str>, path: &Path) {
    let Some(zone) = zone else { return };
    if zone.is_empty() {
        errors.push(field::invalid(path, zone, "timeZone must be nil or non-empty string"));
        return;
    }
    if zone.eq_ignore_ascii_case("Local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.push(field::invalid(path, zone, why));
        return;
    }
    if !zone.split('/').all(is_zone_part) || time_zone(zone).is_none() {
        errors.push(field::invalid(path, zone, format!("unknown time zone {zone}")));
    }
}

fn is_zone_part(part: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    let fits = (1..=MAX_ZONE_PART).contains(&part.len()) && part.bytes().all(allowed);
    fits && !matches!(part, "." | "..") && !part.starts_with('-')
}

/// Jobs are made of it, and those select their pods by themselves. Upstream: `ValidateJobTemplateSpec`.
fn validate_template(errors: &mut ErrorList, job: &Value, path: &Path) {
    rules::validate(errors, job, path);
    if let Some(selector) = job.get("selector").filter(|selector| selector.is_object()) {
        errors.push(field::invalid(&path.child("selector"), selector.clone(), "`selector` will be auto-generated"));
    }
    if object::bool_at(job, "/manualSelector") == Some(true) {
        errors.push(field::not_supported(&path.child("manualSelector"), true, &["nil", "false"]));
    }
}
