//! The entries as they lie in an object. Upstream: `internal/managedfields.go`, `internal/capmanagers.go`.

use sampan_meta::apply::{FieldSet, Managed, Manager, Operation, Versions};
use serde_json::{Map, Value};

/// How many managers that update an object keep. Upstream: `DefaultMaxUpdateManagers`.
const MAX_UPDATE_MANAGERS: usize = 10;
/// Who owns what the oldest of more managers owned.
const ANCIENT: &str = "ancient-changes";

/// Reads the entries. Of two of one manager the later counts.
///
/// # Errors
/// What is wrong with them.
pub(super) fn decode<'a>(entries: Option<&'a Value>, versions: &dyn Versions) -> Result<Vec<Managed<'a>>, String> {
    let entries = entries.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut managers: Vec<Managed<'_>> = Vec::with_capacity(entries.len() + 1);
    for (index, entry) in entries.iter().enumerate() {
        let managed = decode_one(index, entry, versions)?;
        managers.retain(|other| !other.manager.is(&managed.manager));
        managers.push(managed);
    }
    Ok(managers)
}

fn decode_one<'a>(index: usize, entry: &'a Value, versions: &dyn Versions) -> Result<Managed<'a>, String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".to_owned()),
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() {
        return Err("apiVersion must not be empty".to_owned());
    }
    match text("fieldsType") {
        "FieldsV1" => (),
        "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
        other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
    }
    let fields = match (entry.get("fieldsV1"), versions.typed(api_version)) {
        (None, _) => Ok(FieldSet::new()),
        (Some(fields), Some(typed)) => FieldSet::from_json_typed(fields, typed),
        (Some(fields), None) => FieldSet::from_json(fields),
    };
    let manager = Manager {
        name: text("manager").to_owned(),
        operation,
        api_version: api_version.to_owned(),
        subresource: text("subresource").to_owned(),
    };
    let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
    Ok(Managed { manager, fields: fields.map_err(|error| format!("error decoding set: {error}"))?, time })
}

/// The entries as a value: appliers first, the older ones first. `None` when there are none.
pub(super) fn encode(mut managers: Vec<Managed<'_>>) -> Option<Value> {
    let order = |managed: &Managed<'_>| {
        let Manager { name, operation, api_version, subresource } = managed.manager.clone();
        (operation, managed.time.clone(), name, api_version, subresource)
    };
    if managers.len() > 1 {
        managers.sort_by_cached_key(order);
    }
    (!managers.is_empty()).then(|| managers.into_iter().map(encode_one).collect())
}

fn encode_one(managed: Managed<'_>) -> Value {
    let Managed { manager: Manager { name, operation, api_version, subresource }, fields, time } = managed;
    let operation = match operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let mut entry = Map::new();
    entry.insert("apiVersion".to_owned(), api_version.into());
    entry.insert("fieldsType".to_owned(), "FieldsV1".into());
    entry.insert("fieldsV1".to_owned(), fields.to_json());
    entry.insert("manager".to_owned(), name.into());
    entry.insert("operation".to_owned(), operation.into());
    if !subresource.is_empty() {
        entry.insert("subresource".to_owned(), subresource.into());
    }
    if let Some(time) = time {
        entry.insert("time".to_owned(), time.into());
    }
    Value::Object(entry)
}

/// Whether entries are the same but for when they were made. Upstream: `IgnoreManagedFieldsTimestampsTransformer`.
pub(crate) fn same_but_times(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_array(), other.as_array()) else { return one == other };
    let same = |(one, other): (&Value, &Value)| {
        let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
        let of_note = |member: &(&String, &Value)| member.0 != "time";
        one.iter().filter(of_note).eq(other.iter().filter(of_note))
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// Merges the oldest of too many managers that update, those of one version into one.
pub(super) fn cap(managers: &mut Vec<Managed<'_>>) {
    let updates = |managed: &&Managed<'_>| managed.manager.operation == Operation::Update;
    let mut count = managers.iter().filter(updates).count();
    if count <= MAX_UPDATE_MANAGERS {
        return;
    }
    let mut oldest: Vec<(Option<String>, Manager)> =
        managers.iter().filter(updates).map(|managed| (managed.time.clone(), managed.manager.clone())).collect();
    oldest.sort();
    let mut first_of_version: Vec<Manager> = Vec::new();
    for (time, manager) in oldest {
        if count <= MAX_UPDATE_MANAGERS {
            return;
        }
        let Some(first) = first_of_version.iter().find(|first| first.api_version == manager.api_version) else {
            first_of_version.push(manager);
            continue;
        };
        let bucket = Manager { name: ANCIENT.to_owned(), subresource: String::new(), ..manager.clone() };
        if !managers.iter().any(|managed| managed.manager == bucket)
            && let Some(managed) = managers.iter_mut().find(|managed| managed.manager == *first)
        {
            managed.manager = bucket.clone();
        }
        let Some(at) = managers.iter().position(|managed| managed.manager == manager) else { continue };
        if manager == bucket {
            continue;
        }
        let merged = managers.remove(at);
        if let Some(bucket) = managers.iter_mut().find(|managed| managed.manager == bucket) {
            bucket.fields = bucket.fields.union(&merged.fields);
            // The time of the younger one.
            bucket.time = time;
        }
        count -= 1;
    }
}
