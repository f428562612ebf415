//! Bindings: posted, never stored. The same as `pods/binding` with the pod's name in the body.

use jiff::Timestamp;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};

pub(crate) struct BindingStrategy;

impl Strategy for BindingStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("Binding", "BindingList"), ("bindings", "binding"), "core.v1.Binding")
    }

    fn verbs(&self) -> &'static [&'static str] {
        &["create"]
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name()]
    }

    fn row(&self, object: &Value, _: Timestamp) -> Vec<Cell> {
        vec![cell::name(object)]
    }
}
