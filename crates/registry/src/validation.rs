//! What may be in an object, with upstream's field paths and messages.

pub(crate) mod amount;
pub(crate) mod container;
pub(crate) mod counts;
pub(crate) mod labels;
pub(crate) mod metadata;
pub(crate) mod network;
pub(crate) mod persistent_volume;
pub(crate) mod persistent_volume_claim;
pub(crate) mod pod;
pub(crate) mod probe;
pub(crate) mod quantity;
pub(crate) mod resources;
pub(crate) mod sysctls;
pub(crate) mod template;
pub(crate) mod volume;
pub(crate) mod volume_affinity;
pub(crate) mod volume_source;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1035_label, dns1123_label, dns1123_subdomain};
use serde_json::Value;

/// How a name has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// Labels joined by dots: most kinds.
    DnsSubdomain,
    /// One label: namespaces.
    DnsLabel,
    /// One label that begins with a letter: services.
    Dns1035Label,
    /// What a path can hold: RBAC roles (`system:node`).
    PathSegment,
    /// An IP address in its canonical form.
    IpAddress,
}

impl NameRule {
    /// What is wrong with a name.
    pub(crate) fn check(self, name: &str) -> Vec<String> {
        match self {
            Self::DnsSubdomain => dns1123_subdomain(name),
            Self::DnsLabel => dns1123_label(name),
            Self::Dns1035Label => dns1035_label(name),
            Self::PathSegment => path_segment(name),
            Self::IpAddress => network::ip_messages(name),
        }
    }
}

/// Upstream: `apimachinery/pkg/api/validation/path`.
pub(crate) fn path_segment(name: &str) -> Vec<String> {
    if matches!(name, "." | "..") {
        return vec![format!("may not be '{name}'")];
    }
    let held = ["/", "%"].into_iter().filter(|part| name.contains(part));
    held.map(|part| format!("may not contain '{part}'")).collect()
}

/// A number that may not be negative.
pub(crate) fn not_negative(errors: &mut ErrorList, object: &Value, pointer: &str, path: &Path) {
    if let Some(value) = object::i64_at(object, pointer).filter(|value| *value < 0) {
        errors.push(field::invalid(path, value, "must be greater than or equal to 0"));
    }
}

/// A finding that does not show the value. Upstream: `field.OmitValueType`.
pub(crate) fn invalid_whole(path: &Path, why: impl Into<String>) -> field::Error {
    field::Error { kind: field::ErrorKind::Invalid, field: path.to_string(), value: None, detail: why.into() }
}

/// A text that has to be one of a few. Absent is fine.
pub(crate) fn one_of(errors: &mut ErrorList, object: &Value, pointer: &str, path: &Path, allowed: &[&str]) {
    if let Some(value) = object::str_at(object, pointer).filter(|value| !allowed.contains(value)) {
        errors.push(field::not_supported(path, value, allowed));
    }
}

/// A member that may not change once it is set.
pub(crate) fn immutable(errors: &mut ErrorList, object: &Value, old: &Value, pointer: &str, path: &Path) {
    let (new, old) = (object.pointer(pointer), old.pointer(pointer));
    if new.filter(|value| !value.is_null()) != old.filter(|value| !value.is_null()) {
        errors.push(field::immutable(path, new.cloned().unwrap_or(Value::Null)));
    }
}

/// Pushes one finding for each message.
pub(crate) fn invalid_all(errors: &mut ErrorList, path: &Path, value: &str, messages: Vec<String>) {
    errors.extend(messages.into_iter().map(|message| field::invalid(path, value, message)));
}

/// A port number.
pub(crate) fn port(errors: &mut ErrorList, value: i64, path: &Path) {
    if !(1..=65535).contains(&value) {
        errors.push(field::invalid(path, value, "must be between 1 and 65535, inclusive"));
    }
}

/// The name of a port: `IANA_SVC_NAME`. Upstream: `IsValidPortName`.
pub(crate) fn port_name(name: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if name.len() > 15 {
        wrong.push("must be no more than 15 characters".to_owned());
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(allowed) {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if name.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if name.starts_with('-') || name.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}
