//! What storage classes and volume attributes classes share: who acts, and what he is told. Upstream: `validateProvisioner`,
//! `validateParameters`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::qualified_name;
use serde_json::{Map, Value};

use crate::validation::invalid_all;

/// Bytes of all parameters together.
const MAX_SIZE: usize = 256 * 1024;
const MAX_COUNT: usize = 512;

/// The driver in a member of the object, which has to be a qualified name in whatever case.
pub(super) fn validate_driver(errors: &mut ErrorList, object: &Value, member: &str) {
    let path = Path::new(member);
    match object::str_at(object, &format!("/{member}")) {
        None => errors.push(field::required(&path, "")),
        Some(name) => {
            let name = name.to_lowercase();
            invalid_all(errors, &path, &name, qualified_name(&name));
        }
    }
}

/// `parameters`: few, short, none without a name; `needed` if there has to be one.
pub(super) fn validate(errors: &mut ErrorList, object: &Value, needed: bool) {
    let (path, empty) = (Path::new("parameters"), Map::new());
    let parameters = object.get("parameters").and_then(Value::as_object).unwrap_or(&empty);
    if parameters.len() > MAX_COUNT {
        errors.push(field::too_long(&path, MAX_COUNT));
        return;
    }
    if parameters.contains_key("") {
        errors.push(field::invalid(&path, "", "field can not be empty."));
    }
    let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if parameters.iter().map(size).sum::<usize>() > MAX_SIZE {
        errors.push(field::too_long(&path, MAX_SIZE));
    }
    if needed && parameters.is_empty() {
        errors.push(field::required(&path, "must contain at least one key/value pair"));
    }
}

/// Members that stay as they were made.
pub(super) fn validate_fixed(errors: &mut ErrorList, object: &Value, old: &Value, members: &[&str]) {
    for member in members {
        let part = |value: &Value| value.get(*member).filter(|part| !part.is_null()).cloned();
        if part(object) != part(old) {
            errors.push(field::forbidden(&Path::new(member), format!("updates to {member} are forbidden.")));
        }
    }
}
