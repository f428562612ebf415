//! ClusterRoles. Upstream: `pkg/registry/rbac/clusterrole`.

use jiff::Timestamp;
use sampan_meta::field::ErrorList;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::rules;
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::NameRule;

pub(crate) struct ClusterRoleStrategy;

impl Strategy for ClusterRoleStrategy {
    fn names(&self) -> Names {
        Names::new(
            ("rbac.authorization.k8s.io", "v1"),
            ("ClusterRole", "ClusterRoleList"),
            ("clusterroles", "clusterrole"),
            "rbac.v1.ClusterRole",
        )
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        rules::validate(object, false)
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
