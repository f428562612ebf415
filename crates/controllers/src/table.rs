//! The table of controllers.

use std::sync::Arc;

use crate::controller::{Context, Controller, Rule};

/// One controller: its name, the rights its role is made of, and how it is made.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The name: of its identity, its role (`system:controller:NAME`) and the source of its events.
    pub name: &'static str,
    /// What its identity must be allowed to do, beside what the shared watches do with theirs.
    pub permissions: &'static [Rule],
    /// Makes it.
    pub make: fn(&Context) -> Arc<dyn Controller>,
}
