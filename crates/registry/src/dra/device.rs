//! One device of a slice. Upstream: `validateDevice`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_subdomain;
use serde_json::Value;

use super::lists::{each, each_entry, each_once, list, text};
use super::resource_slice::validate_counters;
use super::{capacity, names, taint};
use crate::validation::{invalid_all, volume_affinity};

const MOST_ATTRIBUTES: usize = 32;
const MOST_VALUES: usize = 48;
const MOST_TAINTS: usize = 16;
const MOST_COUNTER_SETS: usize = 2;
/// Bytes of the value of an attribute.
const MAX_VALUE: usize = 64;
const LISTS: [&str; 4] = ["bools", "ints", "strings", "versions"];

/// Whose place is spoken of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Slice,
    Device,
}

/// Whether a device makes more work than a plain one.
pub(super) fn is_involved(device: &Value) -> bool {
    let listed = |attribute: &Value| LISTS.iter().any(|name| attribute.get(*name).is_some_and(Value::is_array));
    let attributes = device.get("attributes").and_then(Value::as_object);
    !list(device, "taints").is_empty()
        || !list(device, "consumesCounters").is_empty()
        || attributes.is_some_and(|attributes| attributes.values().any(listed))
}

/// `apart`: each device says itself where it is.
pub(super) fn validate(errors: &mut ErrorList, device: &Value, apart: bool, path: &Path) {
    names::validate_label(errors, text(device, "name"), &path.child("name"));
    validate_sizes(errors, device, path);
    let attributes = device.get("attributes");
    let path_of_attributes = path.child("attributes");
    let qualified = names::validate_qualified;
    each_entry(errors, attributes, usize::MAX, &path_of_attributes, qualified, &mut validate_attribute);
    let shared = object::bool_at(device, "/allowMultipleAllocations") == Some(true);
    let path_of_capacity = path.child("capacity");
    each_entry(errors, device.get("capacity"), usize::MAX, &path_of_capacity, qualified, &mut |errors, entry, path| {
        capacity::validate(errors, entry, shared, path);
    });
    each(errors, list(device, "taints"), MOST_TAINTS, &path.child("taints"), &mut taint::validate);
    let (used, path_of_used) = (list(device, "consumesCounters"), path.child("consumesCounters"));
    let set = |used: &Value| text(used, "counterSet").to_owned();
    each_once(errors, used, MOST_COUNTER_SETS, &path_of_used, set, &mut |errors, used, path| {
        validate_counters(errors, used, "counterSet", path);
    });
    if apart {
        validate_place(errors, device, Whose::Device, path);
    } else if ["nodeName", "nodeSelector", "allNodes"].iter().any(|name| is_given(device, name)) {
        let why = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
        errors.push(field::invalid(path, Value::Null, why));
    }
    taint::validate_binding(errors, device, path);
}

fn is_given(owner: &Value, member: &str) -> bool {
    owner.get(member).is_some_and(|value| !value.is_null())
}

fn validate_sizes(errors: &mut ErrorList, device: &Value, path: &Path) {
    let entries = |member: &str| device.get(member).and_then(Value::as_object);
    let count = |member: &str| entries(member).map_or(0, serde_json::Map::len);
    let all = count("attributes") + count("capacity");
    if all > MOST_ATTRIBUTES {
        let why = format!("the total number of attributes and capacities must not exceed {MOST_ATTRIBUTES}");
        errors.push(field::invalid(path, all, why));
    }
    let listed = |attribute: &Value| LISTS.iter().map(|name| list(attribute, name).len()).sum::<usize>().max(1);
    let values: usize = entries("attributes").into_iter().flatten().map(|(_, attribute)| listed(attribute)).sum();
    if values > MOST_VALUES {
        let why = format!("the total number of attribute values must not exceed {MOST_VALUES}");
        errors.push(field::invalid(path, values, why));
    }
}

/// One value, or one list of values of one type.
fn validate_attribute(errors: &mut ErrorList, attribute: &Value, path: &Path) {
    let all = ["bool", "int", "string", "version", "bools", "ints", "strings", "versions"];
    let given: Vec<&str> = all.into_iter().filter(|name| is_given(attribute, name)).collect();
    for name in &given {
        let path = path.child(name);
        let value = &attribute[*name];
        match *name {
            "string" | "version" => validate_value(errors, value, *name == "version", &path),
            "bool" | "int" => (),
            _ if value.as_array().is_some_and(Vec::is_empty) => {
                errors.push(field::invalid(&path, value.clone(), "must not be empty if specified"));
            }
            "strings" | "versions" => {
                for (index, value) in list(attribute, name).iter().enumerate() {
                    validate_value(errors, value, *name == "versions", &path.index(index));
                }
            }
            _ => (),
        }
    }
    match given.len() {
        0 => errors.push(field::invalid(path, "", "exactly one value must be specified")),
        1 => (),
        _ => errors.push(field::invalid(path, attribute.clone(), "exactly one value must be specified")),
    }
}

fn validate_value(errors: &mut ErrorList, value: &Value, version: bool, path: &Path) {
    let value = value.as_str().unwrap_or_default();
    if version && !is_semantic_version(value) {
        errors.push(field::invalid(path, value, "must be a string compatible with semver.org spec 2.0.0"));
    }
    if value.len() > MAX_VALUE {
        errors.push(field::too_long(path, MAX_VALUE));
    }
}

/// `1.2.3-alpha.1+build.5`.
fn is_semantic_version(text: &str) -> bool {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, early) = rest.split_once('-').map_or((rest, None), |(core, early)| (core, Some(early)));
    let number = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let early_part = |part: &str| word(part) && (number(part) || !part.bytes().all(|byte| byte.is_ascii_digit()));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && early.is_none_or(|early| early.split('.').all(early_part))
        && build.is_none_or(|build| build.split('.').all(word))
}

/// Where the devices are: at one node, at those that a selector finds, at all, or each says itself.
pub(super) fn validate_place(errors: &mut ErrorList, owner: &Value, whose: Whose, path: &Path) {
    let mut given = Vec::new();
    if let Some(name) = owner.get("nodeName").and_then(Value::as_str) {
        let path = path.child("nodeName");
        match (name, whose) {
            ("", Whose::Slice) => {
                errors.push(field::invalid(&path, "", "must be either unset or set to a non-empty string"));
            }
            ("", Whose::Device) => errors.push(field::invalid(&path, "", "must not be empty")),
            (name, _) => {
                given.push("`nodeName`");
                invalid_all(errors, &path, name, dns1123_subdomain(name));
            }
        }
    }
    if let Some(selector) = owner.get("nodeSelector").filter(|selector| selector.is_object()) {
        given.push("`nodeSelector`");
        validate_selector(errors, selector, whose, &path.child("nodeSelector"));
    }
    let flags: &[&str] = if whose == Whose::Slice { &["allNodes", "perDeviceNodeSelection"] } else { &["allNodes"] };
    for flag in flags {
        match owner.get(*flag).and_then(Value::as_bool) {
            Some(true) if *flag == "allNodes" => given.push("`allNodes`"),
            Some(true) => given.push("`perDeviceNodeSelection`"),
            Some(false) => {
                errors.push(field::invalid(&path.child(flag), false, "must be either unset or set to true"));
            }
            None => (),
        }
    }
    refuse_unless_one(errors, &given, whose, path);
}

fn validate_selector(errors: &mut ErrorList, selector: &Value, whose: Whose, path: &Path) {
    volume_affinity::validate_selector(errors, selector, path);
    let terms = list(selector, "nodeSelectorTerms");
    if whose == Whose::Slice && terms.len() != 1 {
        let why = "must have exactly one node selector term";
        errors.push(field::invalid(&path.child("nodeSelectorTerms"), terms.to_vec(), why));
    }
}

fn refuse_unless_one(errors: &mut ErrorList, given: &[&str], whose: Whose, path: &Path) {
    let shown = format!("{{{}}}", given.join(", "));
    let of_slice = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    let of_device = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    match (given.len(), whose) {
        (1, _) => (),
        (0, Whose::Slice) => errors.push(field::required(path, of_slice)),
        (0, Whose::Device) => errors.push(field::required(path, of_device)),
        (_, Whose::Slice) => {
            errors.push(field::invalid(path, shown, format!("{of_slice}, but multiple fields are set")));
        }
        (_, Whose::Device) => errors.push(field::invalid(path, shown, of_device)),
    }
}
