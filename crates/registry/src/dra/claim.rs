//! What a claim asks for, in claims and in their templates. Upstream: `validateDeviceClaim`.

use std::collections::{BTreeMap, BTreeSet};

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_subdomain;
use serde_json::Value;

use super::lists::{each, each_once, itself, list, name, text};
use super::{names, taint};
use crate::validation::invalid_all;

/// Of requests, constraints, configurations and selectors alike.
pub(super) const MOST: usize = 32;
const MOST_ALTERNATIVES: usize = 8;
/// Bytes of an expression, and of what a driver is told.
const MAX_BYTES: usize = 10 * 1024;
const NO_REQUEST: &str =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/// The requests of a claim, each with its alternatives.
pub(super) struct RequestNames<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> RequestNames<'a> {
    /// Of a `DeviceClaim`.
    pub(super) fn of(devices: &'a Value) -> Self {
        let alternatives = |request: &'a Value| list(request, "firstAvailable").iter().map(|one| text(one, "name"));
        let requests = list(devices, "requests").iter();
        Self(requests.map(|request| (text(request, "name"), alternatives(request).collect())).collect())
    }

    fn has(&self, reference: &str) -> bool {
        match reference.split('/').collect::<Vec<_>>()[..] {
            [request] => self.0.contains_key(request),
            [request, alternative] => self.0.get(request).is_some_and(|known| known.contains(alternative)),
            _ => false,
        }
    }

    /// A reference to one of them.
    pub(super) fn validate_reference(&self, errors: &mut ErrorList, reference: &str, path: &Path) {
        let parts: Vec<&str> = reference.split('/').collect();
        if parts.len() <= 2 {
            parts.iter().for_each(|part| names::validate_label(errors, part, path));
        }
        if !self.has(reference) {
            errors.push(field::invalid(path, reference, NO_REQUEST));
        }
    }

    /// `requests`: a list of references.
    pub(super) fn validate_references(&self, errors: &mut ErrorList, owner: &Value, path: &Path) {
        let (references, path) = (list(owner, "requests"), path.child("requests"));
        each_once(errors, references, MOST, &path, itself, &mut |errors, reference, path| {
            self.validate_reference(errors, &itself(reference), path);
        });
    }
}

/// A `DeviceClaim`.
pub(super) fn validate(errors: &mut ErrorList, devices: &Value, path: &Path) {
    let known = RequestNames::of(devices);
    let requests = list(devices, "requests");
    each_once(errors, requests, MOST, &path.child("requests"), name, &mut validate_request);
    each(errors, list(devices, "constraints"), MOST, &path.child("constraints"), &mut |errors, constraint, path| {
        known.validate_references(errors, constraint, path);
        validate_constraint(errors, constraint, path);
    });
    each(errors, list(devices, "config"), MOST, &path.child("config"), &mut |errors, config, path| {
        known.validate_references(errors, config, path);
        validate_configuration(errors, config, path);
    });
}

fn validate_request(errors: &mut ErrorList, request: &Value, path: &Path) {
    names::validate_label(errors, text(request, "name"), &path.child("name"));
    let alternatives = list(request, "firstAvailable");
    let exactly = request.get("exactly").filter(|exactly| exactly.is_object());
    let why = "exactly one of `exactly` or `firstAvailable` is required";
    match (exactly, alternatives.is_empty()) {
        (None, true) => errors.push(field::required(path, why)),
        (Some(_), false) => {
            let why = format!("{why}, but multiple fields are set");
            errors.push(field::invalid(path, Value::Null, why));
        }
        (Some(exactly), true) => validate_wish(errors, exactly, &path.child("exactly")),
        (None, false) => {
            let path = path.child("firstAvailable");
            each_once(errors, alternatives, MOST_ALTERNATIVES, &path, name, &mut |errors, one, path| {
                names::validate_label(errors, text(one, "name"), &path.child("name"));
                validate_wish(errors, one, path);
            });
        }
    }
}

/// Which devices, and how many.
fn validate_wish(errors: &mut ErrorList, wish: &Value, path: &Path) {
    match text(wish, "deviceClassName") {
        "" => errors.push(field::required(&path.child("deviceClassName"), "")),
        class => invalid_all(errors, &path.child("deviceClassName"), class, dns1123_subdomain(class)),
    }
    validate_selectors(errors, wish, path);
    let count = object::i64_at(wish, "/count").unwrap_or(0);
    match text(wish, "allocationMode") {
        "All" if count != 0 => {
            let why = "must not be specified when allocationMode is 'All'";
            errors.push(field::invalid(&path.child("count"), count, why));
        }
        "ExactCount" if count <= 0 => {
            errors.push(field::invalid(&path.child("count"), count, "must be greater than zero"));
        }
        "All" | "ExactCount" => (),
        other => errors.push(field::not_supported(&path.child("allocationMode"), other, &["All", "ExactCount"])),
    }
    for (index, toleration) in list(wish, "tolerations").iter().enumerate() {
        taint::validate_toleration(errors, toleration, &path.child("tolerations").index(index));
    }
}

/// `selectors`, also of a class.
pub(super) fn validate_selectors(errors: &mut ErrorList, owner: &Value, path: &Path) {
    each(errors, list(owner, "selectors"), MOST, &path.child("selectors"), &mut |errors, selector, path| {
        let path = path.child("cel");
        match selector.get("cel").filter(|cel| cel.is_object()) {
            None => errors.push(field::required(&path, "")),
            Some(cel) if text(cel, "expression").len() > MAX_BYTES => {
                errors.push(field::too_long(&path.child("expression"), MAX_BYTES));
            }
            Some(_) => (),
        }
    });
}

fn validate_constraint(errors: &mut ErrorList, constraint: &Value, path: &Path) {
    let given = |name: &'static str| Some((name, constraint.get(name)?.as_str()?));
    match given("matchAttribute").or_else(|| given("distinctAttribute")) {
        Some((name, attribute)) => names::validate_fully_qualified(errors, attribute, &path.child(name)),
        None => {
            let why =
                "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set";
            errors.push(field::required(path, why));
        }
    }
}

/// What a driver is told, also by a class. Upstream: `validateDeviceConfiguration`.
pub(super) fn validate_configuration(errors: &mut ErrorList, config: &Value, path: &Path) {
    let path = path.child("opaque");
    let Some(opaque) = config.get("opaque").filter(|opaque| opaque.is_object()) else {
        errors.push(field::required(&path, ""));
        return;
    };
    names::validate_driver(errors, text(opaque, "driver"), &path.child("driver"));
    validate_raw(errors, opaque.get("parameters"), &path.child("parameters"));
}

/// An object of somebody else's kind. Upstream: `validateRawExtension`.
pub(super) fn validate_raw(errors: &mut ErrorList, value: Option<&Value>, path: &Path) {
    match value {
        None | Some(Value::Null) => errors.push(field::required(path, "")),
        Some(value) if value.to_string().len() > MAX_BYTES => errors.push(field::too_long(path, MAX_BYTES)),
        Some(Value::Object(_)) => (),
        Some(_) => errors.push(field::invalid(path, "<value omitted>", "must be a valid JSON object")),
    }
}
