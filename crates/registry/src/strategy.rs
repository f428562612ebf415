//! What is special about one kind.

use jiff::Timestamp;
use sampan_api::request::User;
use sampan_meta::field::ErrorList;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::allocator::Reservation;
use crate::registry::Registry;
use crate::resource::Subresource;
use crate::view::View;

/// Every name of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Empty for the core group.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    /// `pods`, the path segment.
    pub plural: &'static str,
    /// `pod`.
    pub singular: &'static str,
    /// `PodList`.
    pub list_kind: &'static str,
    /// `po`.
    pub short_names: &'static [&'static str],
    /// `all`.
    pub categories: &'static [&'static str],
    /// The type in the schema table: `core.v1.Pod`.
    pub type_name: &'static str,
}

impl Names {
    /// A kind without short names and categories. `list_kind` and `type_name` follow upstream's rules, but a constant cannot join
    /// strings, so they are said.
    pub(crate) const fn new(
        (group, version): (&'static str, &'static str),
        (kind, list_kind): (&'static str, &'static str),
        (plural, singular): (&'static str, &'static str),
        type_name: &'static str,
    ) -> Self {
        Self { group, version, kind, plural, singular, list_kind, short_names: &[], categories: &[], type_name }
    }

    pub(crate) const fn short(mut self, short_names: &'static [&'static str]) -> Self {
        self.short_names = short_names;
        self
    }

    /// One of `kubectl get all`.
    pub(crate) const fn in_all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    /// One of `kubectl get api-extensions`.
    pub(crate) const fn in_api_extensions(mut self) -> Self {
        self.categories = &["api-extensions"];
        self
    }
}

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Below a namespace.
    Namespaced,
    /// Beside the namespaces.
    Cluster,
}

/// A field that field selectors may name, beside `metadata.name` and `metadata.namespace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectableField {
    /// As selectors spell it: `spec.nodeName`.
    pub name: &'static str,
    /// Where it is in the object: first of these that is there. Usually only `name` itself.
    pub paths: &'static [&'static str],
    /// What an absent field compares as.
    pub absent: &'static str,
}

impl SelectableField {
    pub(crate) const fn new(name: &'static str, paths: &'static [&'static str]) -> Self {
        Self { name, paths, absent: "" }
    }

    pub(crate) const fn absent(mut self, absent: &'static str) -> Self {
        self.absent = absent;
        self
    }
}

/// Verbs of an ordinary resource.
pub(crate) const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// A kind: one file below `registry/src/<group>/` and one line in [`crate::builtin`].
///
/// # Contract
/// All methods are pure functions of their arguments (only [`Strategy::reserve`] sees the registry). They are called with objects that
/// conform to the schema and have been defaulted, and may be called several times for one request. They never panic on odd content.
pub trait Strategy: Send + Sync + 'static {
    /// Every name of the kind.
    fn names(&self) -> Names;

    /// The other versions that serve the same objects.
    fn views(&self) -> &'static [&'static dyn View] {
        &[]
    }

    /// Where its objects live.
    fn scope(&self) -> Scope {
        Scope::Namespaced
    }

    /// The verbs of the main resource, sorted.
    fn verbs(&self) -> &'static [&'static str] {
        ALL_VERBS
    }

    /// Sorted by name.
    fn subresources(&self) -> &'static [Subresource] {
        &[]
    }

    /// Called in a create, after mutating admission: removes what only the server sets (status, above all).
    fn prepare_create(&self, object: &mut Value) {
        if self.subresources().iter().any(|subresource| subresource.name == "status") {
            sampan_meta::object::remove(object, &["status"]);
        }
    }

    /// Called after [`Strategy::prepare_create`] where an object has to say who made it, so that nobody can say another did.
    fn record_author(&self, object: &mut Value, author: &User) {
        let _ = (object, author);
    }

    /// Called in a write to the main resource, after mutating admission and with metadata settled: brings back what this path may not change.
    /// The generic registry has put the old `status` back if the kind has the subresource.
    fn prepare_update(&self, object: &mut Value, old: &Value) {
        let _ = (object, old);
    }

    /// The members of the object that a subresource writes; all others but `metadata` are kept.
    fn subresource_members(&self, subresource: &str) -> &'static [&'static str] {
        let _ = subresource;
        &["status"]
    }

    /// Fields that a write to the main resource (`""`) or to a subresource cannot change, so that its writer never owns them nor what is
    /// below. By default what [`Strategy::subresource_members`] and the status subresource say. Upstream: `GetResetFields`.
    fn reset_fields(&self, subresource: &str) -> Vec<&'static [&'static str]> {
        if subresource.is_empty() {
            let has_status = self.subresources().iter().any(|subresource| subresource.name == "status");
            return if has_status { vec![&["status"]] } else { Vec::new() };
        }
        let written = self.subresource_members(subresource);
        let parts: [&'static [&'static str]; 2] = [&["spec"], &["status"]];
        parts.into_iter().filter(|part| !written.contains(&part[0])).collect()
    }

    /// Called in a write to a subresource that takes the whole object, once all but [`Strategy::subresource_members`] is back to what
    /// it was: brings back what of the metadata this path may not change.
    fn prepare_status_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        let _ = (subresource, object, old);
    }

    /// Called after [`Strategy::prepare_status_update`] where an object has to say when its state changed.
    fn record_time(&self, object: &mut Value, old: &Value, now: Timestamp) {
        let _ = (object, old, now);
    }

    /// Whether a write to the main resource asks for something else, so that `metadata.generation` is raised.
    fn spec_changed(&self, object: &Value, old: &Value) -> bool {
        object.get("spec") != old.get("spec")
    }

    /// Whether the object may be created. Metadata is checked by the generic registry.
    fn validate(&self, object: &Value) -> ErrorList {
        let _ = object;
        ErrorList::new()
    }

    /// Whether the main resource may become `object`. By default, whether `object` might be created.
    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let _ = old;
        self.validate(object)
    }

    /// Whether the subresource may write `object`.
    fn validate_status_update(&self, subresource: &str, object: &Value, old: &Value) -> ErrorList {
        let _ = (subresource, object, old);
        ErrorList::new()
    }

    /// How a name of the kind is checked; upstream's `NameIsDNSSubdomain` and its kin.
    fn name_rule(&self) -> crate::validation::NameRule {
        crate::validation::NameRule::DnsSubdomain
    }

    /// What a client should be told about an object it creates or changes.
    fn warnings(&self, object: &Value) -> Vec<String> {
        let _ = object;
        Vec::new()
    }

    /// The columns of `kubectl get`.
    fn columns(&self) -> Vec<Column>;

    /// The cells of one object, one a column.
    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell>;

    /// Fields that field selectors may name.
    fn selectable_fields(&self) -> &'static [SelectableField] {
        &[]
    }

    /// The selectable field by which the watch cache finds objects without looking at all of them.
    fn index(&self) -> Option<&'static str> {
        None
    }

    /// Whether `metadata.generation` is kept: 1 at first, one more with every change of the spec.
    fn has_generation(&self) -> bool {
        false
    }

    /// Whether a write without a resourceVersion may replace whatever is there.
    fn allow_unconditional_update(&self) -> bool {
        true
    }

    /// Whether a PUT of an absent object creates it.
    fn allow_create_on_update(&self) -> bool {
        false
    }

    /// Seconds after the last write at which the store drops the object.
    fn lifetime_seconds(&self) -> Option<i64> {
        None
    }

    /// Whether an acknowledged write must survive the loss of power. Leases and events need not cost an fsync each.
    fn durable(&self) -> bool {
        true
    }

    /// Whether parsed objects stay in memory because every request's admission reads them. For kinds with few objects only.
    fn keep_parsed(&self) -> bool {
        false
    }

    /// The grace period with which a delete lets the object linger; `None` removes it at once (if no finalizer holds it).
    /// `requested` is the client's wish.
    fn grace_period(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let _ = (object, requested);
        None
    }

    /// Whether finalizers outside `metadata` hold the object (`spec.finalizers` of a namespace).
    fn held(&self, object: &Value) -> bool {
        let _ = object;
        false
    }

    /// Called once when deletion of the object begins but cannot end at once.
    fn deletion_begins(&self, object: &mut Value) {
        let _ = object;
    }

    /// Why the object may never be deleted, if so.
    fn deletion_refused(&self, object: &Value) -> Option<String> {
        let _ = object;
        None
    }

    /// Whether objects have addresses or ports of their own, to be given back when they go.
    fn reserves(&self) -> bool {
        false
    }

    /// Sets aside what the object needs exclusively (addresses, ports) before it is validated. The reservation is kept once the
    /// object is written and given back if it is not.
    fn reserve<'a>(
        &self,
        registry: &'a Registry,
        object: &'a mut Value,
        old: Option<&'a Value>,
        dry_run: bool,
    ) -> Option<futures::future::BoxFuture<'a, Result<Reservation, sampan_meta::Status>>> {
        let _ = (registry, object, old, dry_run);
        None
    }
}
