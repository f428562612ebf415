//! All groups and versions in the order clients prefer them in: what this server serves and what others do.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::aggregated;
use super::served::Group;
use crate::aggregation::{self, Learned, Remote};

/// One group with its versions, the preferred one first.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) versions: Vec<ListedVersion>,
}

/// One version of a group, as aggregated discovery has it.
pub(super) struct ListedVersion {
    pub(super) name: String,
    priority: i64,
    pub(super) entry: Value,
}

impl Listed {
    /// `v1`, `apps/v1`.
    pub(super) fn group_version(&self, version: &str) -> String {
        if self.name.is_empty() { version.to_owned() } else { format!("{}/{version}", self.name) }
    }
}

/// The groups by their priority, then their name. A version that somebody else serves is theirs, even if this server could.
pub(super) fn listed(groups: &[Group], remotes: &[(Arc<Remote>, Option<Arc<Learned>>)]) -> Vec<Listed> {
    let mut all: BTreeMap<&str, (i64, Vec<ListedVersion>)> = BTreeMap::new();
    for group in groups {
        let (priority, versions) = all.entry(group.name).or_default();
        *priority = aggregation::of_group(group.name);
        versions.extend(group.versions.iter().map(|version| ListedVersion {
            name: version.name.to_owned(),
            priority: aggregation::of_version(group.name, version.name),
            entry: aggregated::version(version),
        }));
    }
    for (remote, learned) in remotes {
        let (priority, versions) = all.entry(&remote.group).or_default();
        *priority = remote.group_priority.max(*priority);
        versions.retain(|version| version.name != remote.version);
        versions.push(ListedVersion {
            name: remote.version.clone(),
            priority: remote.version_priority,
            entry: remote_version(remote, learned.as_deref()),
        });
    }
    let mut ordered: Vec<_> =
        all.into_iter().map(|(name, (priority, versions))| (Reverse(priority), name, versions)).collect();
    ordered.sort_by_key(|(priority, name, _)| (*priority, *name));
    let listed = ordered.into_iter().map(|(_, name, mut versions)| {
        // Versions of one priority stay in the order of their names.
        versions.sort_by_key(|version| Reverse(version.priority));
        Listed { name: name.to_owned(), versions }
    });
    listed.collect()
}

/// What is known of an extension server that does not answer now, or has never answered, is stale.
fn remote_version(remote: &Remote, learned: Option<&Learned>) -> Value {
    let fresh = remote.is_available() && learned.is_some();
    let mut entry = json!({ "version": remote.version, "freshness": if fresh { "Current" } else { "Stale" } });
    if let Some(learned) = learned {
        entry["resources"] = learned.resources.clone().into();
    }
    entry
}
