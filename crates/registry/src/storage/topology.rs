//! Where volumes of a class may be. Upstream: `ValidateTopologySelectorTerm`, `validateAllowedTopologies`.

use std::collections::{BTreeMap, BTreeSet};

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{label_value, qualified_name};
use serde_json::Value;

use crate::validation::invalid_all;

type Term<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// `allowedTopologies`.
pub(super) fn validate(errors: &mut ErrorList, class: &Value) {
    let path = Path::new("allowedTopologies");
    let mut seen: Vec<Term<'_>> = Vec::new();
    for (index, term) in object::list_at(class, "/allowedTopologies").iter().enumerate() {
        let path = path.index(index).child("matchLabelExpressions");
        let term = validate_term(errors, term, &path);
        if seen.contains(&term) {
            errors.push(field::duplicate(&path, ""));
        }
        seen.push(term);
    }
}

fn validate_term<'a>(errors: &mut ErrorList, term: &'a Value, path: &Path) -> Term<'a> {
    let mut values_of = Term::new();
    for (index, expression) in object::list_at(term, "/matchLabelExpressions").iter().enumerate() {
        let path = path.index(index);
        let key = object::str_at(expression, "/key").unwrap_or_default();
        let values = validate_values(errors, expression, &path);
        invalid_all(errors, &path.child("key"), key, qualified_name(key));
        if values_of.insert(key, values).is_some() {
            errors.push(field::duplicate(&path.child("key"), key));
        }
    }
    values_of
}

fn validate_values<'a>(errors: &mut ErrorList, expression: &'a Value, path: &Path) -> BTreeSet<&'a str> {
    let path = path.child("values");
    let mut values = BTreeSet::new();
    for (index, value) in object::list_at(expression, "/values").iter().filter_map(Value::as_str).enumerate() {
        if !values.insert(value) {
            errors.push(field::duplicate(&path.index(index), value));
        }
        invalid_all(errors, &path.index(index), value, label_value(value));
    }
    if values.is_empty() {
        errors.push(field::required(&path, ""));
    }
    values
}
