//! JSON text to a value. As in Go the last of several equal names wins; unlike with plain serde_json it is told.

use super::{DecodeError, MAX_REPORTED};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Parses one JSON value and nothing after it. Also returns the paths of fields given more than once, like `spec.containers[0].image`.
pub fn parse_json(bytes: &[u8]) -> Result<(Value, Vec<String>), DecodeError> {
    let (value, found) = parse(bytes, Vec::new())?;
    Ok((value, found.into_iter().map(|finding| finding.path).collect()))
}

/// What is odd about a text whose `unknown` fields are known: a line for each of them and for each field given twice, in the order in which
/// they are written, as Go's strict decoding finds them. No lines for a text that is no JSON.
pub fn complaints(bytes: &[u8], unknown: Vec<String>) -> Vec<String> {
    let (_, found) = parse(bytes, unknown).unwrap_or_default();
    let words = |Finding { path, twice }| format!("{} field {path:?}", if twice { "duplicate" } else { "unknown" });
    found.into_iter().map(words).collect()
}

fn parse(bytes: &[u8], sought: Vec<String>) -> Result<(Value, Vec<Finding>), DecodeError> {
    let state = RefCell::new(State { path: String::new(), sought, found: Vec::new() });
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Seed(&state).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    let value = value.map_err(|error| DecodeError::Json(error.to_string()))?;
    Ok((value, state.into_inner().found))
}

#[derive(PartialEq, Eq)]
struct Finding {
    path: String,
    /// Whether the field was given before; else it was sought.
    twice: bool,
}

struct State {
    /// Where the parser is.
    path: String,
    /// Paths to report when they are met.
    sought: Vec<String>,
    found: Vec<Finding>,
}

impl State {
    fn meet(&mut self, twice: bool) {
        if !twice && !self.sought.contains(&self.path) {
            return;
        }
        let finding = Finding { path: self.path.clone(), twice };
        if self.found.len() < MAX_REPORTED && !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a>(&'a RefCell<State>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        let length = self.0.borrow().path.len();
        loop {
            fmt::Write::write_fmt(&mut self.0.borrow_mut().path, format_args!("[{}]", list.len()))
                .expect("writing to a string cannot fail");
            let element = elements.next_element_seed(self)?;
            self.0.borrow_mut().path.truncate(length);
            match element {
                Some(element) => list.push(element),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let length = self.0.borrow().path.len();
        while let Some(name) = entries.next_key::<String>()? {
            super::conform::push_name(&mut self.0.borrow_mut().path, &name);
            self.0.borrow_mut().meet(object.contains_key(&name));
            let value = entries.next_value_seed(self)?;
            self.0.borrow_mut().path.truncate(length);
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
