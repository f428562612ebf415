//! Jobs (`pkg/apis/batch/v1/defaults.go`).

use super::fill::{Members, if_absent, if_zero, object};
use super::pod::template_labels;

pub(super) fn job(job: &mut Members) {
    let Some(spec) = object(job, "spec") else { return };
    if is_absent(spec, "completions") && is_absent(spec, "parallelism") {
        if_absent(spec, "completions", 1);
    }
    if_absent(spec, "parallelism", 1);
    let backoff_limit = if is_absent(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
    if_absent(spec, "backoffLimit", backoff_limit);
    if_absent(spec, "completionMode", "NonIndexed");
    if_absent(spec, "suspend", false);
    let replacement = if is_absent(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    if_absent(spec, "podReplacementPolicy", replacement);
    if_absent(spec, "manualSelector", false);
    let labels = template_labels(spec);
    if let (Some(labels), Some(metadata)) = (labels, object(job, "metadata")) {
        if_zero(metadata, "labels", labels);
    }
}

fn is_absent(spec: &Members, name: &str) -> bool {
    spec.get(name).is_none_or(serde_json::Value::is_null)
}

pub(super) fn cron_job(cron_job: &mut Members) {
    let Some(spec) = object(cron_job, "spec") else { return };
    if_zero(spec, "concurrencyPolicy", "Allow");
    if_absent(spec, "suspend", false);
    if_absent(spec, "successfulJobsHistoryLimit", 3);
    if_absent(spec, "failedJobsHistoryLimit", 1);
}

pub(super) fn pod_condition_pattern(pattern: &mut Members) {
    if_zero(pattern, "status", "True");
}
