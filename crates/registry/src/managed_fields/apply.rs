//! A configuration applied to an object. Upstream: `FieldManager.Apply` and what it wraps.

use sampan_meta::apply::{self, ApplyError, Conflict, Managed, Operation};
use sampan_meta::{GroupVersionKind, Status, decode, object};
use serde_json::Value;

use super::{Writer, entries, last_applied, nothing, unowned};

/// Who is said to own what was there before anybody was tracked.
const BEFORE: &str = "before-first-apply";
/// Who took over from client-side apply without a conflict.
pub(super) const KUBECTL: &str = "kubectl";

/// What the live object becomes by the configuration, with its managedFields. Both are in the version of the request; without a live
/// object there is none yet.
///
/// # Errors
/// 409 with the conflicts; 500 with upstream's words for a configuration that is not of its type.
pub(crate) fn apply(writer: &Writer<'_>, live: Option<&Value>, config: &Value, force: bool) -> Result<Value, Status> {
    let absent = nothing();
    let mut bare = live.unwrap_or(absent).clone();
    let before = object::remove(&mut bare, &["metadata", "managedFields"]);
    let mut managers = entries::decode(before.as_ref(), &writer.versions)
        .map_err(|error| unexpected(format!("failed to decode managed fields: {error}")))?;
    if managers.is_empty() && live.is_some() {
        managers.extend(first(writer, &bare).map_err(|error| unexpected(error.to_string()))?);
    }
    let applied = attempt(writer, &bare, config, managers, force)?;
    let changed = applied.object.is_some();
    let entries = settle(writer, applied.managers, changed);
    let mut object = applied.object.unwrap_or_else(|| bare.clone());
    if changed {
        conform(writer, &mut object, config)?;
    }
    if writer.name == KUBECTL {
        last_applied::refresh(&mut object, config);
    }
    match entries {
        Some(entries) => object::set(&mut object, &["metadata", "managedFields"], entries),
        None => drop(object::remove(&mut object, &["metadata", "managedFields"])),
    }
    Ok(object)
}

/// Everything that is there, as one manager's.
fn first<'a>(writer: &Writer<'_>, live: &'a Value) -> Result<Option<Managed<'a>>, apply::InvalidFields> {
    let fields = apply::update(writer.request(), nothing(), live, &mut Vec::new())?.difference(unowned());
    let manager = writer.manager(BEFORE, Operation::Update);
    Ok((!fields.is_empty()).then(|| Managed { manager, fields, time: Some(writer.now.clone()) }))
}

fn attempt<'a>(
    writer: &Writer<'_>,
    live: &'a Value,
    config: &'a Value,
    managers: Vec<Managed<'a>>,
    force: bool,
) -> Result<apply::Applied<'a>, Status> {
    let applier = writer.manager(writer.name, Operation::Apply);
    let once = |managers, force| apply::apply(writer.request(), live, config, managers, applier.clone(), force);
    // Only `kubectl` may take over what client-side apply has left, so only for it the managers are kept for a second attempt.
    let spare = if writer.name == KUBECTL && !force { managers.clone() } else { Vec::new() };
    let mut outcome = once(managers, force);
    if let (Err(ApplyError::Conflicts(conflicts)), KUBECTL) = (&outcome, writer.name)
        && let Some(allowed) = last_applied::unchanged(writer, live)
    {
        let left: Vec<Conflict> = conflicts.iter().filter(|conflict| !allowed.has(&conflict.path)).cloned().collect();
        outcome = if left.is_empty() { once(spare, true) } else { Err(ApplyError::Conflicts(left)) };
    }
    outcome.map_err(|error| status(error, live, config))
}

/// The applier's time is now if it has changed anything.
fn settle(writer: &Writer<'_>, mut managers: Vec<Managed<'_>>, changed: bool) -> Option<Value> {
    let applier = writer.manager(writer.name, Operation::Apply);
    if let Some(managed) = managers.iter_mut().find(|managed| managed.manager.is(&applier)) {
        managed.fields = managed.fields.difference(unowned());
        if changed {
            managed.time = Some(writer.now.clone());
        }
    }
    managers.retain(|managed| !managed.fields.is_empty());
    entries::encode(managers)
}

/// Brings what was merged into the shape its type has.
fn conform(writer: &Writer<'_>, object: &mut Value, config: &Value) -> Result<(), Status> {
    let unfit =
        |error| unexpected(format!("failed to convert new typed object ({}) to object: {error}", identity(config)));
    if let Some(kind) = writer.versions.custom() {
        return kind.prune(object).map(drop).map_err(unfit);
    }
    let schema = sampan_api::schema();
    let Some(type_) = writer.versions.type_of(&writer.api_version) else { return Ok(()) };
    decode::conform(schema, type_, object).map(drop).map_err(unfit)
}

fn status(error: ApplyError, live: &Value, config: &Value) -> Status {
    match error {
        ApplyError::Conflicts(conflicts) => conflict(&conflicts),
        ApplyError::Config(error) => {
            unexpected(format!("failed to create typed patch object ({}): {error}", identity(config)))
        }
        ApplyError::Live(error) => {
            unexpected(format!("failed to create typed live object ({}): {error}", identity(live)))
        }
        error @ ApplyError::Version(_) => unexpected(error.to_string()),
    }
}

/// Upstream: `objectGVKNN`.
fn identity(object: &Value) -> String {
    let kind: GroupVersionKind = object::group_version_kind(object);
    format!("{}/{}; {kind}", object::namespace(object), object::name(object))
}

/// 500 without a reason: what upstream makes of an error that is no Status.
fn unexpected(message: String) -> Status {
    let mut status = Status::internal("");
    status.reason.clear();
    status.details = None;
    status.message = message;
    status
}

/// Upstream: `NewConflictError`.
fn conflict(conflicts: &[Conflict]) -> Status {
    let mut status = Status::internal("");
    status.code = 409;
    "Conflict".clone_into(&mut status.reason);
    status.details = None;
    status.message = message(conflicts);
    conflicts.iter().fold(status, |status, conflict| {
        status.with_cause("FieldManagerConflict", format!("conflict with {}", conflict.manager), &conflict.field)
    })
}

/// The conflicts, manager by manager.
fn message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.field);
    }
    let mut lines = Vec::new();
    for theirs in conflicts.chunk_by(|one, other| one.manager == other.manager) {
        lines.push(format!("conflicts with {}:", theirs[0].manager));
        lines.extend(theirs.iter().map(|conflict| format!("- {}", conflict.field)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}
