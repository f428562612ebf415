//! A pod's priority follows from its class (upstream's `plugin/pkg/admission/priority`).

use std::sync::Arc;

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Status, object};
use serde_json::{Value, json};

use super::{Context, Plugin, forbidden, object_name, writes};

const PREEMPT: &str = "PreemptLowerPriority";
const GROUP: &str = "scheduling.k8s.io";

pub(super) struct Priority;

impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn mutate(&self, context: &Context, request: &AdmissionRequest<'_>, pod: &mut Value) -> Result<(), Status> {
        if !writes(request, "", "pods", &[Operation::Create]) {
            return Ok(());
        }
        let class = class_of(context, request, pod)?;
        let computed = Computed::of(class.as_deref());
        computed.check(request, pod)?;
        if let Some(class) = class {
            object::set(pod, &["spec", "priorityClassName"], json!(object::name(&class)));
        }
        object::set(pod, &["spec", "priority"], json!(computed.value));
        object::set(pod, &["spec", "preemptionPolicy"], json!(computed.preemption_policy));
        Ok(())
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, class: &Value) -> Result<(), Status> {
        let is_class = writes(request, GROUP, "priorityclasses", &[Operation::Create, Operation::Update]);
        if !is_class || object::bool_at(class, "/globalDefault") != Some(true) {
            return Ok(());
        }
        let name = object_name(request.attributes, class);
        match default_class(context).filter(|other| object::name(other) != name) {
            None => Ok(()),
            Some(other) => {
                let why = format!(
                    "PriorityClass {} is already marked as default. Only one default can exist",
                    object::name(&other)
                );
                Err(forbidden(request, class, why))
            }
        }
    }
}

/// What a pod of a class gets.
struct Computed {
    value: i64,
    preemption_policy: String,
}

impl Computed {
    fn of(class: Option<&Value>) -> Self {
        let value = class.and_then(|class| object::i64_at(class, "/value")).unwrap_or_default();
        let policy = class.and_then(|class| object::str_at(class, "/preemptionPolicy")).unwrap_or(PREEMPT);
        Self { value, preemption_policy: policy.to_owned() }
    }

    /// A pod may repeat what its class says; it may not say something else.
    fn check(&self, request: &AdmissionRequest<'_>, pod: &Value) -> Result<(), Status> {
        let Self { value, preemption_policy } = self;
        let computed = "must not be provided in pod spec; priority admission controller computed";
        let class = "from the given PriorityClass name";
        if let Some(given) = object::i64_at(pod, "/spec/priority").filter(|given| given != value) {
            let why = format!("the integer value of priority ({given}) {computed} {value} {class}");
            return Err(forbidden(request, pod, why));
        }
        match object::str_at(pod, "/spec/preemptionPolicy").filter(|given| given != preemption_policy) {
            None => Ok(()),
            Some(given) => {
                let why =
                    format!("the string value of PreemptionPolicy ({given}) {computed} {preemption_policy} {class}");
                Err(forbidden(request, pod, why))
            }
        }
    }
}

fn class_of(context: &Context, request: &AdmissionRequest<'_>, pod: &Value) -> Result<Option<Arc<Value>>, Status> {
    let Some(name) = object::str_at(pod, "/spec/priorityClassName") else { return Ok(default_class(context)) };
    let class = context.lister.get(&classes(), "", name);
    let missing = || forbidden(request, pod, format!("no PriorityClass with name {name} was found"));
    class.map(Some).ok_or_else(missing)
}

/// The class for pods that name none. Should there be two (made at the same moment), the lower one, so that nobody is raised.
fn default_class(context: &Context) -> Option<Arc<Value>> {
    let classes = context.lister.list(&classes(), None).into_iter();
    let defaults = classes.filter(|class| object::bool_at(class, "/globalDefault") == Some(true));
    defaults.min_by_key(|class| object::i64_at(class, "/value"))
}

fn classes() -> GroupResource {
    GroupResource::new(GROUP, "priorityclasses")
}
