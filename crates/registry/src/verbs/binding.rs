//! `pods/binding`: the scheduler's word on where a pod runs.

use sampan_meta::field::{self, Path};
use sampan_meta::time::format_time;
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::change::{CONFLICT_RETRIES, Failure};
use super::create::name_mismatch;
use crate::conditions;
use crate::context::RequestContext;
use crate::options::Preconditions;
use crate::registry::Registry;

impl Registry {
    /// Binds a pod to a node. Upstream: `BindingREST.Create`.
    pub(crate) async fn bind(&self, cx: &RequestContext<'_>, binding: Value) -> Result<Value, Status> {
        let name = bound_name(cx, &binding)?;
        check_target(name, &binding)?;
        let admission = cx.admission_request(sampan_api::request::Operation::Create, None);
        let mut binding = binding;
        cx.admission.mutate(&admission, &mut binding).await?;
        cx.admission.validate(&admission, &binding).await?;
        let name = bound_name(cx, &binding)?;
        for _ in 0..=CONFLICT_RETRIES {
            match self.bind_once(cx, name, &binding).await {
                Ok(()) => {
                    let mut status = Status::success();
                    status.code = 201;
                    return Ok(status.to_value());
                }
                Err(Failure::Final(status)) => return Err(status),
                Err(Failure::Raced) => self.refresh().await.map(drop)?,
            }
        }
        Err(Status::modified(&self.pods().group_resource(), name))
    }

    async fn bind_once(&self, cx: &RequestContext<'_>, name: &str, binding: &Value) -> Result<(), Failure> {
        let pods = self.pods();
        let key = self.key(pods, &cx.attributes.namespace, name);
        let old_object = self.existing(pods, &key).await?;
        let mut pod = old_object.value();
        check_bindable(name, binding, &pod)?;
        let target = object::str_at(binding, "/target/name").unwrap_or_default();
        object::set(&mut pod, &["spec", "nodeName"], target.into());
        for (annotation, value) in object::annotations(binding).into_iter().flatten() {
            object::set(&mut pod, &["metadata", "annotations", annotation], value.clone());
        }
        // Where the node is, which admission has put there.
        for (label, value) in object::labels(binding).into_iter().flatten() {
            object::set(&mut pod, &["metadata", "labels", label], value.clone());
        }
        let now = format_time(self.clock.now());
        conditions::set(&mut pod, json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": now}));
        if cx.dry_run {
            return Ok(());
        }
        let written = self.write_over(pods, &old_object, &pod).await;
        written.map(drop).map_err(|error| Failure::of_write(&error, pods, name))
    }
}

/// The pod meant: the path's name, or the binding's when it was posted to `bindings`.
fn bound_name<'a>(cx: &'a RequestContext<'_>, binding: &'a Value) -> Result<&'a str, Status> {
    let (asked, own) = (cx.attributes.name.as_str(), object::name(binding));
    let namespace = object::namespace(binding);
    if !namespace.is_empty() && namespace != cx.attributes.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    match (asked, own) {
        ("", "") => Err(Status::bad_request("name must be provided")),
        ("", own) => Ok(own),
        (asked, own) if own.is_empty() || own == asked => Ok(asked),
        (asked, own) => Err(name_mismatch(own, asked)),
    }
}

/// Upstream: `ValidatePodBinding`.
fn check_target(name: &str, binding: &Value) -> Result<(), Status> {
    let path = Path::new("target");
    let mut errors = Vec::new();
    let kind = object::str_at(binding, "/target/kind").unwrap_or_default();
    if !matches!(kind, "" | "Node") {
        errors.push(field::not_supported(&path.child("kind"), kind, &["Node", "<empty>"]));
    }
    if object::str_at(binding, "/target/name").is_none() {
        errors.push(field::required(&path.child("name"), ""));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("", "Binding", name, errors)) }
}

/// Upstream: `BindingREST.setPodHostAndAnnotations`.
fn check_bindable(name: &str, binding: &Value, pod: &Value) -> Result<(), Status> {
    let pods = sampan_meta::GroupResource::new("", "pods");
    let conflict = |why: String| Err(Status::conflict(&sampan_meta::GroupResource::new("", "pods/binding"), name, why));
    let text = |pointer| object::str_at(binding, pointer).map(str::to_owned);
    let preconditions =
        Preconditions { uid: text("/metadata/uid"), resource_version: text("/metadata/resourceVersion") };
    if preconditions != Preconditions::default() && check_uid(&preconditions, pod) {
        return Err(Status::conflict(
            &pods,
            name,
            "Precondition failed: the pod is not the one the binding was made for",
        ));
    }
    if object::deletion_timestamp(pod).is_some() {
        return conflict(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(node) = object::str_at(pod, "/spec/nodeName") {
        return conflict(format!("pod {name} is already assigned to node {node:?}"));
    }
    if !object::list_at(pod, "/spec/schedulingGates").is_empty() {
        return conflict(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    Ok(())
}

/// Whether a precondition does not hold.
fn check_uid(preconditions: &Preconditions, pod: &Value) -> bool {
    let differs = |wanted: &Option<String>, is: &str| wanted.as_deref().is_some_and(|wanted| wanted != is);
    differs(&preconditions.uid, object::uid(pod))
        || differs(&preconditions.resource_version, object::resource_version(pod))
}
