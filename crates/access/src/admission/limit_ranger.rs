//! How much a container, a pod or a claim may ask for, and what it gets when it says nothing (upstream's
//! `plugin/pkg/admission/limitranger`).

use std::sync::Arc;

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Quantity, Status, object};
use serde_json::{Value, json};

use super::{Context, Plugin, forbidden, writes};
use sampan_api::amounts::{Amounts, amounts_at, of_pod};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

pub(super) struct LimitRanger;

impl Plugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn mutate(&self, context: &Context, request: &AdmissionRequest<'_>, pod: &mut Value) -> Result<(), Status> {
        if writes(request, "", "pods", &[Operation::Create]) {
            ranges(context, request).iter().for_each(|range| complete_pod(range, pod));
        }
        Ok(())
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        let check: fn(&Value, &Value) -> Vec<String> = match () {
            () if writes(request, "", "pods", &[Operation::Create]) => violations_of_pod,
            () if writes(request, "", "persistentvolumeclaims", &[Operation::Create, Operation::Update]) => {
                violations_of_claim
            }
            () => return Ok(()),
        };
        // What is on its way out is not held up.
        if object::deletion_timestamp(object).is_some() {
            return Ok(());
        }
        for range in ranges(context, request) {
            let found: Vec<String> =
                object::list_at(&range, "/spec/limits").iter().flat_map(|limit| check(limit, object)).collect();
            match &found[..] {
                [] => (),
                [one] => return Err(forbidden(request, object, one)),
                several => return Err(forbidden(request, object, format!("[{}]", several.join(", ")))),
            }
        }
        Ok(())
    }
}

fn ranges(context: &Context, request: &AdmissionRequest<'_>) -> Vec<Arc<Value>> {
    context.lister.list(&GroupResource::new("", "limitranges"), Some(&request.attributes.namespace))
}

fn type_of(limit: &Value) -> &str {
    object::str_at(limit, "/type").unwrap_or_default()
}

/// Gives each container what it does not say.
fn complete_pod(range: &Value, pod: &mut Value) {
    let (mut limits, mut requests) = (Amounts::new(), Amounts::new());
    for limit in object::list_at(range, "/spec/limits").iter().filter(|limit| type_of(limit) == "Container") {
        requests.extend(amounts_at(limit, "/defaultRequest"));
        limits.extend(amounts_at(limit, "/default"));
    }
    let mut said = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter(|container| container.is_object()) {
            let name = object::str_at(container, "/name").unwrap_or_default().to_owned();
            for (list, kind, defaults) in [("requests", "request", &requests), ("limits", "limit", &limits)] {
                let set = complete(container, list, defaults);
                if !set.is_empty() {
                    said.push(format!("{} {kind} for {what} {name}", set.join(", ")));
                }
            }
        }
    }
    if !said.is_empty() {
        object::set_annotation(pod, ANNOTATION, format!("LimitRanger plugin set: {}", said.join("; ")));
    }
}

/// Sets amounts the container has none of, and answers which.
fn complete(container: &mut Value, list: &str, defaults: &Amounts) -> Vec<String> {
    let missing: Vec<_> = defaults
        .iter()
        .filter(|(name, _)| object::get(container, &["resources", list, name.as_str()]).is_none())
        .collect();
    let mut set = Vec::new();
    for (name, amount) in missing {
        object::set(container, &["resources", list, name.as_str()], json!(amount.to_string()));
        set.push(name.clone());
    }
    set
}

fn violations_of_pod(limit: &Value, pod: &Value) -> Vec<String> {
    match type_of(limit) {
        "Container" => {
            let lists = ["containers", "initContainers"].map(|list| object::list_at(pod, &format!("/spec/{list}")));
            let of = |container: &Value, list: &str| amounts_at(container, &format!("/resources/{list}"));
            let containers = lists.into_iter().flatten();
            containers.flat_map(|one| violations(limit, &of(one, "requests"), &of(one, "limits"))).collect()
        }
        "Pod" => violations(limit, &of_pod(pod, "requests"), &of_pod(pod, "limits")),
        _ => Vec::new(),
    }
}

/// A claim has requests alone.
fn violations_of_claim(limit: &Value, claim: &Value) -> Vec<String> {
    if type_of(limit) != "PersistentVolumeClaim" {
        return Vec::new();
    }
    let requests = amounts_at(claim, "/spec/resources/requests");
    let mut found = Vec::new();
    for (name, bound) in amounts_at(limit, "/min") {
        found.extend(Bound { limit, name: &name, bound }.min(requests.get(&name), None));
    }
    for (name, bound) in amounts_at(limit, "/max") {
        found.extend(Bound { limit, name: &name, bound }.max_request(requests.get(&name)));
    }
    found
}

fn violations(limit: &Value, requests: &Amounts, limits: &Amounts) -> Vec<String> {
    let mut found = Vec::new();
    for (name, bound) in amounts_at(limit, "/min") {
        found.extend(Bound { limit, name: &name, bound }.min(requests.get(&name), limits.get(&name)));
    }
    for (name, bound) in amounts_at(limit, "/max") {
        found.extend(Bound { limit, name: &name, bound }.max(requests.get(&name), limits.get(&name)));
    }
    for (name, bound) in amounts_at(limit, "/maxLimitRequestRatio") {
        found.extend(Bound { limit, name: &name, bound }.ratio(requests.get(&name), limits.get(&name)));
    }
    found
}

/// One bound of one resource, with upstream's words for what is beyond it.
struct Bound<'a> {
    limit: &'a Value,
    name: &'a str,
    bound: Quantity,
}

impl Bound<'_> {
    fn says(&self, extreme: &str, but: &str) -> Option<String> {
        Some(format!("{extreme} {} usage per {} is {}{but}", self.name, type_of(self.limit), self.bound))
    }

    fn min(&self, request: Option<&Quantity>, limit: Option<&Quantity>) -> Option<String> {
        let low = |amount: Option<&Quantity>| amount.copied().filter(|amount| *amount < self.bound);
        let Some(request) = request else { return self.says("minimum", ".  No request is specified") };
        match (low(Some(request)), low(limit)) {
            (Some(request), _) => self.says("minimum", &format!(", but request is {request}")),
            (None, Some(limit)) => self.says("minimum", &format!(", but limit is {limit}")),
            (None, None) => None,
        }
    }

    fn max(&self, request: Option<&Quantity>, limit: Option<&Quantity>) -> Option<String> {
        let Some(limit) = limit else { return self.says("maximum", ".  No limit is specified") };
        if *limit > self.bound {
            return self.says("maximum", &format!(", but limit is {limit}"));
        }
        request.and_then(|request| self.max_request(Some(request)))
    }

    fn max_request(&self, request: Option<&Quantity>) -> Option<String> {
        let Some(request) = request else { return self.says("maximum", ".  No request is specified") };
        match *request > self.bound {
            true => self.says("maximum", &format!(", but request is {request}")),
            false => None,
        }
    }

    fn ratio(&self, request: Option<&Quantity>, limit: Option<&Quantity>) -> Option<String> {
        let begins = format!("{} max limit to request ratio per {} is {}", self.name, type_of(self.limit), self.bound);
        let given = |amount: Option<&Quantity>| amount.copied().filter(|amount| !amount.is_zero());
        let Some(request) = given(request) else {
            return Some(format!("{begins}, but no request is specified or request is 0"));
        };
        let Some(limit) = given(limit) else {
            return Some(format!("{begins}, but no limit is specified or limit is 0"));
        };
        let ratio = limit.as_f64() / request.as_f64();
        (ratio > self.bound.as_f64()).then(|| format!("{begins}, but provided ratio is {ratio:.6}"))
    }
}
