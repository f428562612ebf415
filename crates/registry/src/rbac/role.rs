//! Roles. Upstream: `pkg/registry/rbac/role`.

use jiff::Timestamp;
use sampan_meta::field::ErrorList;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::rules;
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::NameRule;

pub(crate) struct RoleStrategy;

impl Strategy for RoleStrategy {
    fn names(&self) -> Names {
        Names::new(("rbac.authorization.k8s.io", "v1"), ("Role", "RoleList"), ("roles", "role"), "rbac.v1.Role")
    }

    fn scope(&self) -> Scope {
        Scope::Namespaced
    }

    fn validate(&self, object: &Value) -> ErrorList {
        rules::validate(object, true)
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("Created At", "When it was created.")]
    }

    fn row(&self, object: &Value, _: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::text(object, "/metadata/creationTimestamp", "")]
    }
}
