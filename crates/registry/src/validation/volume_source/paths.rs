//! Paths, on the host, on a server and within a volume.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

/// What may be at a path of the host; in the order of the message.
const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

pub(super) fn validate_host_path(errors: &mut ErrorList, source: &Value, path: &Path) {
    let Some(given) = object::str_at(source, "/path") else { return };
    validate_no_backsteps(errors, given, &path.child("path"));
    let type_ = source.get("type").and_then(Value::as_str);
    if let Some(type_) = type_.filter(|type_| !HOST_PATH_TYPES.contains(type_)) {
        errors.push(field::not_supported(&path.child("type"), type_, &HOST_PATH_TYPES));
    }
}

pub(super) fn validate_nfs(errors: &mut ErrorList, source: &Value, path: &Path) {
    let given = object::str_at(source, "/path").unwrap_or_default();
    if !given.starts_with('/') {
        errors.push(field::invalid(&path.child("path"), given, "must be an absolute path"));
    }
}

/// No step goes up. Upstream: `validatePathNoBacksteps`.
pub(crate) fn validate_no_backsteps(errors: &mut ErrorList, given: &str, path: &Path) {
    if given.split('/').any(|step| step == "..") {
        errors.push(field::invalid(path, given, "must not contain '..'"));
    }
}

/// A path below where one stands. Upstream: `validateLocalDescendingPath`.
pub(crate) fn validate_descending(errors: &mut ErrorList, given: &str, path: &Path) {
    if given.starts_with('/') {
        errors.push(field::invalid(path, given, "must be a relative path"));
    }
    validate_no_backsteps(errors, given, path);
}

/// A path below that does not look like those the node makes itself. Upstream: `validateLocalNonReservedPath`.
pub(crate) fn validate_not_reserved(errors: &mut ErrorList, given: &str, path: &Path) {
    validate_descending(errors, given, path);
    if given.starts_with("..") && !given.starts_with("../") && given != ".." {
        errors.push(field::invalid(path, given, "must not start with '..'"));
    }
}
