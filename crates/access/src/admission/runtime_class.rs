//! A pod's runtime class brings its overhead and its place (upstream's `plugin/pkg/admission/runtimeclass`).

use std::sync::Arc;

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Quantity, Status, object};
use serde_json::{Map, Value, json};

use super::{Context, Plugin, append, forbidden, writes};

pub(super) struct RuntimeClass;

impl Plugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn mutate(&self, context: &Context, request: &AdmissionRequest<'_>, pod: &mut Value) -> Result<(), Status> {
        if !writes(request, "", "pods", &[Operation::Create]) {
            return Ok(());
        }
        let Some(class) = class_of(context, request, pod)? else { return Ok(()) };
        if let Some(overhead) = overhead_of(&class) {
            let given = pod.pointer("/spec/overhead").filter(|given| !given.is_null());
            if given.is_some_and(|given| !same_quantities(given, overhead)) {
                let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
                return Err(forbidden(request, pod, why));
            }
            object::set(pod, &["spec", "overhead"], overhead.clone());
        }
        set_scheduling(request, &class, pod)
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, pod: &Value) -> Result<(), Status> {
        if !writes(request, "", "pods", &[Operation::Create]) {
            return Ok(());
        }
        let class = class_of(context, request, pod)?;
        let given = pod.pointer("/spec/overhead").is_some_and(|overhead| !overhead.is_null());
        match given && class.as_deref().and_then(overhead_of).is_none() {
            true => {
                let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
                Err(forbidden(request, pod, why))
            }
            false => Ok(()),
        }
    }
}

fn class_of(context: &Context, request: &AdmissionRequest<'_>, pod: &Value) -> Result<Option<Arc<Value>>, Status> {
    let Some(name) = object::str_at(pod, "/spec/runtimeClassName") else { return Ok(None) };
    let class = context.lister.get(&GroupResource::new("node.k8s.io", "runtimeclasses"), "", name);
    let missing = || forbidden(request, pod, format!("pod rejected: RuntimeClass {name:?} not found"));
    class.map(Some).ok_or_else(missing)
}

fn overhead_of(class: &Value) -> Option<&Value> {
    class.pointer("/overhead/podFixed").filter(|overhead| !overhead.is_null())
}

/// Whether both name the same resources in the same amounts, however written (`1Gi`, `1024Mi`).
fn same_quantities(first: &Value, second: &Value) -> bool {
    let amounts = |list: &Value| -> Vec<(String, Option<Quantity>)> {
        let members = list.as_object().into_iter().flatten();
        let mut amounts: Vec<_> = members.map(|(name, amount)| (name.clone(), quantity(amount))).collect();
        amounts.sort_by(|(first, _), (second, _)| first.cmp(second));
        amounts
    };
    amounts(first) == amounts(second)
}

fn quantity(value: &Value) -> Option<Quantity> {
    value.as_str()?.parse().ok()
}

/// Pods of the class run on nodes that can run it: its node selector and its tolerations join the pod's.
fn set_scheduling(request: &AdmissionRequest<'_>, class: &Value, pod: &mut Value) -> Result<(), Status> {
    let empty = Map::new();
    let wanted = class.pointer("/scheduling/nodeSelector").and_then(Value::as_object).unwrap_or(&empty);
    for (key, value) in wanted {
        let own = object::get(pod, &["spec", "nodeSelector", key]);
        if own.is_some_and(|own| own != value) {
            let why = format!(
                "pod rejected: conflict: runtimeClass scheduling nodeSelector {key} doesn't match pod nodeSelector"
            );
            return Err(forbidden(request, pod, why));
        }
        object::set(pod, &["spec", "nodeSelector", key], json!(value));
    }
    for toleration in object::list_at(class, "/scheduling/tolerations") {
        if !object::list_at(pod, "/spec/tolerations").contains(toleration) {
            append(pod, &["spec", "tolerations"], toleration.clone());
        }
    }
    Ok(())
}
