//! Namespaces. Upstream: `pkg/registry/core/namespace`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::{Value, json};

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, SelectableField, Strategy};
use crate::validation::{NameRule, immutable};

/// The finalizer under which the namespace controller empties a namespace.
const KUBERNETES: &str = "kubernetes";
/// The label by which network policies and selectors find a namespace; defaulted and kept by the server.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Namespaces that upstream's NamespaceLifecycle never deletes.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(crate) struct NamespaceStrategy;

impl Strategy for NamespaceStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("Namespace", "NamespaceList"), ("namespaces", "namespace"), "core.v1.Namespace")
            .short(&["ns"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn verbs(&self) -> &'static [&'static str] {
        &["create", "delete", "get", "list", "patch", "update", "watch"]
    }

    fn subresources(&self) -> &'static [Subresource] {
        const FINALIZE: Subresource = Subresource { verbs: &["update"], ..Subresource::of_parent("finalize") };
        &[FINALIZE, Subresource::STATUS]
    }

    fn subresource_members(&self, subresource: &str) -> &'static [&'static str] {
        if subresource == "finalize" { &["spec"] } else { &["status"] }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"phase": "Active"});
        let has = object::list_at(object, "/spec/finalizers").iter().any(|finalizer| finalizer == KUBERNETES);
        if !has {
            let mut finalizers = object::list_at(object, "/spec/finalizers").to_vec();
            finalizers.push(KUBERNETES.into());
            object::set(object, &["spec", "finalizers"], finalizers.into());
        }
        label_with_name(object);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        crate::verbs::update::keep(object, old, "spec");
        label_with_name(object);
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("metadata").child("labels").key(NAME_LABEL);
        immutable(&mut errors, object, old, "/metadata/labels/kubernetes.io~1metadata.name", &path);
        errors
    }

    fn validate_status_update(&self, subresource: &str, object: &Value, _: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let phase = object::str_at(object, "/status/phase").unwrap_or_default();
        let expected = if object::deletion_timestamp(object).is_none() { "Active" } else { "Terminating" };
        if subresource == "status" && phase != expected {
            let why = match expected {
                "Active" => "may only be 'Active' if `deletionTimestamp` is empty",
                _ => "may only be 'Terminating' if `deletionTimestamp` is not empty",
            };
            errors.push(field::invalid(&Path::new("status").child("Phase"), phase, why));
        }
        errors
    }

    fn name_rule(&self) -> NameRule {
        NameRule::DnsLabel
    }

    fn held(&self, object: &Value) -> bool {
        !object::list_at(object, "/spec/finalizers").is_empty()
    }

    fn deletion_begins(&self, object: &mut Value) {
        object::set(object, &["status", "phase"], "Terminating".into());
        object::remove(object, &["metadata", "deletionGracePeriodSeconds"]);
    }

    fn deletion_refused(&self, object: &Value) -> Option<String> {
        IMMORTAL.contains(&object::name(object)).then(|| "this namespace may not be deleted".to_owned())
    }

    fn keep_parsed(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Status", "Whether the namespace is in use or going."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::text(object, "/status/phase", ""), cell::age(object, now)]
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const { &[SelectableField::new("status.phase", &["status.phase"])] }
    }
}

fn label_with_name(object: &mut Value) {
    let name = object::name(object).to_owned();
    object::set_label(object, NAME_LABEL, name);
}
