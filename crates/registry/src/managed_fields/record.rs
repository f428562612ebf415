//! Who owns what after a create, an update or a patch. Upstream: `FieldManager.UpdateNoErrors` and what it wraps.

use sampan_meta::apply::{FieldSet, Managed, Operation, Versions as _, update};
use sampan_meta::object;
use serde_json::Value;

use super::{Writer, entries, nothing, unowned};

const PATH: [&str; 2] = ["metadata", "managedFields"];

/// Writes into `object` who owns its fields once the writer has made it of `old`, or made it new. Both are in the stored version.
///
/// A client may change the entries itself through the main resource, and forget them all with an empty list or entry.
pub(crate) fn record(writer: &Writer<'_>, old: Option<&Value>, object: &mut Value) {
    let sent = object::remove(object, &PATH);
    let live = old.and_then(|old| object::get(old, &PATH));
    let entries = owned(writer, sent.as_ref(), live, old, object).unwrap_or_else(|error| {
        tracing::error!(object = %object::namespaced_name(object), %error, "managedFields are left as they were");
        live.cloned()
    });
    if let Some(entries) = entries {
        object::set(object, &PATH, entries);
    }
}

fn owned(
    writer: &Writer<'_>,
    sent: Option<&Value>,
    live: Option<&Value>,
    old: Option<&Value>,
    object: &Value,
) -> Result<Option<Value>, sampan_meta::apply::InvalidFields> {
    let mut managers = before(writer, sent, live);
    // Whose managers were forgotten is not tracked until somebody applies.
    if managers.is_empty() && old.is_some() {
        return Ok(None);
    }
    let (stored, asked) = (writer.versions.stored(), writer.api_version.as_str());
    let absent = nothing();
    let old = writer.versions.convert(old.unwrap_or(absent), stored, asked);
    let new = writer.versions.convert(object, stored, asked);
    let own = update(writer.request(), &old, &new, &mut managers)?.difference(unowned());
    credit(writer, &mut managers, own);
    entries::cap(&mut managers);
    Ok(entries::encode(managers))
}

/// Who owned what before: what the client sent, if it is any good, or what is there. A subresource cannot change it.
fn before<'a>(writer: &Writer<'_>, sent: Option<&'a Value>, live: Option<&'a Value>) -> Vec<Managed<'a>> {
    let of = |entries| entries::decode(entries, &writer.versions).unwrap_or_default();
    match sent.filter(|_| writer.subresource.is_empty()) {
        Some(sent) if is_reset(sent) => Vec::new(),
        Some(sent) => match of(Some(sent)) {
            none if none.is_empty() => of(live),
            managers => managers,
        },
        None => of(live),
    }
}

/// Keeps the wish to forget all entries through decoding, which drops empty lists: a list of one empty entry says the same.
pub fn keep_reset(object: &mut Value) {
    if let Some(Value::Array(entries)) = object.pointer_mut("/metadata/managedFields")
        && entries.is_empty()
    {
        entries.push(Value::Object(serde_json::Map::new()));
    }
}

/// Upstream: `isResetManagedFields`.
fn is_reset(entries: &Value) -> bool {
    let is_empty = |entry: &Value| entry.as_object().is_some_and(serde_json::Map::is_empty);
    match entries.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([entry]) => is_empty(entry),
        _ => false,
    }
}

/// Adds what the writer has come to own now to what it owned. Without any of it the writer's time stays as it was.
pub(super) fn credit<'a>(writer: &Writer<'_>, managers: &mut Vec<Managed<'a>>, own: FieldSet<'a>) {
    if own.is_empty() {
        return;
    }
    let manager = writer.manager(writer.name, Operation::Update);
    let time = Some(writer.now.clone());
    match managers.iter_mut().find(|managed| managed.manager.is(&manager)) {
        Some(managed) => {
            managed.fields = managed.fields.union(&own);
            managed.time = time;
        }
        None => managers.push(Managed { manager, fields: own, time }),
    }
}
