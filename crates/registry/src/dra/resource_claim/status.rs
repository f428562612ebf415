//! What a claim has been given, and who uses it. Upstream: `validateResourceClaimStatusUpdate`.

use std::net::IpAddr;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use crate::dra::claim::{MOST, RequestNames, validate_configuration, validate_raw};
use crate::dra::lists::{each, each_once, itself, list, text};
use crate::dra::{names, taint};
use crate::validation::{immutable, volume_affinity};

const MOST_USERS: usize = 256;
const MOST_CONDITIONS: usize = 8;
const MOST_ADDRESSES: usize = 16;
const MAX_INTERFACE: usize = 256;
const MAX_HARDWARE_ADDRESS: usize = 128;

/// `driver/pool/device[/share]`: one device, or one share of one.
fn device_id(device: &Value) -> String {
    let share = device.get("shareID").and_then(Value::as_str);
    let id = format!("{}/{}/{}", text(device, "driver"), text(device, "pool"), text(device, "device"));
    share.map_or_else(|| id.clone(), |share| format!("{id}/{share}"))
}

fn allocated(object: &Value) -> Vec<String> {
    object::list_at(object, "/status/allocation/devices/results").iter().map(device_id).collect()
}

/// What is said of a device goes with the device.
pub(super) fn drop_deallocated(object: &mut Value, old: &Value) {
    let (now, before) = (allocated(object), allocated(old));
    let Some(devices) = object.pointer_mut("/status/devices").and_then(Value::as_array_mut) else { return };
    devices.retain(|device| !before.contains(&device_id(device)) || now.contains(&device_id(device)));
    if devices.is_empty() {
        object::remove(object, &["status", "devices"]);
    }
}

pub(super) fn validate(object: &Value, old: &Value) -> ErrorList {
    let (mut errors, path) = (ErrorList::new(), Path::new("status"));
    let users = object::list_at(object, "/status/reservedFor");
    let uid = |user: &Value| text(user, "uid").to_owned();
    each_once(&mut errors, users, MOST_USERS, &path.child("reservedFor"), uid, &mut validate_user);
    let ids = allocated(object);
    let devices = object::list_at(object, "/status/devices");
    each_once(&mut errors, devices, usize::MAX, &path.child("devices"), device_id, &mut |errors, device, path| {
        validate_device(errors, device, &ids, path);
    });
    validate_users(&mut errors, object, old, &path.child("reservedFor"));
    let allocation = |value: &Value| value.pointer("/status/allocation").is_some_and(Value::is_object);
    let path = path.child("allocation");
    if allocation(old) && allocation(object) {
        immutable(&mut errors, object, old, "/status/allocation", &path);
    } else if allocation(object) {
        validate_allocation(&mut errors, object, &path);
    }
    errors
}

fn validate_user(errors: &mut ErrorList, user: &Value, path: &Path) {
    for member in ["resource", "name", "uid"] {
        if text(user, member).is_empty() {
            errors.push(field::required(&path.child(member), ""));
        }
    }
}

/// Nobody uses what is not given, and nobody begins to use what is going.
fn validate_users(errors: &mut ErrorList, object: &Value, old: &Value, path: &Path) {
    let users = |value| object::list_at(value, "/status/reservedFor");
    if users(object).is_empty() {
        return;
    }
    if !object.pointer("/status/allocation").is_some_and(Value::is_object) {
        errors.push(field::forbidden(path, "may not be specified when `allocated` is not set"));
    } else if object::deletion_timestamp(object).is_some()
        && users(object).iter().any(|user| !users(old).contains(user))
    {
        let why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
        errors.push(field::forbidden(path, why));
    }
}

fn validate_allocation(errors: &mut ErrorList, object: &Value, path: &Path) {
    let claim = object.pointer("/spec/devices").cloned().unwrap_or_default();
    let known = RequestNames::of(&claim);
    let allocation = &object["status"]["allocation"];
    let path_of_devices = path.child("devices");
    let results = object::list_at(allocation, "/devices/results");
    each(errors, results, MOST, &path_of_devices.child("results"), &mut |errors, result, path| {
        validate_result(errors, result, &known, path);
    });
    let config = object::list_at(allocation, "/devices/config");
    each(errors, config, 2 * MOST, &path_of_devices.child("config"), &mut |errors, config, path| {
        match text(config, "source") {
            "" => errors.push(field::required(&path.child("source"), "")),
            "FromClaim" | "FromClass" => (),
            other => errors.push(field::not_supported(&path.child("source"), other, &["FromClaim", "FromClass"])),
        }
        known.validate_references(errors, config, path);
        validate_configuration(errors, config, path);
    });
    if let Some(selector) = allocation.get("nodeSelector").filter(|selector| selector.is_object()) {
        volume_affinity::validate_selector(errors, selector, &path.child("nodeSelector"));
    }
}

fn validate_result(errors: &mut ErrorList, result: &Value, known: &RequestNames<'_>, path: &Path) {
    known.validate_reference(errors, text(result, "request"), &path.child("request"));
    validate_identity(errors, result, path);
    taint::validate_binding(errors, result, path);
    for (index, toleration) in list(result, "tolerations").iter().enumerate() {
        taint::validate_toleration(errors, toleration, &path.child("tolerations").index(index));
    }
}

fn validate_identity(errors: &mut ErrorList, device: &Value, path: &Path) {
    names::validate_driver(errors, text(device, "driver"), &path.child("driver"));
    names::validate_pool(errors, text(device, "pool"), &path.child("pool"));
    names::validate_label(errors, text(device, "device"), &path.child("device"));
    if let Some(share) = device.get("shareID").and_then(Value::as_str) {
        names::validate_uid(errors, share, &path.child("shareID"));
    }
}

fn validate_device(errors: &mut ErrorList, device: &Value, allocated: &[String], path: &Path) {
    validate_identity(errors, device, path);
    if !allocated.contains(&device_id(device)) {
        errors.push(field::invalid(path, device_id(device), "must be an allocated device in the claim"));
    }
    let conditions = list(device, "conditions");
    if conditions.len() > MOST_CONDITIONS {
        errors.push(field::too_many(&path.child("conditions"), conditions.len(), MOST_CONDITIONS));
    }
    if device.get("data").is_some_and(|data| !data.is_null()) {
        validate_raw(errors, device.get("data"), &path.child("data"));
    }
    if let Some(network) = device.get("networkData").filter(|network| network.is_object()) {
        validate_network(errors, network, &path.child("networkData"));
    }
}

fn validate_network(errors: &mut ErrorList, network: &Value, path: &Path) {
    for (name, most) in [("interfaceName", MAX_INTERFACE), ("hardwareAddress", MAX_HARDWARE_ADDRESS)] {
        if text(network, name).len() > most {
            errors.push(field::too_long(&path.child(name), most));
        }
    }
    let addresses = list(network, "ips");
    each_once(errors, addresses, MOST_ADDRESSES, &path.child("ips"), itself, &mut |errors, address, path| {
        let given = itself(address);
        if !is_interface_address(&given) {
            let why = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)";
            errors.push(field::invalid(path, given, why));
        }
    });
}

fn is_interface_address(given: &str) -> bool {
    let Some((address, length)) = given.split_once('/') else { return false };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}
