//! What a client may say beside the object: the query parameters and option bodies, parsed.

use sampan_meta::field::{self, Path};
use sampan_meta::selector::{FieldSelector, LabelSelector};
use sampan_meta::{Status, object};
use serde_json::Value;

/// How `resourceVersion` is meant (`resourceVersionMatch`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionMatch {
    /// Not given: the rule of the verb applies (upstream: "resourceVersion semantics").
    #[default]
    Unset,
    /// The state at exactly this version.
    Exact,
    /// Any state not older than this version.
    NotOlderThan,
}

/// Parameters of `list` and `deletecollection`.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Keeps objects whose labels match; `None` keeps all.
    pub label_selector: Option<LabelSelector>,
    /// Keeps objects whose selectable fields match; an unknown field is an error 400.
    pub field_selector: Option<FieldSelector>,
    /// The `resourceVersion` parameter as sent; empty when absent.
    pub resource_version: String,
    /// The `resourceVersionMatch` parameter.
    pub version_match: VersionMatch,
    /// At most this many objects; 0 means all.
    pub limit: usize,
    /// The `continue` parameter as sent; empty when absent.
    pub continue_token: String,
    /// The `sendInitialEvents` parameter, which only watches may carry.
    pub send_initial_events: Option<bool>,
}

/// Parameters of `watch`. The time limit of a watch is the caller's business.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// As for list; objects that come to match are `Added`, those that cease to match are `Deleted`.
    pub label_selector: Option<LabelSelector>,
    /// As for list.
    pub field_selector: Option<FieldSelector>,
    /// The `resourceVersion` parameter as sent; empty when absent.
    pub resource_version: String,
    /// The `resourceVersionMatch` parameter.
    pub version_match: VersionMatch,
    /// The `allowWatchBookmarks` parameter: a bookmark each minute.
    pub allow_bookmarks: bool,
    /// The `sendInitialEvents` parameter (WatchList).
    pub send_initial_events: Option<bool>,
}

/// What happens to the dependants of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The object goes at once, the garbage collector follows.
    Background,
    /// The object stays with finalizer `foregroundDeletion` until its dependants are gone.
    Foreground,
    /// The dependants stay; finalizer `orphan` until the garbage collector has freed them.
    Orphan,
}

/// Conditions on the object a delete or patch is meant for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The uid it must have.
    pub uid: Option<String>,
    /// The resourceVersion it must have.
    pub resource_version: Option<String>,
}

/// The body `DeleteOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds a pod gets to end; `None` takes the object's own.
    pub grace_period_seconds: Option<i64>,
    /// Fails with 409 unless they hold.
    pub preconditions: Preconditions,
    /// `propagationPolicy`, or what the old `orphanDependents` said.
    pub propagation: Option<Propagation>,
}

impl DeleteOptions {
    /// Reads a body of kind `DeleteOptions`; null or an empty object means none.
    ///
    /// # Errors
    /// 422 for a policy that is unknown or contradicts `orphanDependents`.
    pub fn parse(body: &Value) -> Result<Self, Status> {
        let text = |pointer| object::str_at(body, pointer).map(str::to_owned);
        let preconditions =
            Preconditions { uid: text("/preconditions/uid"), resource_version: text("/preconditions/resourceVersion") };
        Ok(Self {
            grace_period_seconds: object::i64_at(body, "/gracePeriodSeconds"),
            preconditions,
            propagation: propagation(body)?,
        })
    }
}

/// Upstream: `ValidateDeleteOptions`.
fn propagation(body: &Value) -> Result<Option<Propagation>, Status> {
    let refused = |error| Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", vec![error]));
    let path = Path::new("propagationPolicy");
    let policy = object::str_at(body, "/propagationPolicy");
    match (policy, object::bool_at(body, "/orphanDependents")) {
        (Some(policy), Some(_)) => {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            refused(field::invalid(&path, policy, why))
        }
        (Some("Background"), None) | (None, Some(false)) => Ok(Some(Propagation::Background)),
        (Some("Foreground"), None) => Ok(Some(Propagation::Foreground)),
        (Some("Orphan"), None) | (None, Some(true)) => Ok(Some(Propagation::Orphan)),
        (Some(policy), None) => {
            refused(field::not_supported(&path, policy, &["Foreground", "Background", "Orphan", "nil"]))
        }
        (None, None) => Ok(None),
    }
}

/// The media type of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/json-patch+json`, RFC 6902.
    Json,
    /// `application/merge-patch+json`, RFC 7386.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
}
