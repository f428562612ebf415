//! RuntimeClasses. Upstream: `pkg/registry/node/runtimeclass`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::dns1123_label;
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::{immutable, invalid_all};

pub(crate) struct RuntimeClassStrategy;

impl Strategy for RuntimeClassStrategy {
    fn names(&self) -> Names {
        let kind = ("RuntimeClass", "RuntimeClassList");
        Names::new(("node.k8s.io", "v1"), kind, ("runtimeclasses", "runtimeclass"), "node.v1.RuntimeClass")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("handler");
        match object::str_at(object, "/handler") {
            None => errors.push(field::required(&path, "")),
            Some(handler) => invalid_all(&mut errors, &path, handler, dns1123_label(handler)),
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/handler", &Path::new("handler"));
        errors
    }

    fn keep_parsed(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("Handler", "The runtime that runs its pods."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::text(object, "/handler", ""), cell::age(object, now)]
    }
}
