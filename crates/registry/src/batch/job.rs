//! Jobs. Upstream: `pkg/registry/batch/job`, `ValidateJob`, `printJob`.

mod change;
mod failure_policy;
pub(in crate::batch) mod rules;
mod success_policy;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::selector::LabelSelector;
use sampan_meta::table::{Cell, Column};
use sampan_meta::time::age;
use sampan_meta::validation::dns1123_label;
use serde_json::{Map, Value, json};

use crate::cell;
use crate::conditions;
use crate::resource::Subresource;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation::{labels, template};

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
        validate_generated(&mut errors, object);
        rules::validate(&mut errors, spec, &path);
        validate_selector(&mut errors, spec, &path);
        validate_host_names(&mut errors, object);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let (spec, path) = (object.get("spec").unwrap_or(&Value::Null), Path::new("spec"));
        rules::validate(&mut errors, spec, &path);
        validate_selector(&mut errors, spec, &path);
        change::validate(&mut errors, object, old);
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, old: &Value) -> ErrorList {
        change::validate_status(object, old)
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

/// A selector made for the job is of its uid, and its template carries what it selects. Upstream: `validateGeneratedSelector`.
fn validate_generated(errors: &mut ErrorList, object: &Value) {
    let selector = object.pointer("/spec/selector").filter(|selector| selector.is_object());
    let Some(selector) = selector.filter(|_| object::bool_at(object, "/spec/manualSelector") != Some(true)) else {
        return;
    };
    let labels = LABELS.iter().map(|(key, label)| {
        let value = if *label == Label::Uid { object::uid(object) } else { object::name(object) };
        ((*key).to_owned(), Value::from(value))
    });
    let expected: Map<String, Value> = labels.collect();
    let matches = LabelSelector::from_json(selector).is_ok_and(|selector| selector.matches_map(Some(&expected)));
    if !matches {
        let path = Path::new("spec").child("selector");
        errors.push(field::invalid(&path, selector.clone(), "`selector` not auto-generated"));
    }
}

fn validate_selector(errors: &mut ErrorList, spec: &Value, path: &Path) {
    match spec.get("selector").filter(|selector| selector.is_object()) {
        None => {
            errors.push(field::required(&path.child("selector"), ""));
            template::mismatch(errors, spec, path);
        }
        Some(selector) => {
            labels::validate_selector(errors, Some(selector), &path.child("selector"));
            template::match_template(errors, spec, selector, path);
        }
    }
}

/// The pods of an indexed job are hosts named after it and their index.
fn validate_host_names(errors: &mut ErrorList, object: &Value) {
    let completions = object::i64_at(object, "/spec/completions").unwrap_or(0);
    if completions < 1 || !rules::is_indexed(object.get("spec").unwrap_or(&Value::Null)) {
        return;
    }
    let name = object::name(object);
    let host = format!("{name}-{}", completions - 1);
    if !dns1123_label(&host).is_empty() {
        let why = format!("will not able to create pod with invalid DNS label: {host}");
        errors.push(field::invalid(&Path::new("metadata").child("name"), name, why));
    }
}

/// Whether a condition is true.
fn holds(object: &Value, type_: &str) -> bool {
    let status = conditions::get(object, type_).and_then(|condition| object::str_at(condition, "/status"));
    status == Some("True")
}

fn status(object: &Value) -> &'static str {
    let holds = |type_: &str| holds(object, type_);
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
