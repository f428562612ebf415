//! Resource requests and limits. Upstream: `ValidateResourceRequirements`.

use sampan_meta::Quantity;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::qualified_name;
use serde_json::{Map, Value};

use super::invalid_all;

pub(crate) fn validate_resources(errors: &mut ErrorList, resources: Option<&Value>, path: &Path) {
    let list = |name| resources.and_then(|resources| resources.get(name)).and_then(Value::as_object);
    let (limits, requests) = (list("limits"), list("requests"));
    for (name, list) in [("limits", limits), ("requests", requests)] {
        for (resource, amount) in list.into_iter().flatten() {
            validate_amount(errors, resource, amount, &path.child(name).key(resource));
        }
    }
    for (resource, request) in requests.into_iter().flatten() {
        validate_within(errors, resource, request, limits, &path.child("requests"));
    }
}

fn validate_amount(errors: &mut ErrorList, resource: &str, amount: &Value, path: &Path) {
    invalid_all(errors, path, resource, qualified_name(resource));
    let standard = ["cpu", "memory", "ephemeral-storage"].contains(&resource);
    if !standard && !resource.contains('/') && !resource.starts_with("hugepages-") {
        errors.push(field::invalid(path, resource, "must be a standard resource for containers"));
    }
    let Some(quantity) = parse(amount) else {
        let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        errors.push(field::invalid(path, amount.clone(), why));
        return;
    };
    if quantity.is_negative() {
        errors.push(field::invalid(path, amount.clone(), "must be greater than or equal to 0"));
    }
    if !standard && quantity.milli() % 1000 != 0 {
        errors.push(field::invalid(path, amount.clone(), "must be an integer"));
    }
}

fn validate_within(
    errors: &mut ErrorList,
    resource: &str,
    request: &Value,
    limits: Option<&Map<String, Value>>,
    path: &Path,
) {
    let limit = limits.and_then(|limits| limits.get(resource));
    let (Some(request), Some(limit)) = (parse(request), limit.and_then(parse)) else { return };
    if request > limit {
        let why = format!("must be less than or equal to {resource} limit of {limit}");
        errors.push(field::invalid(path, request.to_string(), why));
    }
}

fn parse(amount: &Value) -> Option<Quantity> {
    match amount {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}
