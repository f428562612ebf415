//! How much of a device's capacity one may take. Upstream: `validateRequestPolicy`.

use std::collections::BTreeSet;

use sampan_meta::Quantity;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::lists::list;

const MOST_OPTIONS: usize = 10;

/// `shared`: whether the device can be given to several.
pub(super) fn validate(errors: &mut ErrorList, capacity: &Value, shared: bool, path: &Path) {
    let Some(policy) = capacity.get("requestPolicy").filter(|policy| policy.is_object()) else { return };
    let path = path.child("requestPolicy");
    if !shared {
        errors.push(field::forbidden(&path, "allowMultipleAllocations must be true"));
        return;
    }
    let most = amount(capacity, "value").unwrap_or(Quantity::ZERO);
    let (options, range) = (list(policy, "validValues"), policy.get("validRange").filter(|range| range.is_object()));
    let (name, range) = match (options.is_empty(), range) {
        (true, None) => return,
        (false, Some(_)) => {
            let why = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time";
            errors.push(field::forbidden(&path, why));
            return;
        }
        (false, None) => ("validValues", None),
        (true, Some(range)) => ("validRange", Some(range)),
    };
    let Some(default) = amount(policy, "default") else {
        errors.push(field::required(&path.child("default"), format!("required when {name} is defined")));
        return;
    };
    match range {
        Some(range) => validate_range(errors, range, default, most, &path.child(name)),
        None => validate_options(errors, options, default, most, &path.child(name)),
    }
}

fn amount(owner: &Value, member: &str) -> Option<Quantity> {
    object::str_at(owner, &format!("/{member}")).and_then(|text| Quantity::parse(text).ok())
}

fn validate_options(errors: &mut ErrorList, options: &[Value], default: Quantity, most: Quantity, path: &Path) {
    let options: Vec<Quantity> = options.iter().filter_map(|option| Quantity::parse(option.as_str()?).ok()).collect();
    for (index, pair) in options.windows(2).enumerate().filter(|(_, pair)| pair[0] > pair[1]) {
        let why = "values must be sorted in ascending order";
        errors.push(field::invalid(&path.index(index + 1), pair[1].to_string(), why));
    }
    if options.len() > MOST_OPTIONS {
        errors.push(field::too_many(path, options.len(), MOST_OPTIONS));
    }
    let mut seen = BTreeSet::new();
    for (index, option) in options.iter().enumerate().take(MOST_OPTIONS) {
        if *option > most {
            let why = format!("option is larger than capacity value: {most}");
            errors.push(field::invalid(&path.index(index), option.to_string(), why));
        }
        if !seen.insert(*option) {
            errors.push(field::duplicate(&path.index(index), option.to_string()));
        }
    }
    if !options.contains(&default) {
        let why = "default value is not valid according to the requestPolicy";
        errors.push(field::invalid(path, default.to_string(), why));
    }
}

fn validate_range(errors: &mut ErrorList, range: &Value, default: Quantity, most: Quantity, path: &Path) {
    let Some(min) = amount(range, "min") else {
        errors.push(field::required(&path.child("min"), "required when validRange is defined"));
        return;
    };
    let mut wrong = |holds: bool, member: &str, value: Quantity, why: String| {
        if holds {
            errors.push(field::invalid(&path.child(member), value.to_string(), why));
        }
    };
    wrong(min > most, "min", min, format!("min is larger than capacity value: {most}"));
    wrong(default < min, "default", default, format!("default is less than min: {min}"));
    let max = amount(range, "max");
    if let Some(max) = max {
        wrong(min > max, "max", min, format!("min is larger than max: {max}"));
        wrong(max > most, "max", max, format!("max is larger than capacity value: {most}"));
        wrong(default > max, "default", default, format!("default is more than max: {max}"));
    }
    let Some(step) = amount(range, "step") else { return };
    if step <= Quantity::ZERO {
        wrong(true, "step", step, "must be greater than zero".to_owned());
        return;
    }
    let added = min + step;
    wrong(added > most, "step", step, format!("one step {added} is larger than capacity value: {most}"));
    for value in [Some(default), max].into_iter().flatten() {
        let off = (value.milli() - min.milli()) % step.milli() != 0;
        wrong(off, "step", value, format!("value is not a multiple of a given step ({step}) from ({min})"));
    }
}
