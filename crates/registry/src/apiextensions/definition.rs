//! CustomResourceDefinitions. Upstream: `apiextensions-apiserver/pkg/registry/customresourcedefinition`.

use jiff::Timestamp;
use sampan_meta::field::ErrorList;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::{Value, json};

use super::{cleanup, validate};
use crate::conditions;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};

pub(crate) struct CustomResourceDefinitionStrategy;

impl Strategy for CustomResourceDefinitionStrategy {
    fn names(&self) -> Names {
        let kind = ("CustomResourceDefinition", "CustomResourceDefinitionList");
        let resource = ("customresourcedefinitions", "customresourcedefinition");
        let type_name = "apiextensions.v1.CustomResourceDefinition";
        Names::new(("apiextensions.k8s.io", "v1"), kind, resource, type_name)
            .short(&["crd", "crds"])
            .in_api_extensions()
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []});
        record_stored_version(object);
    }

    /// A version that objects have been stored in is remembered until somebody says that none are left in it.
    fn prepare_update(&self, object: &mut Value, _: &Value) {
        record_stored_version(object);
    }

    fn prepare_status_update(&self, _: &str, object: &mut Value, old: &Value) {
        for member in ["labels", "annotations", "ownerReferences"] {
            crate::verbs::update::keep_metadata(object, old, member);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate::definition(object)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        validate::update(object, old)
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        validate::status(object)
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    /// It stays until its instances are gone.
    fn held(&self, object: &Value) -> bool {
        object::deletion_timestamp(object).is_none()
    }

    fn deletion_begins(&self, object: &mut Value) {
        let mut finalizers: Vec<String> = object::finalizers(object).map(str::to_owned).collect();
        if !finalizers.iter().any(|finalizer| finalizer == cleanup::FINALIZER) {
            finalizers.push(cleanup::FINALIZER.to_owned());
            object::set_finalizers(object, finalizers);
        }
        let since = object.pointer("/metadata/deletionTimestamp").cloned().unwrap_or_default();
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        conditions::set(
            object,
            json!({"type": "Terminating", "status": "True", "lastTransitionTime": since, "reason": "InstanceDeletionPending",
                "message": message}),
        );
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), Column::new("Created At", "date", "When the object was created.")]
    }

    fn row(&self, object: &Value, _: Timestamp) -> Vec<Cell> {
        let created = object.pointer("/metadata/creationTimestamp").cloned().unwrap_or_default();
        vec![crate::cell::name(object), created]
    }
}

fn record_stored_version(object: &mut Value) {
    let versions = object::list_at(object, "/spec/versions");
    let Some(storage) = versions.iter().find(|version| version["storage"] == true) else { return };
    let name = storage["name"].clone();
    let status = object::child(object, "status");
    match status.get_mut("storedVersions").and_then(Value::as_array_mut) {
        Some(stored) if stored.contains(&name) => (),
        Some(stored) => stored.push(name),
        None => status["storedVersions"] = json!([name]),
    }
}
