//! Disks, local and over a network.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::{Owner, validate_secret};
use crate::validation::one_of;

const LUN: &str = "must be between 0 and 255, inclusive";
const PARTITION: &str = "must be between 0 and 255, inclusive";

pub(super) fn validate_partition(errors: &mut ErrorList, source: &Value, path: &Path) {
    let partition = object::i64_at(source, "/partition").unwrap_or(0);
    if !(0..=255).contains(&partition) {
        errors.push(field::invalid(&path.child("partition"), partition, PARTITION));
    }
}

/// `path` is the volume's: one message is about its name.
pub(super) fn validate_iscsi(errors: &mut ErrorList, source: &Value, owner: Owner, volume: &str, path: &Path) {
    let own = path.child("iscsi");
    let text = |name: &str| object::str_at(source, &format!("/{name}"));
    let portal = text("targetPortal").unwrap_or_default();
    if portal.is_empty() {
        errors.push(field::required(&own.child("targetPortal"), ""));
    }
    if text("initiatorName").is_some() && format!("{volume}:{portal}").len() > 64 {
        let why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        errors.push(match owner {
            Owner::Pod => field::invalid(&path.child("name"), volume, why),
            Owner::PersistentVolume => field::invalid(&own.child("targetportal"), portal, why),
        });
    }
    match text("iqn") {
        None => errors.push(field::required(&own.child("iqn"), "")),
        Some(name) => validate_iscsi_name(errors, name, owner, &own.child("iqn")),
    }
    let lun = object::i64_at(source, "/lun").unwrap_or(0);
    if !(0..=255).contains(&lun) {
        errors.push(field::invalid(&own.child("lun"), lun, LUN));
    }
    let secured = ["chapAuthDiscovery", "chapAuthSession"].iter().any(|name| source[*name] == true);
    if secured && source.get("secretRef").is_none_or(Value::is_null) {
        errors.push(field::required(&own.child("secretRef"), ""));
    }
    if owner == Owner::PersistentVolume {
        validate_secret(errors, source, Owner::Pod, &own);
    }
    if let Some(name) = text("initiatorName") {
        validate_iscsi_name(errors, name, owner, &own.child("initiatorname"));
    }
}

/// `iqn.YYYY-MM.DOMAIN[:NAME]`, `eui.` and 16 hexadecimal digits, `naa.` and 16 or 32.
fn validate_iscsi_name(errors: &mut ErrorList, name: &str, owner: Owner, path: &Path) {
    let hexadecimal = |rest: &str, lengths: &[usize]| {
        lengths.contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let good = match name.get(..3) {
        Some("iqn") => name.strip_prefix("iqn.").is_some_and(is_qualified),
        Some("eui") => name.strip_prefix("eui.").is_some_and(|rest| hexadecimal(rest, &[16])),
        Some("naa") => name.strip_prefix("naa.").is_some_and(|rest| hexadecimal(rest, &[16, 32])),
        _ if owner == Owner::Pod => {
            errors.push(field::invalid(path, name, "must be valid format starting with iqn, eui, or naa"));
            return;
        }
        _ => false,
    };
    if !good {
        errors.push(field::invalid(path, name, "must be valid format"));
    }
}

/// `YYYY-MM.` and then at least one letter, digit, dash, dot or underscore, perhaps a colon and more.
fn is_qualified(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let (Some(date), Some(name)) = (bytes.get(..8), rest.get(8..)) else { return false };
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let dated = digits(&date[..4]) && date[4] == b'-' && digits(&date[5..7]) && date[7] == b'.';
    let (domain, local) = name.split_once(':').map_or((name, None), |(domain, local)| (domain, Some(local)));
    let in_domain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    dated && !domain.is_empty() && domain.bytes().all(in_domain) && local != Some("")
}

pub(super) fn validate_fibre_channel(errors: &mut ErrorList, source: &Value, path: &Path) {
    let (names, ids) = (object::list_at(source, "/targetWWNs"), object::list_at(source, "/wwids"));
    let path_of_names = path.child("targetWWNs");
    match (names.is_empty(), ids.is_empty()) {
        (true, true) => {
            errors.push(field::required(&path_of_names, "must specify either targetWWNs or wwids, but not both"));
        }
        (false, false) => {
            let why = "targetWWNs and wwids can not be specified simultaneously";
            errors.push(field::invalid(&path_of_names, names.to_vec(), why));
        }
        _ => (),
    }
    if names.is_empty() {
        return;
    }
    match object::i64_at(source, "/lun") {
        None => errors.push(field::required(&path.child("lun"), "lun is required if targetWWNs is specified")),
        Some(lun) if !(0..=255).contains(&lun) => errors.push(field::invalid(&path.child("lun"), lun, LUN)),
        Some(_) => (),
    }
}

pub(super) fn validate_azure_disk(errors: &mut ErrorList, source: &Value, path: &Path) {
    let modes = ["None", "ReadOnly", "ReadWrite"];
    one_of(errors, source, "/cachingMode", &path.child("cachingMode"), &modes);
    one_of(errors, source, "/kind", &path.child("kind"), &["Dedicated", "Managed", "Shared"]);
    let uri = object::str_at(source, "/diskURI").unwrap_or_default();
    let (start, form) = match object::str_at(source, "/kind") {
        None => return,
        Some("Managed") => (
            "/subscriptions/",
            "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
        ),
        Some(_) => ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"),
    };
    if !uri.starts_with(start) {
        errors.push(field::not_supported(&path.child("diskURI"), uri, &[form]));
    }
}
