//! How one state of an object differs from another, field by field. Upstream: `TypedValue.Compare`.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::check::InvalidFields;
use super::element::PathElement;
use super::equal::same;
use super::items;
use super::set::FieldSet;
use super::typed::{Place, Typed};

/// The difference of two states; no field is in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// In the old state only.
    pub removed: FieldSet<'a>,
    /// In both, with other values.
    pub modified: FieldSet<'a>,
    /// In the new state only.
    pub added: FieldSet<'a>,
}

impl Comparison<'_> {
    /// Whether the states are the same.
    pub fn is_same(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// Forgets these fields and what is below them.
    #[must_use]
    pub fn excluding(mut self, fields: &FieldSet<'_>) -> Self {
        if !fields.is_empty() {
            for set in [&mut self.removed, &mut self.modified, &mut self.added] {
                if !set.is_empty() {
                    *set = set.recursive_difference(fields);
                }
            }
        }
        self
    }
}

/// Compares two states of an object as the API holds it: fields Go would always write count as there.
///
/// # Errors
/// When a list holds something that cannot be told apart.
pub fn compare<'a>(typed: Typed<'_>, old: &'a Value, new: &'a Value) -> Result<Comparison<'a>, InvalidFields> {
    let difference = both(typed, old, new).map_err(InvalidFields::one)?;
    let [removed, modified, added] = difference.map(|part| part.below);
    Ok(Comparison { removed, modified, added })
}

/// Part of a comparison at one place: whether the place itself is a member, and those below.
#[derive(Default)]
struct Part<'a> {
    member: bool,
    below: FieldSet<'a>,
}

const REMOVED: usize = 0;
const MODIFIED: usize = 1;
const ADDED: usize = 2;
type Difference<'a> = [Part<'a>; 3];
type Result<T, E = String> = std::result::Result<T, E>;

fn push<'a>(difference: &mut Difference<'a>, element: PathElement<'a>, child: Difference<'a>) {
    for (part, child) in difference.iter_mut().zip(child) {
        if child.member || !child.below.is_empty() {
            part.below.push(element.clone(), child.member, child.below);
        }
    }
}

fn member<'a>(which: usize) -> Difference<'a> {
    let mut difference = Difference::default();
    difference[which].member = true;
    difference
}

/// What is there on one side only: the place and all below.
fn alone<'a>(typed: Typed<'_>, value: &'a Value, which: usize) -> Result<Difference<'a>> {
    let mut difference = member(which);
    difference[which].below = present(typed, value)?;
    Ok(difference)
}

/// A child of which at least one side has something.
fn child<'a>(typed: Typed<'_>, old: Option<&'a Value>, new: Option<&'a Value>) -> Result<Difference<'a>> {
    match (old, new) {
        (Some(old), Some(new)) => both(typed, old, new),
        (Some(old), None) => alone(typed, old, REMOVED),
        (None, Some(new)) => alone(typed, new, ADDED),
        (None, None) => Ok(Difference::default()),
    }
}

fn both<'a>(typed: Typed<'_>, old: &'a Value, new: &'a Value) -> Result<Difference<'a>> {
    let leaf = || if same(old, new) { Difference::default() } else { member(MODIFIED) };
    if typed.is_leaf() {
        return Ok(leaf());
    }
    static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    match (typed.place, old, new) {
        (_, Value::Object(old), Value::Object(new)) => members(typed, old, new),
        (Place::Deduced, Value::Object(old), Value::Null) => members(typed, old, &NOTHING),
        (Place::Deduced, Value::Null, Value::Object(new)) => members(typed, &NOTHING, new),
        // Something of another sort: the place has changed, and an object's fields have come or gone.
        (Place::Deduced, Value::Object(old), _) => Ok(changed(members(typed, old, &NOTHING)?)),
        (Place::Deduced, _, Value::Object(new)) => Ok(changed(members(typed, &NOTHING, new)?)),
        (Place::List(_), Value::Array(old), Value::Array(new)) => list(typed, old, new),
        (Place::List(_), Value::Null, Value::Array(new)) if !new.is_empty() => list(typed, &[], new),
        (Place::List(_), Value::Array(old), Value::Null) if !old.is_empty() => list(typed, old, &[]),
        (_, Value::Null, Value::Object(new)) if !new.is_empty() => members(typed, &NOTHING, new),
        (_, Value::Object(old), Value::Null) if !old.is_empty() => members(typed, old, &NOTHING),
        _ => Ok(leaf()),
    }
}

fn changed(mut difference: Difference<'_>) -> Difference<'_> {
    difference[MODIFIED].member = true;
    difference
}

/// The fields of an object on both sides. Both maps are sorted by name.
fn members<'a>(typed: Typed<'_>, old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> Result<Difference<'a>> {
    let mut difference = Difference::default();
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let (name, old, new) = match (olds.peek(), news.peek()) {
            (None, None) => return Ok(difference),
            (Some((name, _)), Some((other, _))) if name == other => (*name, olds.next(), news.next()),
            (Some((name, _)), other) if other.is_none_or(|(other, _)| name < other) => (*name, olds.next(), None),
            (_, Some((name, _))) => (*name, None, news.next()),
            (Some((name, _)), None) => (*name, olds.next(), None),
        };
        let written = || typed.written(name);
        let (old, new) = (old.map(|(_, value)| value), new.map(|(_, value)| value));
        let found = child(typed.member(name), old.or_else(written), new.or_else(written))?;
        push(&mut difference, PathElement::field(name), found);
    }
}

fn list<'a>(typed: Typed<'_>, old: &'a [Value], new: &'a [Value]) -> Result<Difference<'a>> {
    let mut difference = Difference::default();
    if old == new {
        return Ok(difference);
    }
    let (old, new) = (items::sorted(typed, old)?, items::sorted(typed, new)?);
    let (mut olds, mut news) = (alike(&old).peekable(), alike(&new).peekable());
    loop {
        let (old, new) = match (olds.peek(), news.peek()) {
            (None, None) => return Ok(difference),
            (Some(old), Some(new)) if old[0].0 == new[0].0 => (olds.next(), news.next()),
            (Some(old), other) if other.is_none_or(|new| old[0].0 < new[0].0) => (olds.next(), None),
            _ => (None, news.next()),
        };
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        let Some((element, _)) = old.first().or_else(|| new.first()) else { continue };
        push(&mut difference, element.clone(), elements(typed.item(), old, new)?);
    }
}

type Items<'a> = [(PathElement<'a>, &'a Value)];

fn alike<'i, 'a>(items: &'i Items<'a>) -> impl Iterator<Item = &'i Items<'a>> {
    items.chunk_by(|one, other| one.0 == other.0)
}

/// The elements of one key. There should be one on a side; those that are alike are owned together, as one leaf.
fn elements<'a>(typed: Typed<'_>, old: &Items<'a>, new: &Items<'a>) -> Result<Difference<'a>> {
    let one = |items: &Items<'a>| items.first().map(|(_, value)| *value);
    match (old.len(), new.len()) {
        (0 | 1, 0 | 1) => child(typed, one(old), one(new)),
        (0 | 1, _) => {
            let mut difference = child(typed, one(old), None)?;
            difference[ADDED].member = true;
            Ok(difference)
        }
        (_, 0 | 1) => {
            let mut difference = child(typed, None, one(new))?;
            difference[REMOVED].member = true;
            Ok(difference)
        }
        _ => {
            let same = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old.1, new.1));
            Ok(if same { Difference::default() } else { member(MODIFIED) })
        }
    }
}

/// Every field below a place of which the other side has nothing, objects and lists included.
fn present<'a>(typed: Typed<'_>, value: &'a Value) -> Result<FieldSet<'a>> {
    let mut set = FieldSet::new();
    if typed.is_leaf() {
        return Ok(set);
    }
    match (typed.place, value) {
        (_, Value::Object(members)) => {
            let mut missing = typed.always_written().filter(|(name, _)| !members.contains_key(*name)).peekable();
            for (name, value) in members {
                while let Some((name, value)) = missing.next_if(|(missing, _)| *missing < name.as_str()) {
                    set.push(PathElement::field(name), true, present(typed.member(name), value)?);
                }
                set.push(PathElement::field(name), true, present(typed.member(name), value)?);
            }
            for (name, value) in missing {
                set.push(PathElement::field(name), true, present(typed.member(name), value)?);
            }
        }
        (Place::List(_), Value::Array(list)) => {
            for alike in alike(&items::sorted(typed, list)?) {
                let below = if let [(_, item)] = alike { present(typed.item(), item)? } else { FieldSet::new() };
                set.push(alike[0].0.clone(), true, below);
            }
        }
        _ => (),
    }
    Ok(set)
}
