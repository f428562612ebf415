//! An ingress that names no class gets the default one (upstream's `plugin/pkg/admission/network/defaultingressclass`).

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Status, object};
use serde_json::{Value, json};

use super::default_storage_class::newest;
use super::{Context, Plugin, writes};

const GROUP: &str = "networking.k8s.io";
/// The class as it was written before there was a field.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

pub(super) struct DefaultIngressClass;

impl Plugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn mutate(&self, context: &Context, request: &AdmissionRequest<'_>, ingress: &mut Value) -> Result<(), Status> {
        let named = ingress.pointer("/spec/ingressClassName").is_some_and(Value::is_string)
            || object::annotation(ingress, CLASS_ANNOTATION).is_some();
        if !writes(request, GROUP, "ingresses", &[Operation::Create]) || named {
            return Ok(());
        }
        let classes = context.lister.list(&GroupResource::new(GROUP, "ingressclasses"), None);
        let marked = |class: &&Value| object::annotation(class, DEFAULT) == Some("true");
        if let Some(class) = newest(classes.iter().map(|class| &**class).filter(marked)) {
            object::set(ingress, &["spec", "ingressClassName"], json!(object::name(class)));
        }
        Ok(())
    }
}
