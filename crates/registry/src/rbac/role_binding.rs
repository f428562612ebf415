//! RoleBindings. Upstream: `pkg/registry/rbac/rolebinding`.

use jiff::Timestamp;
use sampan_meta::field::ErrorList;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::subjects;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::NameRule;

/// The kinds of role it may name.
const ROLES: &[&str] = &["Role", "ClusterRole"];

pub(crate) struct RoleBindingStrategy;

impl Strategy for RoleBindingStrategy {
    fn names(&self) -> Names {
        Names::new(
            ("rbac.authorization.k8s.io", "v1"),
            ("RoleBinding", "RoleBindingList"),
            ("rolebindings", "rolebinding"),
            "rbac.v1.RoleBinding",
        )
    }

    fn scope(&self) -> Scope {
        Scope::Namespaced
    }

    fn validate(&self, object: &Value) -> ErrorList {
        subjects::validate(object, ROLES)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        subjects::validate_update(object, old, ROLES)
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        subjects::columns()
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        subjects::row(object, now)
    }
}
