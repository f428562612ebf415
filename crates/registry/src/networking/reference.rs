//! References to objects of any kind. Upstream: `validateIngressTypedLocalObjectReference` and its kin.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_subdomain;
use serde_json::Value;

use crate::validation::{invalid_all, path_segment};

/// `apiGroup`, `kind` and `name`.
pub(super) fn validate(errors: &mut ErrorList, reference: &Value, path: &Path) {
    if let Some(group) = reference.get("apiGroup").and_then(Value::as_str) {
        invalid_all(errors, &path.child("apiGroup"), group, dns1123_subdomain(group));
    }
    segments(errors, reference, &["kind", "name"], path);
}

/// Members that have to be there and fit in a path.
pub(super) fn segments(errors: &mut ErrorList, reference: &Value, names: &[&str], path: &Path) {
    for name in names {
        let path = path.child(name);
        match object::str_at(reference, &format!("/{name}")) {
            None => errors.push(field::required(&path, "")),
            Some(text) => invalid_all(errors, &path, text, path_segment(text)),
        }
    }
}
