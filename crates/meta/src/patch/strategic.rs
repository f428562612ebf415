//! Strategic merge patches.

mod directives;

use super::PatchError;
use super::order::{arrange, check_order};
use crate::decode::MAX_DEPTH;
use crate::schema::{Element, Field, Patch, Schema, Shape, Type};
use directives::{
    DELETE_FROM_PRIMITIVE_LIST, PATCH, SET_ELEMENT_ORDER, add_missing, apply_directives, cleaned, delete_from_list,
    retain_keys, whole_object,
};
use serde_json::{Map, Value};

pub(super) use directives::merge_key_of;

type Result<T> = std::result::Result<T, PatchError>;

pub(super) fn apply(schema: &Schema, type_: &Type, object: &mut Value, patch: &Value) -> Result<()> {
    let (Value::Object(members), Value::Object(patch)) = (object, patch) else {
        return Err(PatchError::Malformed("a strategic merge patch is an object".to_owned()));
    };
    Merge { schema, depth: 0 }.object(Place::Object(type_), members, patch.clone())
}

/// What the schema says of an object that is being merged.
#[derive(Clone, Copy)]
enum Place<'a> {
    Object(&'a Type),
    /// A map whose values are as this field says.
    Map(&'a Field),
    /// Nothing: no list in it is merged.
    Unknown,
}

struct Merge<'a> {
    schema: &'a Schema,
    depth: usize,
}

impl<'a> Merge<'a> {
    /// What the schema says of a member: of the object in it or of its list's elements, and how to patch it.
    fn member(&self, place: Place<'a>, name: &str) -> (Place<'a>, Option<Patch>) {
        let message = |field: &'a Field| match field.element {
            Element::Message(id) => Place::Object(self.schema.type_at(id)),
            _ => Place::Unknown,
        };
        match place {
            Place::Object(type_) => match type_.field(name) {
                Some(field) if field.shape == Shape::Map => (Place::Map(field), field.patch),
                Some(field) => (message(field), field.patch),
                None => (Place::Unknown, None),
            },
            Place::Map(field) => (message(field), None),
            Place::Unknown => (Place::Unknown, None),
        }
    }

    fn object(
        &mut self,
        place: Place<'a>,
        original: &mut Map<String, Value>,
        mut patch: Map<String, Value>,
    ) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PatchError::Malformed(format!("the patch is nested more than {MAX_DEPTH} levels deep")));
        }
        if let Some(directive) = patch.remove(PATCH) {
            *original = whole_object(&directive, patch)?;
        } else {
            retain_keys(original, &mut patch)?;
            self.ordered_lists(place, original, &mut patch)?;
            for (name, value) in patch {
                self.value(place, original, &name, value)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn value(&mut self, place: Place<'a>, original: &mut Map<String, Value>, name: &str, patch: Value) -> Result<()> {
        if let Some(name) = name.strip_prefix(DELETE_FROM_PRIMITIVE_LIST) {
            return delete_from_list(original, name, &patch);
        }
        let (inner, how) = self.member(place, name);
        let strategy = |wanted: &str| how.is_some_and(|how| how.strategy.split(',').any(|own| own == wanted));
        match (original.get_mut(name), patch) {
            (_, Value::Null) => {
                original.remove(name);
            }
            (Some(Value::Object(members)), Value::Object(patch)) if !strategy("replace") => {
                self.object(inner, members, patch)?;
            }
            (Some(Value::Array(list)), Value::Array(patch)) if strategy("merge") => {
                let merge_key = how.map_or("", |how| how.key);
                self.list(inner, name, merge_key, list, patch)?;
            }
            (_, patch) => match cleaned(patch) {
                Some(value) => _ = original.insert(name.to_owned(), value),
                None => _ = original.remove(name),
            },
        }
        Ok(())
    }

    /// Merges the lists for which the patch gives an order, and brings them into it. What is done is taken out of the patch.
    fn ordered_lists(
        &mut self,
        place: Place<'a>,
        original: &mut Map<String, Value>,
        patch: &mut Map<String, Value>,
    ) -> Result<()> {
        let directives: Vec<String> =
            patch.keys().filter(|name| name.starts_with(SET_ELEMENT_ORDER)).cloned().collect();
        for directive in directives {
            let name = &directive[SET_ELEMENT_ORDER.len()..];
            let Some(Value::Array(order)) = patch.remove(&directive) else {
                return Err(PatchError::Malformed("invalid patch format of setElementOrder list".to_owned()));
            };
            if patch.get(name).is_some_and(Value::is_null) {
                continue;
            }
            let added = match patch.remove(name) {
                Some(Value::Array(list)) => Some(list),
                Some(_) => {
                    return Err(PatchError::Malformed("invalid patch format of setElementOrder list".to_owned()));
                }
                None => None,
            };
            self.ordered_list(place, original, name, added, &order)?;
        }
        Ok(())
    }

    fn ordered_list(
        &mut self,
        place: Place<'a>,
        original: &mut Map<String, Value>,
        name: &str,
        patch: Option<Vec<Value>>,
        order: &[Value],
    ) -> Result<()> {
        let (inner, how) = self.member(place, name);
        let merge_key = how.map_or("", |how| how.key);
        check_order(patch.as_deref().unwrap_or_default(), order, merge_key)?;
        let live = original.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        if let Some(patch) = patch {
            self.value_of_list(inner, original, name, how, patch)?;
        }
        if let Some(Value::Array(list)) = original.get_mut(name) {
            *list = arrange(std::mem::take(list), order, &live, merge_key)?;
        }
        Ok(())
    }

    fn value_of_list(
        &mut self,
        inner: Place<'a>,
        original: &mut Map<String, Value>,
        name: &str,
        how: Option<Patch>,
        patch: Vec<Value>,
    ) -> Result<()> {
        let merges = how.is_some_and(|how| how.strategy.split(',').any(|own| own == "merge"));
        match original.get_mut(name) {
            Some(Value::Array(list)) if merges => {
                self.merge_elements(inner, name, how.map_or("", |how| how.key), list, patch).map(|_| ())
            }
            _ => {
                let list = cleaned(Value::Array(patch)).unwrap_or_default();
                original.insert(name.to_owned(), list);
                Ok(())
            }
        }
    }

    fn list(
        &mut self,
        inner: Place<'a>,
        name: &str,
        merge_key: &str,
        list: &mut Vec<Value>,
        patch: Vec<Value>,
    ) -> Result<()> {
        let live = list.clone();
        let order = self.merge_elements(inner, name, merge_key, list, patch)?;
        *list = arrange(std::mem::take(list), &order, &live, merge_key)?;
        Ok(())
    }

    /// Merges the elements of `patch` into `list`, new ones at the end. Returns the patch's elements without its directives: the order it wants.
    fn merge_elements(
        &mut self,
        inner: Place<'a>,
        name: &str,
        merge_key: &str,
        list: &mut Vec<Value>,
        patch: Vec<Value>,
    ) -> Result<Vec<Value>> {
        if patch.iter().chain(list.iter()).any(Value::is_array) {
            return Err(PatchError::DoesNotApply("lists of lists are not supported".to_owned()));
        }
        let objects = patch.iter().chain(list.iter()).filter(|element| element.is_object()).count();
        if objects == 0 {
            add_missing(list, &patch);
            return Ok(patch);
        }
        if objects < patch.len() + list.len() {
            return Err(PatchError::DoesNotApply(format!("list element types are not identical in {name}")));
        }
        if merge_key.is_empty() {
            return Err(PatchError::DoesNotApply(format!("cannot merge lists without merge key for {name}")));
        }
        let patch = apply_directives(list, patch, merge_key)?;
        for element in &patch {
            self.merge_element(inner, merge_key, list, element)?;
        }
        Ok(patch)
    }

    fn merge_element(&mut self, inner: Place<'a>, merge_key: &str, list: &mut Vec<Value>, patch: &Value) -> Result<()> {
        let key = merge_key_of(patch, merge_key)?;
        let existing = list.iter_mut().find(|element| element.get(merge_key) == Some(key));
        match (existing, patch) {
            (Some(Value::Object(members)), Value::Object(patch)) => self.object(inner, members, patch.clone())?,
            _ => list.extend(cleaned(patch.clone())),
        }
        Ok(())
    }
}
