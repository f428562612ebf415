//! Nodes. Upstream: `pkg/registry/core/node`, `printNode`.

use jiff::Timestamp;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::conditions;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, SelectableField, Strategy};
use crate::validation::one_of;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE: &str = "kubernetes.io/role";

pub(crate) struct NodeStrategy;

impl Strategy for NodeStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("Node", "NodeList"), ("nodes", "node"), "core.v1.Node").short(&["no"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::proxy("NodeProxyOptions"), Subresource::STATUS] }
    }

    /// The node agent registers a node with its status.
    fn prepare_create(&self, _: &mut Value) {}

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (index, taint) in object::list_at(object, "/spec/taints").iter().enumerate() {
            let path = Path::new("spec").child("taints").index(index);
            let key = object::str_at(taint, "/key").unwrap_or_default();
            let messages = sampan_meta::validation::qualified_name(key);
            crate::validation::invalid_all(&mut errors, &path.child("key"), key, messages);
            let value = object::str_at(taint, "/value").unwrap_or_default();
            let messages = sampan_meta::validation::label_value(value);
            crate::validation::invalid_all(&mut errors, &path.child("value"), value, messages);
            let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            one_of(&mut errors, taint, "/effect", &path.child("effect"), &effects);
        }
        errors
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("Status", "Whether the node is ready and takes pods."),
            text("Roles", "What its labels say it is for."),
            cell::age_column(),
            text("Version", "Version of the node agent."),
            text("Internal-IP", "Address within the cluster.").wide(),
            text("External-IP", "Address from outside.").wide(),
            text("OS-Image", "Operating system.").wide(),
            text("Kernel-Version", "Kernel.").wide(),
            text("Container-Runtime", "What runs its containers.").wide(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let system = |field: &str| cell::text(object, &format!("/status/nodeInfo/{field}"), "<unknown>");
        vec![
            cell::name(object),
            status(object).into(),
            roles(object).into(),
            cell::age(object, now),
            cell::text(object, "/status/nodeInfo/kubeletVersion", ""),
            address(object, "InternalIP").into(),
            address(object, "ExternalIP").into(),
            system("osImage"),
            system("kernelVersion"),
            system("containerRuntimeVersion"),
        ]
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const { &[SelectableField::new("spec.unschedulable", &["spec.unschedulable"]).absent("false")] }
    }
}

fn status(object: &Value) -> String {
    let ready = conditions::get(object, "Ready").and_then(|condition| object::str_at(condition, "/status"));
    let ready = match ready {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let closed = object::bool_at(object, "/spec/unschedulable") == Some(true);
    if closed { format!("{ready},SchedulingDisabled") } else { ready.to_owned() }
}

/// Upstream: `findNodeRoles`.
fn roles(object: &Value) -> String {
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in object::labels(object).into_iter().flatten() {
        let role = match key.strip_prefix(ROLE_PREFIX) {
            Some(role) => role,
            None if key == ROLE => value.as_str().unwrap_or_default(),
            None => continue,
        };
        if !role.is_empty() && !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles.sort_unstable();
    cell::or_none(roles.join(","))
}

fn address<'a>(object: &'a Value, type_: &str) -> &'a str {
    let addresses = object::list_at(object, "/status/addresses").iter();
    let mut of_type = addresses.filter(|address| object::str_at(address, "/type") == Some(type_));
    of_type.next().and_then(|address| object::str_at(address, "/address")).unwrap_or(cell::NONE)
}
