//! A configuration laid over what is there. Upstream: `TypedValue.Merge`.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use super::check::InvalidFields;
use super::element::PathElement;
use super::items;
use super::typed::{Place, Typed};

type Result<T, E = String> = std::result::Result<T, E>;

/// The live object with the configuration's fields in it. Nothing is removed; where both have a leaf, the configuration's stays.
///
/// Lists that tell their elements apart keep the live order where the configuration has no other.
///
/// # Errors
/// When the elements of a list cannot be told apart, or those of the configuration are alike.
pub fn merge(typed: Typed<'_>, live: &Value, config: &Value) -> Result<Value, InvalidFields> {
    at(typed, live, config).map_err(InvalidFields::one)
}

fn at(typed: Typed<'_>, live: &Value, config: &Value) -> Result<Value> {
    if typed.is_leaf() {
        return Ok(config.clone());
    }
    match (typed.place, live, config) {
        (_, Value::Object(live), Value::Object(config)) => members(typed, live, config).map(Value::Object),
        // A null does not empty what others have filled.
        (_, Value::Object(members), Value::Null) if !members.is_empty() => Ok(live.clone()),
        (Place::List(_), Value::Array(list), Value::Null) if !list.is_empty() => Ok(live.clone()),
        (Place::List(_), Value::Array(live), Value::Array(config)) => list(typed, live, config).map(Value::Array),
        _ => Ok(config.clone()),
    }
}

fn members(typed: Typed<'_>, live: &Map<String, Value>, config: &Map<String, Value>) -> Result<Map<String, Value>> {
    let mut merged = live.clone();
    for (name, config) in config {
        let value = match live.get(name) {
            Some(live) => at(typed.member(name), live, config)?,
            None => config.clone(),
        };
        merged.insert(name.clone(), value);
    }
    Ok(merged)
}

/// An element of the configuration and what it is merged with.
struct Wanted<'v> {
    value: &'v Value,
    /// The live element, unless there are several alike: those are replaced.
    live: Option<&'v Value>,
    shared: bool,
    done: bool,
}

fn list(typed: Typed<'_>, live: &[Value], config: &[Value]) -> Result<Vec<Value>> {
    let (mut wanted, partners) = matched(typed, live, config)?;
    let mut shared: VecDeque<usize> = (0..wanted.len()).filter(|at| wanted[*at].shared).collect();
    let mut out = Vec::with_capacity(live.len().max(config.len()));
    let inner = typed.item();
    let (mut at_live, mut at_config) = (0, 0);
    while at_live < live.len() || at_config < wanted.len() {
        match partners.get(at_live) {
            Some(None) => {
                out.push(live[at_live].clone());
                at_live += 1;
                continue;
            }
            // A shared element whose turn it is not; it comes, or came, where the configuration has it.
            Some(Some(partner)) if at_config < wanted.len() && shared.front().is_some_and(|next| next != partner) => {
                at_live += 1;
                continue;
            }
            Some(Some(partner)) if wanted[*partner].done => {
                at_live += 1;
                if at_config == wanted.len() {
                    continue;
                }
            }
            Some(Some(partner)) if *partner == at_config => at_live += 1,
            _ => (),
        }
        let element = &mut wanted[at_config];
        element.done = true;
        out.push(match element.live {
            Some(live) => self::at(inner, live, element.value)?,
            None => element.value.clone(),
        });
        if shared.front() == Some(&at_config) {
            shared.pop_front();
        }
        at_config += 1;
    }
    Ok(out)
}

/// The configuration's elements with their live ones, and for each live element the position of the configuration's.
fn matched<'v>(
    typed: Typed<'_>,
    live: &'v [Value],
    config: &'v [Value],
) -> Result<(Vec<Wanted<'v>>, Vec<Option<usize>>)> {
    let mut positions: BTreeMap<PathElement<'_>, usize> = BTreeMap::new();
    let mut wanted = Vec::with_capacity(config.len());
    for (index, value) in config.iter().enumerate() {
        let element = items::element(typed, value).map_err(|why| format!("element {index}: {why}"))?;
        if positions.contains_key(&element) {
            return Err(format!("duplicate entries for key {element}"));
        }
        positions.insert(element, index);
        wanted.push(Wanted { value, live: None, shared: false, done: false });
    }
    let mut partners = Vec::with_capacity(live.len());
    for (index, value) in live.iter().enumerate() {
        let element = items::element(typed, value).map_err(|why| format!("element {index}: {why}"))?;
        let partner = positions.get(&element).copied();
        if let Some(wanted) = partner.and_then(|at| wanted.get_mut(at)) {
            wanted.live = if wanted.shared { None } else { Some(value) };
            wanted.shared = true;
        }
        partners.push(partner);
    }
    Ok((wanted, partners))
}
