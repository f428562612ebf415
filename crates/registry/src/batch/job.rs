//! Jobs. Upstream: `pkg/registry/batch/job`, `ValidateJob`, `printJob`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::time::age;
use serde_json::{Value, json};

use crate::cell;
use crate::conditions;
use crate::resource::Subresource;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation::{immutable, not_negative, one_of, template};

/// What names the pods of a job; the old names are still set beside them.
const LABELS: [(&str, Label); 4] = [
    ("batch.kubernetes.io/controller-uid", Label::Uid),
    ("controller-uid", Label::Uid),
    ("batch.kubernetes.io/job-name", Label::Name),
    ("job-name", Label::Name),
];

#[derive(Clone, Copy, PartialEq)]
enum Label {
    Uid,
    Name,
}

pub(crate) struct JobStrategy;

impl Strategy for JobStrategy {
    fn names(&self) -> Names {
        Names::new(("batch", "v1"), ("Job", "JobList"), ("jobs", "job"), "batch.v1.Job").in_all()
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn prepare_create(&self, object: &mut Value) {
        object::remove(object, &["status"]);
        if object::bool_at(object, "/spec/manualSelector") != Some(true) {
            generate_selector(object);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.get("spec").unwrap_or(&Value::Null);
        for name in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
            not_negative(&mut errors, spec, &format!("/{name}"), &path.child(name));
        }
        template::validate_selector(&mut errors, spec, "job", &path);
        template::validate(&mut errors, spec.get("template").unwrap_or(&Value::Null), &path.child("template"));
        validate_restart_policy(&mut errors, spec, &path);
        validate_completion_mode(&mut errors, spec, &path);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        let path = Path::new("spec");
        for name in ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"] {
            immutable(&mut errors, object, old, &format!("/spec/{name}"), &path.child(name));
        }
        let elastic = object::str_at(object, "/spec/completionMode") == Some("Indexed")
            && cell::number(object, "/spec/completions") == cell::number(object, "/spec/parallelism");
        if !elastic {
            immutable(&mut errors, object, old, "/spec/completions", &path.child("completions"));
        }
        if !may_change_template(old) {
            immutable(&mut errors, object, old, "/spec/template", &path.child("template"));
        }
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const { &[SelectableField::new("status.successful", &["status.succeeded"]).absent("0")] }
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::name(),
            cell::text_column("Status", "Running, Complete, Failed, Suspended or Terminating."),
            cell::text_column("Completions", "How many pods have succeeded, of how many."),
            cell::text_column("Duration", "How long the job has taken."),
            cell::age_column(),
        ];
        columns.extend(cell::template_columns());
        columns
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let (containers, images) = cell::containers(object, "/spec/template/spec/containers");
        vec![
            cell::name(object),
            status(object).into(),
            completions(object).into(),
            duration(object, now).into(),
            cell::age(object, now),
            containers.into(),
            images.into(),
            cell::selector(object, "/spec/selector").into(),
        ]
    }
}

/// A job selects its pods by its own uid. Upstream: `generateSelector`.
fn generate_selector(object: &mut Value) {
    let (uid, name) = (object::uid(object).to_owned(), object::name(object).to_owned());
    if !object["spec"].is_object() {
        return;
    }
    for (key, label) in LABELS {
        let value = if label == Label::Uid { &uid } else { &name };
        object::set(object, &["spec", "template", "metadata", "labels", key], value.as_str().into());
    }
    if object::get(object, &["spec", "selector"]).is_none_or(Value::is_null) {
        object::set(object, &["spec", "selector"], json!({"matchLabels": {LABELS[0].0: uid}}));
    }
}

fn validate_restart_policy(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let path = path.child("template").child("spec").child("restartPolicy");
    match object::str_at(spec, "/template/spec/restartPolicy") {
        Some("OnFailure" | "Never") => (),
        other => {
            let allowed = ["OnFailure", "Never"];
            let mut error = field::not_supported(&path, other.unwrap_or("Always"), &allowed);
            if other.is_none() {
                error = field::required(&path, "valid values: \"OnFailure\", \"Never\"");
            }
            errors.push(error);
        }
    }
}

fn validate_completion_mode(errors: &mut ErrorList, spec: &Value, path: &Path) {
    one_of(errors, spec, "/completionMode", &path.child("completionMode"), &["NonIndexed", "Indexed"]);
    let indexed = object::str_at(spec, "/completionMode") == Some("Indexed");
    if indexed && object::i64_at(spec, "/completions").is_none() {
        let why = "when completion mode is Indexed";
        errors.push(field::required(&path.child("completions"), why));
    }
}

/// Scheduling directives may change while the job is suspended and has not begun. Upstream: `validatePodTemplateUpdate`.
fn may_change_template(old: &Value) -> bool {
    object::bool_at(old, "/spec/suspend") == Some(true) && object::str_at(old, "/status/startTime").is_none()
}

fn status(object: &Value) -> &'static str {
    let holds = |type_: &str| {
        let status = conditions::get(object, type_).and_then(|condition| object::str_at(condition, "/status"));
        status == Some("True")
    };
    match () {
        () if holds("Complete") => "Complete",
        () if holds("Failed") => "Failed",
        () if object::deletion_timestamp(object).is_some() => "Terminating",
        () if holds("Suspended") => "Suspended",
        () if holds("FailureTarget") => "FailureTarget",
        () if holds("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn completions(object: &Value) -> String {
    let succeeded = cell::number(object, "/status/succeeded");
    if let Some(completions) = object::i64_at(object, "/spec/completions") {
        return format!("{succeeded}/{completions}");
    }
    match cell::number(object, "/spec/parallelism") {
        parallelism if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    }
}

fn duration(object: &Value, now: Timestamp) -> String {
    let Some(began) = object::time_at(object, "/status/startTime") else { return String::new() };
    let ended = object::time_at(object, "/status/completionTime");
    // A failed job has no completion time; what its condition says is the next best.
    let failed = || conditions::get(object, "Failed").and_then(|failed| object::time_at(failed, "/lastTransitionTime"));
    age(began, ended.or_else(failed).unwrap_or(now))
}
