//! The custom kinds that are served now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sampan_meta::object;
use sampan_store::At;
use serde_json::Value;

use super::DEFINITIONS;
use super::kind::Definition;
use super::status;
use crate::registry::Registry;
use crate::resource::Resource;

/// The catalog of the moment, and the lock under which the next one is made.
#[derive(Default)]
pub(crate) struct Catalogs {
    current: ArcSwap<Catalog>,
    making: Mutex<()>,
}

/// All custom kinds as of one state of the definitions.
#[derive(Default)]
pub(crate) struct Catalog {
    /// The revision that last touched a definition.
    version: u64,
    entries: BTreeMap<String, Entry>,
    /// In the order of discovery.
    pub(crate) resources: Vec<Arc<Resource>>,
    by_path: HashMap<(&'static str, &'static str, &'static str), usize>,
}

/// One definition, established or not.
#[derive(Clone)]
struct Entry {
    revision: u64,
    /// What it was compiled of: while this is the same, so is what was compiled.
    source: Arc<Source>,
    compiled: Option<Arc<Definition>>,
}

#[derive(PartialEq)]
struct Source {
    uid: String,
    /// Another with every change of the spec; the one step that deletion takes is left out.
    generation: i64,
    accepted_names: Value,
    established: bool,
    terminating: bool,
}

impl Source {
    fn of(object: &Value) -> Self {
        let terminating = object::deletion_timestamp(object).is_some();
        Self {
            uid: object::uid(object).to_owned(),
            generation: object::generation(object) - i64::from(terminating),
            accepted_names: object.pointer("/status/acceptedNames").cloned().unwrap_or_default(),
            established: status::is_true(object, "Established"),
            terminating,
        }
    }

    fn compiles_alike(&self, other: &Self) -> bool {
        (&self.uid, self.generation, &self.accepted_names, self.established)
            == (&other.uid, other.generation, &other.accepted_names, other.established)
    }
}

impl Catalog {
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let at = self.by_path.get(&(group, version, plural))?;
        Some(&self.resources[*at])
    }

    /// Changes whenever what is served may have.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
}

impl Registry {
    /// The custom kinds as the definitions are now. Costs nothing until they change.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        let version = self.cache.resource_version(DEFINITIONS);
        let current = self.catalogs.current.load();
        if current.version == version {
            return Arc::clone(&current);
        }
        let _making = self.catalogs.making.lock();
        let current = self.catalogs.current.load_full();
        if current.version == version {
            return current;
        }
        let next = Arc::new(self.next_catalog(&current, version));
        self.catalogs.current.store(Arc::clone(&next));
        retire(&current, &next);
        next
    }

    fn next_catalog(&self, current: &Catalog, version: u64) -> Catalog {
        let mut entries = BTreeMap::new();
        if let Ok(snapshot) = self.cache.snapshot(DEFINITIONS, &At::Latest) {
            for object in snapshot.range(None, None) {
                let before = current.entries.get(object.name());
                let entry = match before.filter(|before| before.revision == object.revision()) {
                    Some(same) => same.clone(),
                    None => entry(object.revision(), &object.value(), before),
                };
                entries.insert(object.name().to_owned(), entry);
            }
        }
        let resources = resources(&entries);
        let path = |resource: &Arc<Resource>| (resource.names.group, resource.names.version, resource.names.plural);
        let by_path = resources.iter().enumerate().map(|(at, resource)| (path(resource), at)).collect();
        Catalog { version, entries, resources, by_path }
    }
}

fn entry(revision: u64, object: &Value, before: Option<&Entry>) -> Entry {
    let source = Source::of(object);
    let compiled = match before.filter(|before| before.source.compiles_alike(&source)) {
        Some(before) => before.compiled.clone(),
        None => source.established.then(|| Arc::new(Definition::compile(object))),
    };
    Entry { revision, source: Arc::new(source), compiled }
}

fn resources(entries: &BTreeMap<String, Entry>) -> Vec<Arc<Resource>> {
    let mut resources: Vec<Arc<Resource>> = Vec::new();
    for entry in entries.values() {
        let kinds = entry.compiled.iter().flat_map(|definition| definition.kinds(entry.source.terminating));
        resources.extend(kinds.map(|kind| Arc::new(Resource::custom(Arc::new(kind)))));
    }
    resources.sort_by(|one, other| {
        let order =
            |resource: &Resource| (resource.names.group, precedence(resource.names.version), resource.names.plural);
        order(one).cmp(&order(other))
    });
    resources
}

/// Ends the watches of what is served otherwise now, or no more: their clients list anew.
fn retire(before: &Catalog, now: &Catalog) {
    for (name, entry) in &before.entries {
        let Some(definition) = &entry.compiled else { continue };
        let stays = now.entries.get(name).and_then(|entry| entry.compiled.as_ref());
        if !stays.is_some_and(|stays| Arc::ptr_eq(stays, definition)) {
            definition.retired.send_replace(true);
        }
    }
}

/// The order of versions: the most stable and newest first. Upstream: `apimachinery/pkg/version.CompareKubeAwareVersionStrings`.
fn precedence(version: &'static str) -> (u8, std::cmp::Reverse<(u64, u64)>, &'static str) {
    let parsed = version.strip_prefix('v').and_then(|rest| {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let major: u64 = rest[..digits].parse().ok()?;
        let (stage, minor) = match &rest[digits..] {
            "" => (0, "0"),
            tail if tail.starts_with("beta") => (1, &tail[4..]),
            tail if tail.starts_with("alpha") => (2, &tail[5..]),
            _ => return None,
        };
        Some((stage, std::cmp::Reverse((major, minor.parse().ok()?)), ""))
    });
    parsed.unwrap_or((3, std::cmp::Reverse((0, 0)), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first_and_of_those_the_newest() {
        let mut versions = ["foo10", "v1", "v11alpha2", "v10beta3", "v2", "v3beta1", "foo1", "v10", "v12alpha1"];
        versions.sort_by_key(|version| precedence(version));
        assert_eq!(versions, ["v10", "v2", "v1", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]);
    }
}
