//! `spec.names` and `status.acceptedNames`. Upstream: `ValidateCustomResourceDefinitionNames`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1035_label;
use serde_json::Value;

pub(super) fn validate(errors: &mut ErrorList, names: &Value, path: &Path) {
    let text = |name: &str| object::str_at(names, &format!("/{name}")).unwrap_or_default();
    for name in ["plural", "singular"] {
        label(errors, text(name), "", &path.child(name));
    }
    for name in ["kind", "listKind"] {
        label(errors, text(name), "may have mixed case, but should otherwise match: ", &path.child(name));
    }
    for list in ["shortNames", "categories"] {
        let values = object::list_at(names, &format!("/{list}"));
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            let wrong = dns1035_label(value);
            if !wrong.is_empty() {
                errors.push(field::invalid(&path.child(list).index(index), value, wrong.join(",")));
            }
        }
    }
    if !text("kind").is_empty() && text("kind") == text("listKind") {
        let why = "kind and listKind may not be the same";
        errors.push(field::invalid(&path.child("listKind"), text("listKind"), why));
    }
}

/// A name that may be absent. Kinds may be written with capitals.
fn label(errors: &mut ErrorList, name: &str, prefix: &str, path: &Path) {
    let compared = if prefix.is_empty() { name.to_owned() } else { name.to_lowercase() };
    let wrong = dns1035_label(&compared);
    if !name.is_empty() && !wrong.is_empty() {
        errors.push(field::invalid(path, name, format!("{prefix}{}", wrong.join(","))));
    }
}
