//! ComponentStatuses: made when they are asked for, never stored. Upstream: `pkg/registry/core/componentstatus`, deprecated since 1.19 and
//! read by old scripts all the same.

use std::sync::Arc;

use jiff::Timestamp;
use sampan_meta::table::{Cell, Column};
use sampan_meta::{Status, object};
use sampan_store::Key;
use serde_json::{Value, json};

use crate::cell;
use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::strategy::{Names, Scope, Strategy};

pub(crate) struct ComponentStatusStrategy;

impl Strategy for ComponentStatusStrategy {
    fn names(&self) -> Names {
        let kind = ("ComponentStatus", "ComponentStatusList");
        let resource = ("componentstatuses", "componentstatus");
        Names::new(("", "v1"), kind, resource, "core.v1.ComponentStatus").short(&["cs"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn verbs(&self) -> &'static [&'static str] {
        &["get", "list"]
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Status", "Status of the component conditions"),
            cell::text_column("Message", "Message of the component conditions"),
            cell::text_column("Error", "Error of the component conditions"),
        ]
    }

    fn row(&self, object: &Value, _: Timestamp) -> Vec<Cell> {
        let healthy = object::list_at(object, "/conditions").iter().find(|condition| condition["type"] == "Healthy");
        let text = |name: &str| {
            healthy.and_then(|healthy| healthy.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let status = match text("status").as_str() {
            "True" => "Healthy",
            "False" => "Unhealthy",
            _ => "Unknown",
        };
        vec![cell::name(object), status.into(), text("message").into(), text("error").into()]
    }
}

impl Registry {
    /// The status of a component as an object of its kind: healthy, or why not.
    ///
    /// # Errors
    /// 500 for a name that is none.
    pub fn component_status(
        &self,
        resource: &Resource,
        name: &str,
        health: Result<(), &str>,
    ) -> Result<Arc<Object>, Status> {
        let condition = match health {
            Ok(()) => json!({"type": "Healthy", "status": "True", "message": "ok"}),
            Err(why) => json!({"type": "Healthy", "status": "False", "error": why}),
        };
        let status = json!({"apiVersion": "v1", "kind": "ComponentStatus",
            "metadata": {"name": name, "creationTimestamp": null}, "conditions": [condition]});
        self.unstored(Key::new(&*resource.storage, "", name), 0, &status)
    }
}
