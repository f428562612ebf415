//! Pods. Upstream: `pkg/registry/core/pod`.

use jiff::Timestamp;
use sampan_meta::field::ErrorList;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::{Value, json};

use crate::resource::Subresource;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation;
use crate::verbs::update::keep_metadata;

mod change;
mod ephemeral;
mod qos;
mod rows;

pub(crate) struct PodStrategy;

impl Strategy for PodStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("Pod", "PodList"), ("pods", "pod"), "core.v1.Pod").short(&["po"]).in_all()
    }

    fn subresources(&self) -> &'static [Subresource] {
        const {
            &[
                Subresource::declared("attach", "PodAttachOptions", &["create", "get"]),
                Subresource::posted("binding", ("", "v1", "Binding")),
                Subresource::of_parent("ephemeralcontainers"),
                Subresource::posted("eviction", ("policy", "v1", "Eviction")),
                Subresource::declared("exec", "PodExecOptions", &["create", "get"]),
                Subresource::declared("log", "Pod", &["get"]),
                Subresource::declared("portforward", "PodPortForwardOptions", &["create", "get"]),
                Subresource::proxy("PodProxyOptions"),
                Subresource::STATUS,
            ]
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Pending", "qosClass": qos::class(object)});
        if !object::list_at(object, "/spec/schedulingGates").is_empty() {
            let condition = json!({"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates"});
            crate::conditions::set(object, condition);
        }
    }

    fn subresource_members(&self, subresource: &str) -> &'static [&'static str] {
        if subresource == "ephemeralcontainers" { &["spec"] } else { &["status"] }
    }

    fn reset_fields(&self, subresource: &str) -> Vec<&'static [&'static str]> {
        match subresource {
            "status" => vec![&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]],
            _ => vec![&["status"]],
        }
    }

    fn prepare_status_update(&self, subresource: &str, object: &mut Value, old: &Value) {
        if subresource == "ephemeralcontainers" {
            return ephemeral::prepare(object, old);
        }
        keep_metadata(object, old, "ownerReferences");
        if object::str_at(object, "/status/qosClass").is_none() {
            let class = object::str_at(old, "/status/qosClass").map_or_else(|| qos::class(old), str::to_owned);
            object::set(object, &["status", "qosClass"], class.into());
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validation::pod::validate(object)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        change::validate(object, old)
    }

    fn validate_status_update(&self, subresource: &str, object: &Value, old: &Value) -> ErrorList {
        if subresource == "ephemeralcontainers" {
            return ephemeral::validate(object, old);
        }
        change::validate_status(object)
    }

    fn columns(&self) -> Vec<Column> {
        rows::columns()
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        rows::row(object, now)
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const {
            &[
                SelectableField::new("spec.nodeName", &["spec.nodeName"]),
                SelectableField::new("spec.restartPolicy", &["spec.restartPolicy"]),
                SelectableField::new("spec.schedulerName", &["spec.schedulerName"]),
                SelectableField::new("spec.serviceAccountName", &["spec.serviceAccountName"]),
                SelectableField::new("spec.hostNetwork", &["spec.hostNetwork"]).absent("false"),
                SelectableField::new("status.phase", &["status.phase"]),
                SelectableField::new("status.podIP", &["status.podIP"]),
                SelectableField::new("status.podIPs", &["status.podIPs"]),
                SelectableField::new("status.nominatedNodeName", &["status.nominatedNodeName"]),
            ]
        }
    }

    fn index(&self) -> Option<&'static str> {
        Some("spec.nodeName")
    }

    /// Upstream: `podStrategy.CheckGracefulDelete`.
    fn grace_period(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let own = object::i64_at(object, "/spec/terminationGracePeriodSeconds").unwrap_or(0);
        let ended = matches!(object::str_at(object, "/status/phase"), Some("Succeeded" | "Failed"));
        let on_a_node = object::str_at(object, "/spec/nodeName").is_some();
        if ended || !on_a_node {
            return Some(0);
        }
        Some(match requested.unwrap_or(own) {
            negative if negative < 0 => 1,
            seconds => seconds,
        })
    }
}
