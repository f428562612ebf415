//! Tables as `kubectl get` prints them.

use std::sync::Arc;

use jiff::Timestamp;
use sampan_meta::table::{Cell, Column};

use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;

/// The content of a `meta.k8s.io/v1` Table: one row an object, one cell a column.
#[derive(Clone, Debug)]
pub struct Table {
    /// The definitions, wide ones with priority 1.
    pub columns: Vec<Column>,
    /// In the order of the objects.
    pub rows: Vec<Vec<Cell>>,
}

impl Registry {
    /// The rows of these objects, with ages as of `now`.
    pub fn table(&self, resource: &Resource, objects: &[Arc<Object>], now: Timestamp) -> Table {
        let row = |object: &Arc<Object>| {
            let value = object.value();
            let stored = match resource.view {
                Some(view) => view.stored(value),
                None => value,
            };
            resource.strategy.row(&stored, now)
        };
        Table { columns: resource.strategy.columns(), rows: objects.iter().map(row).collect() }
    }
}
