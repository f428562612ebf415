//! A claim or volume in use is not deleted under its user: a finalizer holds it, which a controller takes off (upstream's
//! `plugin/pkg/admission/storage/storageobjectinuseprotection`).

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::{Context, Plugin, append, writes};

const FINALIZERS: [(&str, &str); 2] =
    [("persistentvolumeclaims", "kubernetes.io/pvc-protection"), ("persistentvolumes", "kubernetes.io/pv-protection")];

pub(super) struct StorageObjectInUseProtection;

impl Plugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn mutate(&self, _: &Context, request: &AdmissionRequest<'_>, object: &mut Value) -> Result<(), Status> {
        for (plural, finalizer) in FINALIZERS {
            let held = object::finalizers(object).any(|held| held == finalizer);
            if writes(request, "", plural, &[Operation::Create]) && !held {
                append(object, &["metadata", "finalizers"], json!(finalizer));
            }
        }
        Ok(())
    }
}
