//! Everything served, as discovery and OpenAPI see it: stored kinds and those that only answer.

use std::sync::Arc;

use sampan_registry::{Resource, Subresource};

use crate::aggregation;
use crate::reviews::{self, Review};

/// One resource of a group and version.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) verbs: &'static [&'static str],
    pub(crate) short_names: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) subresources: Vec<ServedSubresource>,
    /// The type in the schema: `core.v1.Pod`.
    pub(crate) type_name: &'static str,
    /// Set for a custom kind, whose type is in its definition.
    pub(crate) custom: Option<Arc<Resource>>,
}

impl PartialEq for Served {
    /// Whether documents say the same of both.
    fn eq(&self, other: &Self) -> bool {
        let Self {
            plural,
            singular,
            kind,
            namespaced,
            verbs,
            short_names,
            categories,
            subresources,
            type_name,
            custom,
        } = self;
        let schema = |custom: &Option<Arc<Resource>>| {
            custom.as_ref().and_then(|custom| custom.published_schema().map(std::ptr::from_ref))
        };
        (plural, singular, kind, namespaced, verbs)
            == (&other.plural, &other.singular, &other.kind, &other.namespaced, &other.verbs)
            && (short_names, categories, subresources) == (&other.short_names, &other.categories, &other.subresources)
            && type_name == &other.type_name
            && schema(custom) == schema(&other.custom)
    }
}

/// One subresource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedSubresource {
    pub(crate) name: &'static str,
    /// Group, version and kind it takes; group and version empty mean the parent's.
    pub(crate) kind: (&'static str, &'static str, &'static str),
    pub(crate) verbs: &'static [&'static str],
}

/// One group with its versions, the preferred one first.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) versions: Vec<Version>,
}

/// One version of a group with its resources, sorted.
#[derive(Clone, PartialEq)]
pub(crate) struct Version {
    pub(crate) name: &'static str,
    pub(crate) resources: Vec<Served>,
}

impl Group {
    /// `v1`, `apps/v1`.
    pub(crate) fn group_version(&self, version: &str) -> String {
        if self.name.is_empty() { version.to_owned() } else { format!("{}/{version}", self.name) }
    }
}

/// Gathers all that is served, in upstream's order.
pub(crate) fn groups(resources: &[Arc<Resource>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for resource in resources {
        add(&mut groups, resource.names.group, resource.names.version, stored(resource));
    }
    for review in reviews::all() {
        add(&mut groups, review.group, "v1", answered(review));
    }
    groups.sort_by_key(|group| (std::cmp::Reverse(aggregation::of_group(group.name)), group.name));
    for version in groups.iter_mut().flat_map(|group| &mut group.versions) {
        version.resources.sort_by_key(|served| served.plural);
    }
    groups
}

fn add(groups: &mut Vec<Group>, group: &'static str, version: &'static str, served: Served) {
    let at = groups.iter().position(|known| known.name == group).unwrap_or_else(|| {
        groups.push(Group { name: group, versions: Vec::new() });
        groups.len() - 1
    });
    let versions = &mut groups[at].versions;
    match versions.iter_mut().find(|known| known.name == version) {
        Some(known) => known.resources.push(served),
        None => versions.push(Version { name: version, resources: vec![served] }),
    }
}

fn stored(resource: &Arc<Resource>) -> Served {
    let subresources = resource.subresources.iter();
    Served {
        plural: resource.names.plural,
        singular: resource.names.singular,
        kind: resource.names.kind,
        namespaced: resource.namespaced,
        verbs: resource.verbs,
        short_names: resource.names.short_names,
        categories: resource.names.categories,
        subresources: subresources
            .map(|subresource| ServedSubresource {
                name: subresource.name,
                kind: kind_of(resource, subresource),
                verbs: subresource.verbs,
            })
            .collect(),
        type_name: resource.type_name,
        custom: resource.is_custom().then(|| Arc::clone(resource)),
    }
}

/// The kind a subresource takes; one that names none takes its parent's. Group and version are empty if they are the parent's.
pub(crate) fn kind_of(resource: &Resource, subresource: &Subresource) -> (&'static str, &'static str, &'static str) {
    let (group, version, kind) = subresource.kind;
    let kind = if kind.is_empty() { resource.names.kind } else { kind };
    if (group, version) == (resource.names.group, resource.names.version) {
        ("", "", kind)
    } else {
        (group, version, kind)
    }
}

fn answered(review: &'static Review) -> Served {
    Served {
        plural: review.plural,
        singular: review.singular,
        kind: review.kind,
        namespaced: review.namespaced,
        verbs: &["create"],
        short_names: &[],
        categories: &[],
        subresources: Vec::new(),
        type_name: review.type_name,
        custom: None,
    }
}
