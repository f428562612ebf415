//! A claim grows only where its class allows it (upstream's `plugin/pkg/admission/storage/persistentvolume/resize`).

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Quantity, Status, object};
use serde_json::Value;

use super::default_storage_class::CLASS_ANNOTATION;
use super::{Context, Plugin, forbidden, writes};

pub(super) struct PersistentVolumeClaimResize;

impl Plugin for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, claim: &Value) -> Result<(), Status> {
        let Some(old) = request.old.filter(|_| writes(request, "", "persistentvolumeclaims", &[Operation::Update]))
        else {
            return Ok(());
        };
        if requested(claim) <= requested(old) {
            return Ok(());
        }
        if object::str_at(old, "/status/phase") != Some("Bound") {
            return Err(forbidden(request, claim, "Only bound persistent volume claims can be expanded"));
        }
        match may_grow(context, claim, old) {
            true => Ok(()),
            false => {
                let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
                Err(forbidden(request, claim, why))
            }
        }
    }
}

fn requested(claim: &Value) -> Quantity {
    let text = object::str_at(claim, "/spec/resources/requests/storage");
    text.and_then(|text| Quantity::parse(text).ok()).unwrap_or(Quantity::ZERO)
}

fn class_of(claim: &Value) -> &str {
    let annotation = object::annotation(claim, CLASS_ANNOTATION);
    annotation.or_else(|| object::str_at(claim, "/spec/storageClassName")).unwrap_or_default()
}

fn may_grow(context: &Context, claim: &Value, old: &Value) -> bool {
    let name = class_of(claim);
    let classes = GroupResource::new("storage.k8s.io", "storageclasses");
    let class = context.lister.get(&classes, "", name).filter(|_| !name.is_empty() && name == class_of(old));
    class.is_some_and(|class| object::bool_at(&class, "/allowVolumeExpansion") == Some(true))
}
