//! A claim that names no class gets the default one (upstream's `plugin/pkg/admission/storage/storageclass/setdefault`).

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Status, object};
use serde_json::{Value, json};

use super::{Context, Plugin, writes};

/// The class as it was written before there was a field.
pub(super) const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

pub(super) struct DefaultStorageClass;

impl Plugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn mutate(&self, context: &Context, request: &AdmissionRequest<'_>, claim: &mut Value) -> Result<(), Status> {
        // An empty class is a choice: no class at all.
        let named = claim.pointer("/spec/storageClassName").is_some_and(Value::is_string)
            || object::annotation(claim, CLASS_ANNOTATION).is_some();
        if !writes(request, "", "persistentvolumeclaims", &[Operation::Create]) || named {
            return Ok(());
        }
        let classes = context.lister.list(&GroupResource::new("storage.k8s.io", "storageclasses"), None);
        let marked = |class: &Value| DEFAULT.iter().any(|mark| object::annotation(class, mark) == Some("true"));
        if let Some(class) = newest(classes.iter().map(|class| &**class).filter(|class| marked(class))) {
            object::set(claim, &["spec", "storageClassName"], json!(object::name(class)));
        }
        Ok(())
    }
}

/// Of several defaults the one made last; of those made in the same second the first by name.
pub(super) fn newest<'a>(classes: impl Iterator<Item = &'a Value>) -> Option<&'a Value> {
    let key = |class: &&'a Value| (object::creation_timestamp(class), std::cmp::Reverse(object::name(class)));
    classes.max_by_key(key)
}
