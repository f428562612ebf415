//! What an applier no longer mentions goes, unless somebody else owns it. Upstream: `Updater.prune`.

use serde_json::Value;

use super::mentioned::mentioned;
use super::own::{Managed, Request};
use super::remove::remove;
use super::set::{FieldSet, Node};
use super::typed::Typed;

/// An object on its way through versions.
struct Versioned {
    object: Value,
    api_version: String,
}

impl Versioned {
    fn to(&mut self, request: Request<'_>, api_version: &str) {
        if self.api_version != api_version {
            self.object = request.versions.convert(&self.object, &self.api_version, api_version).into_owned();
            api_version.clone_into(&mut self.api_version);
        }
    }
}

/// The merged object without what the applier owned `before`, mentions no more, and nobody else (nor its own new configuration) owns.
pub(super) fn prune(request: Request<'_>, merged: Value, before: &Managed<'_>, managers: &[Managed<'_>]) -> Value {
    let theirs = before.manager.api_version.as_str();
    let Some(typed) = request.versions.typed(theirs) else { return merged };
    if nothing_dropped(before, managers) {
        return merged;
    }
    let mut merged = Versioned { object: merged, api_version: request.api_version.to_owned() };
    merged.to(request, theirs);
    let last = with_named_fields(&before.fields, typed);
    let mut pruned = Versioned { object: remove(typed, &merged.object, &last), api_version: theirs.to_owned() };
    for api_version in versions_of(theirs, managers) {
        let Some(typed) = request.versions.typed(api_version) else { continue };
        merged.to(request, api_version);
        pruned.to(request, api_version);
        pruned.object = with_owned(typed, api_version, &merged.object, &pruned.object, managers);
    }
    merged.to(request, theirs);
    pruned.to(request, theirs);
    let kept = with_named_fields(&mentioned(typed, &pruned.object), typed);
    let all = with_named_fields(&mentioned(typed, &merged.object), typed);
    let gone = all.difference(&kept).intersection(&last);
    let mut object = Versioned { object: remove(typed, &merged.object, &gone), api_version: theirs.to_owned() };
    object.to(request, request.api_version);
    object.object
}

/// The usual case, told cheaply: all it owned before it owns still.
fn nothing_dropped(before: &Managed<'_>, managers: &[Managed<'_>]) -> bool {
    let now = managers.iter().find(|managed| managed.manager == before.manager);
    now.is_some_and(|now| before.fields.difference(&now.fields).is_empty())
}

/// The versions managers name their fields in, this one first.
fn versions_of<'m>(first: &'m str, managers: &'m [Managed<'_>]) -> Vec<&'m str> {
    let mut versions = vec![first];
    for managed in managers {
        if !versions.contains(&managed.manager.api_version.as_str()) {
            versions.push(&managed.manager.api_version);
        }
    }
    versions
}

/// The pruned object with all back that is owned by anybody.
fn with_owned(typed: Typed<'_>, api_version: &str, merged: &Value, pruned: &Value, managers: &[Managed<'_>]) -> Value {
    let of_version = managers.iter().filter(|managed| managed.manager.api_version == api_version);
    let mut kept = with_named_fields(&mentioned(typed, pruned), typed);
    for managed in of_version {
        kept = kept.union(&with_named_fields(&managed.fields, typed));
    }
    let all = with_named_fields(&mentioned(typed, merged), typed);
    remove(typed, merged, &all.difference(&kept))
}

/// The set with the declared fields on the way to its members: of `.spec.replicas` also `.spec`.
/// Upstream: `EnsureNamedFieldsAreMembers`.
fn with_named_fields<'a>(set: &FieldSet<'a>, typed: Typed<'_>) -> FieldSet<'a> {
    let node = |node: &Node<'a>| {
        let named = matches!(&node.element, super::PathElement::Field(name) if typed.is_declared(name));
        Node {
            element: node.element.clone(),
            member: node.member || (named && !node.children.is_empty()),
            children: with_named_fields(&node.children, typed.child(&node.element)),
        }
    };
    FieldSet { nodes: set.nodes.iter().map(node).collect() }
}
