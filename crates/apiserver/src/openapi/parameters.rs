//! Parameters of paths and of what may be done with them.

use serde_json::{Value, json};

/// A parameter in the query: name, type and what it says.
type Parameter = (&'static str, &'static str, &'static str);

const DRY_RUN: Parameter = ("dryRun", "string", "`All` runs the whole request and stores nothing.");
const FIELD_MANAGER: Parameter = ("fieldManager", "string", "Who the fields set by this request belong to.");
const FIELD_VALIDATION: Parameter =
    ("fieldValidation", "string", "What becomes of unknown and repeated fields: Ignore, Warn (the default) or Strict.");
const FORCE: Parameter = ("force", "boolean", "Takes over fields owned by others; for apply patches only.");

const LIST: [Parameter; 10] = [
    ("allowWatchBookmarks", "boolean", "Asks a watch for bookmarks: resource versions from which it can be resumed."),
    ("continue", "string", "Goes on after an earlier page."),
    ("fieldSelector", "string", "Restricts the list by fields."),
    ("labelSelector", "string", "Restricts the list by labels."),
    ("limit", "integer", "Most objects on one page."),
    ("resourceVersion", "string", "The version a list shows or a watch begins after."),
    ("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."),
    ("sendInitialEvents", "boolean", "Begins a watch with the present state, closed by a bookmark."),
    ("timeoutSeconds", "integer", "Ends a watch after this time."),
    ("watch", "boolean", "Follows changes instead of listing."),
];

const DELETE: [Parameter; 4] = [
    DRY_RUN,
    ("gracePeriodSeconds", "integer", "Seconds until the object is removed; 0 removes it at once."),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    ("propagationPolicy", "string", "What becomes of dependants: Orphan, Background or Foreground."),
];

/// Parameters of a path.
pub(super) fn of_path(namespaced: bool, named: bool) -> Value {
    let mut parameters = Vec::new();
    if named {
        parameters.push(in_path("name", "The object's name."));
    }
    if namespaced {
        parameters.push(in_path("namespace", "The object's namespace."));
    }
    parameters.push(in_query(&("pretty", "string", "`true` indents the answer.")));
    parameters.into()
}

/// Parameters of an action (`x-kubernetes-action`).
pub(super) fn of_action(action: &str) -> Value {
    let parameters: Vec<&Parameter> = match action {
        "list" => LIST.iter().collect(),
        "deletecollection" => {
            LIST.iter().filter(|(name, ..)| !name.contains("atch") || name.ends_with("Match")).chain(&DELETE).collect()
        }
        "delete" => DELETE.iter().collect(),
        "post" | "put" => vec![&DRY_RUN, &FIELD_MANAGER, &FIELD_VALIDATION],
        "patch" => vec![&DRY_RUN, &FIELD_MANAGER, &FIELD_VALIDATION, &FORCE],
        _ => Vec::new(),
    };
    parameters.into_iter().map(in_query).collect()
}

fn in_query((name, type_, description): &Parameter) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": { "type": type_, "uniqueItems": true } })
}

fn in_path(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "path", "description": description, "required": true,
        "schema": { "type": "string", "uniqueItems": true },
    })
}
