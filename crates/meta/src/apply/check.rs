//! Whether a value is of its type, as far as server-side apply cares. Upstream: `TypedValue.Validate`.

use std::fmt;

use serde_json::Value;

use super::element::PathElement;
use super::items;
use super::typed::{Place, Plain, Typed};
use crate::decode::MAX_DEPTH;

/// Whether elements of sets and map lists may be alike. They may in what is stored, not in what is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    Allowed,
    Refused,
}

/// What is wrong with a value: path and message each. Trying again does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFields(Vec<(String, String)>);

impl InvalidFields {
    pub(super) fn one(message: String) -> Self {
        Self(vec![(String::new(), message)])
    }
}

impl fmt::Display for InvalidFields {
    /// One finding as it is, several one a line, as upstream's `ValidationErrors` print.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |(path, message): &(String, String)| match path.as_str() {
            "" => message.clone(),
            path => format!("{path}: {message}"),
        };
        if let [one] = self.0.as_slice() {
            return f.write_str(&line(one));
        }
        f.write_str("errors:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {}", line(error)))
    }
}

impl std::error::Error for InvalidFields {}

/// Checks that a value has declared fields only, of their types, and that its lists can be told apart.
///
/// # Errors
/// All that is wrong, in upstream's words.
pub fn check(typed: Typed<'_>, value: &Value, duplicates: Duplicates) -> Result<(), InvalidFields> {
    let mut walk = Check { duplicates, path: Vec::new(), errors: Vec::new() };
    walk.at(typed, value);
    if walk.errors.is_empty() { Ok(()) } else { Err(InvalidFields(walk.errors)) }
}

struct Check<'v> {
    duplicates: Duplicates,
    path: Vec<PathElement<'v>>,
    errors: Vec<(String, String)>,
}

impl<'v> Check<'v> {
    fn at(&mut self, typed: Typed<'_>, value: &'v Value) {
        if self.path.len() > MAX_DEPTH {
            return self.complain(format!("nested more than {MAX_DEPTH} levels deep"));
        }
        match (typed.place, value) {
            (Place::Any | Place::Deduced, _) | (_, Value::Null) => (),
            (Place::Scalar(plain), value) => self.scalar(plain, value),
            (Place::List(_), Value::Array(list)) => self.list(typed, list),
            (Place::List(_), value) => self.complain(format!("expected list, got {}", shown(value))),
            (Place::Struct(_) | Place::Map(_) | Place::Object(_), Value::Object(members)) => {
                for (name, value) in members {
                    self.path.push(PathElement::field(name));
                    if typed.declares(name) {
                        self.at(typed.member(name), value);
                    } else {
                        self.complain("field not declared in schema".to_owned());
                    }
                    self.path.pop();
                }
            }
            (Place::Struct(_) | Place::Map(_) | Place::Object(_), value) => {
                self.complain(format!("expected map, got {}", shown(value)));
            }
        }
    }

    fn scalar(&mut self, plain: Plain, value: &Value) {
        let (fits, expected) = match plain {
            Plain::Number => (value.is_number(), "numeric (int or float)"),
            Plain::String => (value.is_string(), "string"),
            Plain::Boolean => (value.is_boolean(), "boolean"),
            Plain::Untyped => (!value.is_object() && !value.is_array(), "any scalar"),
        };
        if fits {
            return;
        }
        let found = match plain {
            Plain::Number => go_type(value).to_owned(),
            Plain::String => format!("&value.valueUnstructured{{Value:{value}}}"),
            Plain::Boolean | Plain::Untyped => shown(value),
        };
        self.complain(format!("expected {expected}, got {found}"));
    }

    fn list(&mut self, typed: Typed<'_>, list: &'v [Value]) {
        if typed.is_atomic() {
            for (index, item) in (0..).zip(list) {
                self.path.push(PathElement::Index(index));
                self.at(typed.item(), item);
                self.path.pop();
            }
            return;
        }
        let mut seen = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            match items::element(typed, item) {
                Ok(element) => seen.push((element, index)),
                Err(why) => return self.complain(format!("element {index}: {why}")),
            }
        }
        for (element, index) in &seen {
            self.path.push(element.clone());
            self.at(typed.item(), &list[*index]);
            self.path.pop();
        }
        if self.duplicates == Duplicates::Refused {
            seen.sort();
            let again = seen.windows(2).filter(|pair| pair[0].0 == pair[1].0);
            let again: Vec<String> = again.map(|pair| pair[0].0.to_string()).collect();
            again.into_iter().for_each(|element| self.complain(format!("duplicate entries for key {element}")));
        }
    }

    fn complain(&mut self, message: String) {
        let path = self.path.iter().map(ToString::to_string).collect();
        self.errors.push((path, message));
    }
}

/// A value as Go prints the pointer that holds it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("&{{{text}}}"),
        value => format!("&{{{value}}}"),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Number(_) => "float64",
        Value::Null => "<nil>",
    }
}
