//! In which order the elements of a merged list come.

use super::PatchError;
use super::strategic::merge_key_of;
use serde_json::Value;
use std::borrow::Borrow;

type Result<T> = std::result::Result<T, PatchError>;

/// What tells an element apart: the merge key's value, or the element itself in lists of plain values.
fn identity<'v>(element: &'v Value, merge_key: &str) -> Result<&'v Value> {
    if merge_key.is_empty() { Ok(element) } else { merge_key_of(element, merge_key) }
}

fn position<V: Borrow<Value>>(order: &[V], wanted: &Value) -> Option<usize> {
    order.iter().position(|value| value.borrow() == wanted)
}

/// Arranges a merged list: the elements named in `order` follow it, the others keep the place they have in the `live` list, between the former where that can
/// be told. New elements come before those that were there, as upstream has it.
pub(super) fn arrange(merged: Vec<Value>, order: &[Value], live: &[Value], merge_key: &str) -> Result<Vec<Value>> {
    let order: Vec<&Value> = order.iter().map(|element| identity(element, merge_key)).collect::<Result<_>>()?;
    let live: Vec<&Value> = live.iter().map(|element| identity(element, merge_key)).collect::<Result<_>>()?;
    let (mut patched, mut server_only) = (Vec::new(), Vec::new());
    for element in merged {
        let key = identity(&element, merge_key)?;
        let (ordered, live) = (position(&order, key), position(&live, key));
        match ordered {
            Some(place) => patched.push((place, live, element)),
            None => server_only.push((live.unwrap_or(usize::MAX), live, element)),
        }
    }
    patched.sort_by_key(|(place, ..)| *place);
    server_only.sort_by_key(|(place, ..)| *place);
    Ok(interleave(server_only, patched))
}

type Placed = (usize, Option<usize>, Value);

/// Takes from the server's elements as long as the next one precedes the next patched one in the live list.
fn interleave(server_only: Vec<Placed>, patched: Vec<Placed>) -> Vec<Value> {
    let mut arranged = Vec::with_capacity(server_only.len() + patched.len());
    let mut server_only = server_only.into_iter().peekable();
    for (_, live, element) in patched {
        let before = |(_, own, _): &Placed| own.zip(live).is_some_and(|(own, live)| own < live);
        while let Some((.., earlier)) = server_only.next_if(before) {
            arranged.push(earlier);
        }
        arranged.push(element);
    }
    arranged.extend(server_only.map(|(.., element)| element));
    arranged
}

/// The elements of a patch list must come in the order the patch itself gives, and be named there.
pub(super) fn check_order(patch: &[Value], order: &[Value], merge_key: &str) -> Result<()> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut remaining = order.iter();
    for element in patch.iter().filter(|element| element.get("$patch").is_none()) {
        let key = identity(element, merge_key)?;
        let mut found = false;
        for next in remaining.by_ref() {
            if identity(next, merge_key)? == key {
                found = true;
                break;
            }
        }
        if !found {
            let (patch, order) = (Value::from(patch), Value::from(order));
            let why = format!("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n");
            return Err(PatchError::DoesNotApply(why));
        }
    }
    Ok(())
}
