//! `spec.successPolicy`: when an indexed job has succeeded before all its indexes have. Upstream: `validateSuccessPolicy`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

const MAX_RULES: usize = 20;
const MAX_INDEXES_LENGTH: usize = 64 * 1024;

pub(super) fn validate(errors: &mut ErrorList, spec: &Value, policy: &Value, path: &Path) {
    let rules = object::list_at(policy, "/rules");
    let path = path.child("rules");
    if rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        errors.push(field::required(&path, why));
    }
    if rules.len() > MAX_RULES {
        errors.push(field::too_many(&path, rules.len(), MAX_RULES));
    }
    // Absent completions are told by others.
    let completions = object::i64_at(spec, "/completions").unwrap_or(0);
    for (index, rule) in rules.iter().enumerate() {
        validate_rule(errors, rule, completions, &path.index(index));
    }
}

fn validate_rule(errors: &mut ErrorList, rule: &Value, completions: i64, path: &Path) {
    let indexes = rule.get("succeededIndexes").and_then(Value::as_str);
    let count = object::i64_at(rule, "/succeededCount");
    if indexes.is_none() && count.is_none() {
        let why = "at least one of succeededCount or succeededIndexes must be specified";
        errors.push(field::required(path, why));
    }
    let listed = indexes.map(|text| validate_indexes(errors, text, completions, &path.child("succeededIndexes")));
    let Some(count) = count else { return };
    let path = path.child("succeededCount");
    if count < 0 {
        errors.push(field::invalid(&path, count, "must be greater than or equal to 0"));
    }
    let limits = [
        (Some(completions), "the number of specified completions"),
        (listed, "the number of indexes in the specified succeededIndexes field"),
    ];
    for (limit, what) in limits {
        if let Some(limit) = limit.filter(|limit| count > *limit) {
            errors.push(field::invalid(&path, count, format!("must be less than or equal to {limit} ({what})")));
        }
    }
}

fn validate_indexes(errors: &mut ErrorList, text: &str, completions: i64, path: &Path) -> i64 {
    if text.len() > MAX_INDEXES_LENGTH {
        errors.push(field::too_long(path, MAX_INDEXES_LENGTH));
    }
    count_indexes(text, completions).unwrap_or_else(|why| {
        errors.push(field::invalid(path, text, format!("error parsing succeededIndexes: {why}")));
        0
    })
}

/// How many indexes `1,3-5,7` names. Upstream: `validateIndexesFormat`.
fn count_indexes(text: &str, completions: i64) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let (mut total, mut last) = (0, None);
    for interval in text.split(',') {
        let (first, end) = parse_interval(interval, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// Upstream: `parseIndexInterval`.
fn parse_interval(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.len() > 2 {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        ));
    }
    let number = |text: &str| {
        let why = |_| format!("cannot convert string to integer for index: {text:?}");
        text.parse::<i64>().map_err(why)
    };
    let first = number(parts[0])?;
    let bounded = |number: i64| if number >= completions { Err(format!("too large index: {text:?}")) } else { Ok(()) };
    bounded(first)?;
    let Some(end) = parts.get(1) else { return Ok((first, first)) };
    let end = number(end)?;
    bounded(end)?;
    if first >= end {
        return Err(format!("non-increasing order, previous: {first}, current: {end}"));
    }
    Ok((first, end))
}
