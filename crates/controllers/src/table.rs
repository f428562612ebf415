//! The table of controllers.

use std::sync::Arc;

use crate::controller::{Context, Controller, Rule};

/// One controller: its name, the rights its role is made of, and how it is made.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name: in logs, and as the source of its events.
    pub name: &'static str,
    /// Whom it acts as, with the role `system:controller:IDENTITY`: its name, but where upstream lets two share a role.
    pub identity: &'static str,
    /// The resources (group, plural) it cannot do without, as far as an apiserver may lack them. See [`served`].
    pub requires: &'static [(&'static str, &'static str)],
    /// What its identity must be allowed to do, beside what the shared watches do with theirs.
    pub permissions: &'static [Rule],
    /// Makes it.
    pub make: fn(&Context) -> Arc<dyn Controller>,
}

/// The controllers whose resources the apiserver serves: a watch of others would fail again and again.
pub async fn served(client: &sampan_client::Client, table: Vec<Entry>) -> Result<Vec<Entry>, sampan_client::Error> {
    let resources = crate::discover::resources(client).await?;
    let is_served = |(group, plural): &(&str, &str)| {
        resources.iter().any(|(resource, _)| resource.group == *group && resource.plural == *plural)
    };
    Ok(table.into_iter().filter(|entry| entry.requires.iter().all(is_served)).collect())
}
