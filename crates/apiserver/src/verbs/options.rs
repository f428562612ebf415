//! Query parameters and option bodies as the registry wants them.

use sampan_meta::Status;
use sampan_meta::field::{self, Path};
use sampan_meta::selector::{FieldSelector, LabelSelector};
use sampan_registry::{
    DeleteOptions, FieldValidation, ListOptions, Preconditions, Propagation, VersionMatch, WatchOptions,
};
use serde_json::Value;

use crate::decode::{self, Expected};
use crate::pipeline::Call;
use crate::query::Query;

/// Parameters of list and deletecollection.
pub(crate) fn list(query: &Query) -> Result<ListOptions, Status> {
    Ok(ListOptions {
        label_selector: label_selector(query)?,
        field_selector: field_selector(query)?,
        resource_version: text(query, "resourceVersion"),
        version_match: version_match(query)?,
        limit: usize::try_from(number(query, "limit")?.unwrap_or(0)).unwrap_or(0),
        continue_token: text(query, "continue"),
        send_initial_events: send_initial_events(query),
    })
}

/// Parameters of watch.
pub(super) fn watch(query: &Query) -> Result<WatchOptions, Status> {
    Ok(WatchOptions {
        label_selector: label_selector(query)?,
        field_selector: field_selector(query)?,
        resource_version: text(query, "resourceVersion"),
        version_match: version_match(query)?,
        allow_bookmarks: query.flag("allowWatchBookmarks"),
        send_initial_events: send_initial_events(query),
    })
}

/// A parameter that counts. 400 if it is no number.
pub(super) fn number(query: &Query, name: &str) -> Result<Option<i64>, Status> {
    let parse = |text: &str| {
        text.parse::<i64>().map_err(|_| {
            Status::bad_request(format!("invalid value {text:?} for parameter {name}: it must be a number"))
        })
    };
    query.get(name).map(parse).transpose()
}

fn text(query: &Query, name: &str) -> String {
    query.get(name).unwrap_or_default().to_owned()
}

fn send_initial_events(query: &Query) -> Option<bool> {
    query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents"))
}

fn version_match(query: &Query) -> Result<VersionMatch, Status> {
    match query.get("resourceVersionMatch") {
        None => Ok(VersionMatch::Unset),
        Some("Exact") => Ok(VersionMatch::Exact),
        Some("NotOlderThan") => Ok(VersionMatch::NotOlderThan),
        Some(other) => {
            Err(decode::unsupported("ListOptions", "resourceVersionMatch", other, &["Exact", "NotOlderThan", ""]))
        }
    }
}

fn label_selector(query: &Query) -> Result<Option<LabelSelector>, Status> {
    let parse = |text| {
        LabelSelector::parse(text).map_err(|error| Status::bad_request(format!("unable to parse requirement: {error}")))
    };
    query.get("labelSelector").map(parse).transpose()
}

fn field_selector(query: &Query) -> Result<Option<FieldSelector>, Status> {
    let parse = |text| FieldSelector::parse(text).map_err(|error| Status::bad_request(error.to_string()));
    query.get("fieldSelector").map(parse).transpose()
}

/// What a delete is told: in a body (`DeleteOptions` of any group), else in the query. And whether it is a dry run.
pub(super) fn delete(call: &mut Call, body: &[u8]) -> Result<(DeleteOptions, bool), Status> {
    let dry_run = decode::dry_run(&call.query, "DeleteOptions")?;
    if body.is_empty() {
        return Ok((delete_from_query(&call.query)?, dry_run));
    }
    let sent_as = decode::media(&call.headers)?;
    let api_version = sampan_meta::GroupVersion::new(&*call.attributes.group, &*call.attributes.version).api_version();
    let expected =
        Expected { api_version: &api_version, kind: "DeleteOptions", type_name: "apis.meta.v1.DeleteOptions" };
    let value = decode::options(body, sent_as, expected, FieldValidation::Warn, &mut call.warnings)?;
    let in_body = value.get("dryRun").and_then(Value::as_array).is_some_and(|values| !values.is_empty());
    if in_body && value["dryRun"].as_array().into_iter().flatten().any(|value| value != "All") {
        return Err(decode::unsupported("DeleteOptions", "dryRun", &value["dryRun"].to_string(), &["All"]));
    }
    Ok((delete_from_body(&value)?, dry_run || in_body))
}

/// The most bytes a field manager's name may have. Upstream: `FieldManagerMaxLength`.
const FIELD_MANAGER_LENGTH: usize = 128;

/// Who the fields of a write belong to: the `fieldManager` parameter, or the User-Agent up to its first slash (upstream's
/// `managerOrUserAgent`). Clients of our own have no User-Agent and are called as their user is.
pub(super) fn field_manager(call: &Call) -> String {
    if let Some(manager) = call.query.get("fieldManager") {
        return manager.to_owned();
    }
    let agent = call.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent = agent.split('/').next().unwrap_or_default();
    let name = match agent {
        "" if call.attributes.user.node_name().is_some() => "kubelet",
        "" => call.attributes.user.name.rsplit(':').next().unwrap_or_default(),
        agent => agent,
    };
    let mut manager = String::with_capacity(name.len());
    for character in name.chars().filter(|character| !character.is_control()) {
        if manager.len() + character.len_utf8() > FIELD_MANAGER_LENGTH {
            break;
        }
        manager.push(character);
    }
    manager
}

/// Upstream: `ValidateFieldManager`. `kind` is the kind of options that the error names.
pub(super) fn check_field_manager(query: &Query, kind: &str) -> Result<(), Status> {
    let path = Path::new("fieldManager");
    let manager = query.get("fieldManager").unwrap_or_default();
    let mut errors = Vec::new();
    if manager.len() > FIELD_MANAGER_LENGTH {
        errors.push(field::too_long(&path, FIELD_MANAGER_LENGTH));
    }
    for (position, character) in manager.char_indices().filter(|(_, character)| character.is_control()) {
        let why = format!("invalid character U+{:04X} (at position {position})", u32::from(character));
        errors.push(field::invalid(&path, manager, why));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", kind, "", errors)) }
}

/// Who applies has to say who it is.
pub(super) fn required_field_manager(query: &Query) -> Result<(), Status> {
    if query.get("fieldManager").is_some() {
        return Ok(());
    }
    let error = field::required(&Path::new("fieldManager"), "is required for apply patch");
    Err(Status::invalid("meta.k8s.io", "PatchOptions", "", vec![error]))
}

fn delete_from_query(query: &Query) -> Result<DeleteOptions, Status> {
    let orphan = query.get("orphanDependents").map(|_| query.flag("orphanDependents"));
    Ok(DeleteOptions {
        grace_period_seconds: number(query, "gracePeriodSeconds")?,
        preconditions: Preconditions::default(),
        propagation: propagation(query.get("propagationPolicy"), orphan)?,
    })
}

fn delete_from_body(value: &Value) -> Result<DeleteOptions, Status> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    Ok(DeleteOptions {
        grace_period_seconds: value.get("gracePeriodSeconds").and_then(Value::as_i64),
        preconditions: Preconditions {
            uid: text("/preconditions/uid").map(str::to_owned),
            resource_version: text("/preconditions/resourceVersion").map(str::to_owned),
        },
        propagation: propagation(text("/propagationPolicy"), value.get("orphanDependents").and_then(Value::as_bool))?,
    })
}

fn propagation(policy: Option<&str>, orphan: Option<bool>) -> Result<Option<Propagation>, Status> {
    match (policy, orphan) {
        (Some(_), Some(_)) => Err(Status::bad_request("orphanDependents and deletionPropagation cannot be both set")),
        (None, None) => Ok(None),
        (None, Some(true)) | (Some("Orphan"), None) => Ok(Some(Propagation::Orphan)),
        (None, Some(false)) | (Some("Background"), None) => Ok(Some(Propagation::Background)),
        (Some("Foreground"), None) => Ok(Some(Propagation::Foreground)),
        (Some(other), None) => Err(decode::unsupported(
            "DeleteOptions",
            "propagationPolicy",
            other,
            &["Foreground", "Background", "Orphan", "nil"],
        )),
    }
}
