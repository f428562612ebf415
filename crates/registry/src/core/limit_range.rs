//! LimitRanges. Upstream: `pkg/registry/core/limitrange`, `ValidateLimitRange`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sampan_meta::Quantity;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::qualified_name;
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation::{invalid_all, resources};

const MEMBERS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

pub(crate) struct LimitRangeStrategy;

impl Strategy for LimitRangeStrategy {
    fn names(&self) -> Names {
        let kind = ("LimitRange", "LimitRangeList");
        Names::new(("", "v1"), kind, ("limitranges", "limitrange"), "core.v1.LimitRange").short(&["limits"])
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec").child("limits");
        let mut types = BTreeSet::new();
        for (index, limit) in object::list_at(object, "/spec/limits").iter().enumerate() {
            let path = path.index(index);
            let type_ = object::str_at(limit, "/type").unwrap_or_default();
            validate_type(&mut errors, type_, &path.child("type"));
            if !types.insert(type_) {
                errors.push(field::duplicate(&path.child("type"), type_));
            }
            validate_limit(&mut errors, limit, type_, &path);
        }
        errors
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("Created At", "When the object was created.")]
    }

    fn row(&self, object: &Value, _: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::text(object, "/metadata/creationTimestamp", "")]
    }
}

fn validate_type(errors: &mut ErrorList, type_: &str, path: &Path) {
    let wrong = qualified_name(type_);
    if wrong.is_empty() && !type_.contains('/') && !matches!(type_, "Pod" | "Container" | "PersistentVolumeClaim") {
        errors.push(field::invalid(path, type_, "must be a standard limit type or fully qualified"));
    }
    invalid_all(errors, path, type_, wrong);
}

fn validate_limit(errors: &mut ErrorList, limit: &Value, type_: &str, path: &Path) {
    let mut amounts: BTreeMap<&str, BTreeMap<&str, Quantity>> = BTreeMap::new();
    for member in MEMBERS {
        let default = member.starts_with("default");
        if type_ == "Pod" && default {
            if resources::entries(limit, member).next().is_some() {
                errors.push(field::forbidden(&path.child(member), "may not be specified when `type` is 'Pod'"));
            }
            continue;
        }
        for (name, value) in resources::entries(limit, member) {
            let any = !matches!(type_, "Pod" | "Container");
            resources::limit_name(errors, name, any, &path.child(member).key(name));
            if let Some(quantity) = resources::quantity(value) {
                amounts.entry(name).or_default().insert(member, quantity);
            }
        }
    }
    let storage =
        ["min", "max"].iter().any(|member| resources::entries(limit, member).any(|(name, _)| name == "storage"));
    if type_ == "PersistentVolumeClaim" && !storage {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(field::required(&path.child("limits"), why));
    }
    for (name, amounts) in amounts {
        validate_order(errors, name, &amounts, path);
        validate_ratio(errors, name, &amounts, path);
    }
}

/// Smaller member, greater member, where the finding is, what the two are called.
const ORDER: [(&str, &str, &str, &str, &str); 6] = [
    ("min", "max", "min", "min value", "max value"),
    ("min", "defaultRequest", "defaultRequest", "min value", "default request value"),
    ("defaultRequest", "max", "defaultRequest", "default request value", "max value"),
    ("defaultRequest", "default", "defaultRequest", "default request value", "default limit value"),
    ("min", "default", "default", "min value", "default value"),
    ("default", "max", "default", "default value", "max value"),
];

fn validate_order(errors: &mut ErrorList, name: &str, amounts: &BTreeMap<&str, Quantity>, path: &Path) {
    for (less, more, at, less_name, more_name) in ORDER {
        let (Some(smaller), Some(greater)) = (amounts.get(less), amounts.get(more)) else { continue };
        if smaller > greater {
            // Upstream shows the bound, not the default, where a default breaks it.
            let shown = match (at, less) {
                ("default", "min") => smaller,
                ("default", _) => greater,
                _ => amounts.get(at).unwrap_or(smaller),
            };
            let why = format!("{less_name} {smaller} is greater than {more_name} {greater}");
            errors.push(field::invalid(&path.child(at).key(name), shown.to_string(), why));
        }
    }
}

fn validate_ratio(errors: &mut ErrorList, name: &str, amounts: &BTreeMap<&str, Quantity>, path: &Path) {
    let Some(ratio) = amounts.get("maxLimitRequestRatio") else { return };
    let path = path.child("maxLimitRequestRatio").key(name);
    if ratio.milli() < 1000 {
        errors.push(field::invalid(&path, ratio.to_string(), format!("ratio {ratio} is less than 1")));
    }
    let (Some(min), Some(max)) = (amounts.get("min"), amounts.get("max")) else { return };
    let limit = max.as_f64() / min.as_f64();
    if ratio.as_f64() > limit {
        let why = format!("ratio {ratio} is greater than max/min = {limit:.6}");
        errors.push(field::invalid(&path, ratio.to_string(), why));
    }
}
