//! How much a namespace may hold (upstream's `apiserver/pkg/admission/plugin/resourcequota`).
//!
//! What a write adds is charged to every quota it counts for before the write happens, each with one compare-and-swap of the
//! quota's status. So a quota is never exceeded, however many write at the same moment, on however many servers. A write that fails
//! afterwards stays charged until the quota controller counts again.

use std::sync::Arc;

use sampan_api::quota::{concerns, is_in_scope};
use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Quantity, Status, object};
use serde_json::Value;

use super::{Context, forbidden};
use sampan_api::amounts::{Amounts, add, amounts_at};

mod usage;

/// How often a charge is tried when others charge the same quota. Of all who try at once one succeeds each time.
const ATTEMPTS: usize = 64;

/// Charges what the write adds.
///
/// # Errors
/// 403 with upstream's words when a quota would be exceeded, or needs something said that is not; 409 when others kept being quicker.
pub(super) async fn charge(context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
    let Some(added) = usage::added(request, object) else { return Ok(()) };
    let mut charged: Vec<String> = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut quotas = quotas(context, request);
        quotas.retain(|quota| !charged.iter().any(|name| name == object::name(quota)));
        // All that are left are asked before the next is charged: a write that one refuses costs nothing of the others.
        let plan = plan(request, object, &added, &quotas)?;
        let next = plan.into_iter().next().filter(|_| !request.dry_run);
        let Some(quota) = next else { return Ok(()) };
        let name = object::name(&quota).to_owned();
        match context.writer.write_status(&resource(), quota).await {
            Ok(_) => charged.push(name),
            Err(status) if status.is_conflict() || status.is_not_found() => (),
            Err(status) => return Err(status),
        }
    }
    let why = "others kept changing the resource quotas of the namespace; please try again";
    Err(Status::conflict(&request.attributes.group_resource(), object::name(object), why))
}

fn resource() -> GroupResource {
    GroupResource::new("", "resourcequotas")
}

fn quotas(context: &Context, request: &AdmissionRequest<'_>) -> Vec<Arc<Value>> {
    context.lister.list(&resource(), Some(&request.attributes.namespace))
}

/// The quotas that the write counts for, with what it adds in their status.
fn plan(
    request: &AdmissionRequest<'_>,
    object: &Value,
    added: &Amounts,
    quotas: &[Arc<Value>],
) -> Result<Vec<Value>, Status> {
    let mut matching = Vec::new();
    let kind = request.attributes.group_resource();
    for quota in quotas {
        let hard = amounts_at(quota, "/status/hard");
        let concerned: Vec<&str> = hard.keys().map(String::as_str).filter(|name| concerns(&kind, name)).collect();
        if concerned.is_empty() || !is_in_scope(quota, &kind, object) {
            continue;
        }
        if let Some(missing) = usage::unsaid(request, object, &concerned) {
            return Err(forbidden(request, object, format!("failed quota: {}: {missing}", object::name(quota))));
        }
        let used = amounts_at(quota, "/status/used");
        if concerned.iter().any(|name| !used.contains_key(*name)) {
            let why = format!("status unknown for quota: {}, resources: {}", object::name(quota), concerned.join(","));
            return Err(forbidden(request, object, why));
        }
        matching.push((quota, hard, used));
    }
    let mut changed = Vec::new();
    for (quota, hard, used) in matching {
        let requested: Amounts =
            added.iter().filter(|(name, _)| hard.contains_key(*name)).map(|(name, by)| (name.clone(), *by)).collect();
        if requested.is_empty() {
            continue;
        }
        changed.push(charged(request, object, quota, &hard, used, &requested)?);
    }
    Ok(changed)
}

/// The quota with more of it used.
fn charged(
    request: &AdmissionRequest<'_>,
    object: &Value,
    quota: &Value,
    hard: &Amounts,
    used: Amounts,
    requested: &Amounts,
) -> Result<Value, Status> {
    let mut total = used.clone();
    add(&mut total, requested);
    let beyond = |name: &&String| total.get(*name) > hard.get(*name);
    let exceeded: Vec<&String> = requested.keys().filter(beyond).collect();
    if !exceeded.is_empty() {
        let shown = |amounts: &Amounts| shown(amounts, &exceeded);
        let (requested, used, limited) = (shown(requested), shown(&used), shown(hard));
        let name = object::name(quota);
        let why = format!("exceeded quota: {name}, requested: {requested}, used: {used}, limited: {limited}");
        return Err(forbidden(request, object, why));
    }
    let mut quota = quota.clone();
    for name in requested.keys() {
        object::set(&mut quota, &["status", "used", name], total[name].to_string().into());
    }
    Ok(quota)
}

/// `pods=1,requests.cpu=500m`.
fn shown(amounts: &Amounts, names: &[&String]) -> String {
    let pair = |name: &&String| format!("{name}={}", amounts.get(*name).copied().unwrap_or(Quantity::ZERO));
    names.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// Whether the write may add anything at all: a creation, or an update that can make an object bigger.
fn may_add(request: &AdmissionRequest<'_>) -> bool {
    let attributes = request.attributes;
    if attributes.namespace.is_empty() || !attributes.subresource.is_empty() {
        return false;
    }
    let grows = ["services", "persistentvolumeclaims"].contains(&attributes.resource.as_str());
    match request.operation {
        Operation::Create => true,
        Operation::Update => attributes.group.is_empty() && grows,
        Operation::Delete | Operation::Connect => false,
    }
}
