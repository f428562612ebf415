//! What a pod may do to its node, by three levels that a namespace chooses from (upstream's `k8s.io/pod-security-admission`).
//!
//! Labels of the namespace say which level is enforced and which is warned of, and in which version's understanding. A namespace
//! without labels enforces `baseline` and is warned of what `restricted` forbids; the system's own (`kube-*`) may do anything. (A
//! plain upstream server leaves namespaces without labels alone.)

use std::collections::{BTreeMap, BTreeSet};

use sampan_api::request::{AdmissionRequest, Attributes, Operation};
use sampan_meta::{GroupResource, Status, object};
use serde_json::Value;

use super::{Context, Plugin, forbidden};

mod checks;
mod policy;

use checks::{Pod, Violation, evaluate};
use policy::{Level, LevelVersion, Policy};

/// Pods that are looked at when a namespace becomes stricter.
const MOST_PODS: usize = 3000;
/// Subresources of pods that change nothing of what a pod may do.
const IGNORED: [&str; 8] = ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

pub(super) struct PodSecurity;

impl Plugin for PodSecurity {
    fn name(&self) -> &'static str {
        "PodSecurity"
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        if !matches!(request.operation, Operation::Create | Operation::Update) {
            return Ok(());
        }
        let Attributes { group, resource, subresource, .. } = request.attributes;
        match (group.as_str(), resource.as_str(), subresource.as_str()) {
            ("", "namespaces", "") => validate_namespace(context, request, object),
            ("", "pods", subresource) if !IGNORED.contains(&subresource) => validate_pod(context, request, object),
            (group, resource, "") => {
                if let Some(pod) = template(group, resource, object) {
                    let pod = with_class(context, pod);
                    let policy = policy_of(context, request).map(|(policy, _)| policy);
                    policy.into_iter().for_each(|policy| warn(request, policy.warn, &pod));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The pod a workload makes.
fn template<'a>(group: &str, resource: &str, object: &'a Value) -> Option<Pod<'a>> {
    let pointer = match (group, resource) {
        ("", "podtemplates") => "/template",
        ("", "replicationcontrollers") => "/spec/template",
        ("apps", "replicasets" | "deployments" | "statefulsets" | "daemonsets") | ("batch", "jobs") => "/spec/template",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    object.pointer(pointer).map(Pod::of)
}

/// A pod with what its RuntimeClass says of it.
fn with_class<'a>(context: &Context, pod: Pod<'a>) -> Pod<'a> {
    let Some(name) = pod.runtime_class() else { return pod };
    let class = context.lister.get(&GroupResource::new("node.k8s.io", "runtimeclasses"), "", name);
    pod.with_handler(class.as_ref().and_then(|class| object::str_at(class, "/handler")))
}

/// What the namespace of the request demands, and what is wrong with its labels. A namespace that is not there demands nothing: no
/// pod gets there.
fn policy_of(context: &Context, request: &AdmissionRequest<'_>) -> Option<(Policy, sampan_meta::field::ErrorList)> {
    let name = &request.attributes.namespace;
    let namespace = context.lister.get(&GroupResource::new("", "namespaces"), "", name)?;
    Some(Policy::of(name, object::labels(&namespace)))
}

fn validate_pod(context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
    if request.operation == Operation::Update && !request.old.is_none_or(|old| is_significant(object, old)) {
        return Ok(());
    }
    let Some((policy, _)) = policy_of(context, request) else { return Ok(()) };
    let pod = with_class(context, Pod::of(object));
    let violations = evaluate(policy.enforce, &pod);
    if !violations.is_empty() {
        let why = format!("violates PodSecurity {:?}: {}", policy.enforce.to_string(), details(&violations));
        return Err(forbidden(request, object, why));
    }
    warn(request, policy.warn, &pod);
    Ok(())
}

fn warn(request: &AdmissionRequest<'_>, level: LevelVersion, pod: &Pod<'_>) {
    let violations = evaluate(level, pod);
    if !violations.is_empty() {
        let told = format!("would violate PodSecurity {:?}: {}", level.to_string(), details(&violations));
        request.warnings.add(told);
    }
}

/// `privileged (container "a" must not set …), hostPort (…)`.
fn details(violations: &[Violation]) -> String {
    let shown = |violation: &Violation| match violation.detail.as_str() {
        "" => violation.reason.to_owned(),
        detail => format!("{} ({detail})", violation.reason),
    };
    violations.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Whether another image runs, or another container.
fn is_significant(pod: &Value, old: &Value) -> bool {
    let images = |pod: &Value, list: &str| -> Vec<(String, String)> {
        let text = |container: &Value, member: &str| object::str_at(container, member).unwrap_or_default().to_owned();
        let containers = object::list_at(pod, &format!("/spec/{list}")).iter();
        containers.map(|container| (text(container, "/name"), text(container, "/image"))).collect()
    };
    ["containers", "initContainers"].iter().any(|list| {
        let only_images = |pod| images(pod, list).into_iter().map(|(_, image)| image).collect::<Vec<_>>();
        only_images(pod) != only_images(old)
    }) || {
        let before = images(old, "ephemeralContainers");
        images(pod, "ephemeralContainers").iter().any(|container| !before.contains(container))
    }
}

fn validate_namespace(context: &Context, request: &AdmissionRequest<'_>, namespace: &Value) -> Result<(), Status> {
    let name = super::object_name(request.attributes, namespace);
    let (policy, errors) = Policy::of(name, object::labels(namespace));
    let before = request.old.map(|old| Policy::of(name, object::labels(old)));
    let known = before.as_ref().is_some_and(|(_, known)| *known == errors);
    if !errors.is_empty() && !known {
        return Err(Status::invalid("", "Namespace", name, errors));
    }
    let Some((before, _)) = before else { return Ok(()) };
    let (now, before) = (policy.enforce, before.enforce);
    let stricter = now.level > before.level || now.version != before.version;
    if now.level > Level::Privileged && stricter {
        warn_of_pods(context, request, name, now);
    }
    Ok(())
}

/// Says which of the pods that are there would not be let in any more. Upstream: `EvaluatePodsInNamespace`.
fn warn_of_pods(context: &Context, request: &AdmissionRequest<'_>, namespace: &str, enforce: LevelVersion) {
    let pods = context.lister.list(&GroupResource::new("", "pods"), Some(namespace));
    let pods = one_of_each_first(pods.iter().map(|pod| &**pod).collect());
    if pods.len() > MOST_PODS {
        request.warnings.add(format!(
            "new PodSecurity enforce level only checked against the first {MOST_PODS} of {} existing pods",
            pods.len()
        ));
    }
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in pods.into_iter().take(MOST_PODS) {
        let reasons: Vec<&str> =
            evaluate(enforce, &with_class(context, Pod::of(pod))).iter().map(|violation| violation.reason).collect();
        if !reasons.is_empty() {
            found.entry(reasons.join(", ")).or_default().push(object::name(pod));
        }
    }
    if !found.is_empty() {
        request.warnings.add(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level {:?}",
            enforce.to_string()
        ));
    }
    let mut told: Vec<String> = found.into_iter().map(|(reasons, names)| told_of(&reasons, &names)).collect();
    told.sort();
    told.into_iter().for_each(|warning| request.warnings.add(warning));
}

fn told_of(reasons: &str, names: &[&str]) -> String {
    let first = names.iter().min().copied().unwrap_or_default();
    match names.len() {
        0 | 1 => format!("{first}: {reasons}"),
        2 => format!("{first} (and 1 other pod): {reasons}"),
        more => format!("{first} (and {} other pods): {reasons}", more - 1),
    }
}

/// Pods of one controller are alike: one of each comes before the others.
fn one_of_each_first(pods: Vec<&Value>) -> Vec<&Value> {
    let mut controllers = BTreeSet::new();
    let (mut first, others): (Vec<&Value>, Vec<&Value>) = pods.into_iter().partition(|pod| {
        object::controller_of(pod).is_none_or(|controller| controllers.insert(controller.uid.to_string()))
    });
    first.extend(others);
    first
}
