//! Names of drivers, pools, devices, requests and attributes. Upstream: `validatePoolName`, `validateQualifiedName`, `validateUID`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::validation::{dns1123_label, dns1123_subdomain};

use crate::validation::invalid_all;
use crate::validation::volume_source::validate_driver_name;

const MAX_POOL: usize = 253;
/// Bytes of an attribute's name without its domain.
const MAX_IDENTIFIER: usize = 32;
const IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";

/// Drivers are named as CSI drivers are.
pub(super) fn validate_driver(errors: &mut ErrorList, name: &str, path: &Path) {
    validate_driver_name(errors, name, path);
}

/// Names that are one DNS label: devices, requests, counters.
pub(super) fn validate_label(errors: &mut ErrorList, name: &str, path: &Path) {
    invalid_all(errors, path, name, dns1123_label(name));
}

pub(super) fn validate_pool(errors: &mut ErrorList, name: &str, path: &Path) {
    if name.is_empty() {
        errors.push(field::required(path, ""));
        return;
    }
    if name.len() > MAX_POOL {
        errors.push(field::too_long(path, MAX_POOL));
    }
    for part in name.split('/') {
        invalid_all(errors, path, part, dns1123_subdomain(part));
    }
}

/// `model`, `example.com/model`.
pub(super) fn validate_qualified(errors: &mut ErrorList, name: &str, path: &Path) {
    match name.split('/').collect::<Vec<_>>()[..] {
        [identifier] => validate_identifier(errors, identifier, path),
        [domain, identifier] => {
            match domain {
                "" => errors.push(field::invalid(path, "", "the domain must not be empty")),
                domain => validate_driver(errors, domain, path),
            }
            match identifier {
                "" => errors.push(field::invalid(path, "", "the name must not be empty")),
                identifier => validate_identifier(errors, identifier, path),
            }
        }
        _ => errors.push(field::invalid(path, name, "must not contain more than one slash")),
    }
}

/// `example.com/model`.
pub(super) fn validate_fully_qualified(errors: &mut ErrorList, name: &str, path: &Path) {
    validate_qualified(errors, name, path);
    if !name.contains('/') {
        let why = "a fully qualified name must be a domain and a name separated by a slash";
        errors.push(field::invalid(path, name, why));
    }
}

fn validate_identifier(errors: &mut ErrorList, name: &str, path: &Path) {
    if name.len() > MAX_IDENTIFIER {
        errors.push(field::too_long(path, MAX_IDENTIFIER));
    }
    let begins = |first: char| first.is_ascii_alphabetic() || first == '_';
    if !name.starts_with(begins) || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        errors.push(field::invalid(path, name, IDENTIFIER));
    }
}

/// A UUID in its usual form.
pub(super) fn validate_uid(errors: &mut ErrorList, uid: &str, path: &Path) {
    let form = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = uid.split('-').collect();
    let lengths = parts.iter().map(|part| part.len()).eq(form);
    let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !lengths || !parts.iter().all(digits) {
        let why = "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters";
        errors.push(field::invalid(path, uid, why));
    }
}
