//! The addresses and ports a Service gets, keeps and loses. Upstream: `pkg/registry/core/service/storage/alloc.go`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, Path};
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::rules::{is_headless, kind};
use crate::allocator::{Claim, Claimant, Pool, Reservation, values};
use crate::registry::Registry;

/// A client that replaces a Service and does not repeat what was allocated keeps it. Upstream: `patchAllocatedValues`.
pub(super) fn carry_over(object: &mut Value, old: &Value) {
    if needs_address(object) && needs_address(old) && object::str_at(object, "/spec/clusterIP").is_none() {
        for field in ["clusterIP", "clusterIPs"] {
            keep_spec(object, old, field);
        }
    }
    if needs_ports(object) && needs_ports(old) {
        carry_ports(object, old);
    }
    for field in ["ipFamilies", "ipFamilyPolicy"] {
        if object.pointer(&format!("/spec/{field}")).is_none() && kind(object) != "ExternalName" {
            keep_spec(object, old, field);
        }
    }
}

fn keep_spec(object: &mut Value, old: &Value, field: &str) {
    if let Some(value) = object::get(old, &["spec", field]) {
        object::set(object, &["spec", field], value.clone());
    }
}

fn carry_ports(object: &mut Value, old: &Value) {
    let identity =
        |port: &Value| (port.get("port").cloned(), object::str_at(port, "/protocol").unwrap_or("TCP").to_owned());
    let mut used: BTreeSet<i64> = ports(object).filter_map(|port| object::i64_at(port, "/nodePort")).collect();
    let before: Vec<Value> = ports(old).cloned().collect();
    for port in ports_mut(object).filter(|port| object::i64_at(port, "/nodePort").unwrap_or(0) == 0) {
        let same = before.iter().find(|old| identity(old) == identity(port));
        let number = same.and_then(|old| object::i64_at(old, "/nodePort")).filter(|number| *number > 0);
        if let Some(number) = number.filter(|number| used.insert(*number)) {
            port["nodePort"] = number.into();
        }
    }
}

/// Takes away what the type of the Service does not have. Upstream: `dropTypeDependentFields`.
pub(super) fn drop_unused(object: &mut Value) {
    if kind(object) == "ExternalName" {
        let cluster_ip = object::str_at(object, "/spec/clusterIP").unwrap_or_default();
        // An address that was asked for is left for validation to refuse.
        if cluster_ip.is_empty() || cluster_ip == "None" {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
                object::remove(object, &["spec", field]);
            }
        }
    } else {
        object::remove(object, &["spec", "externalName"]);
    }
    let outside = needs_ports(object) || !object::list_at(object, "/spec/externalIPs").is_empty();
    if !outside {
        object::remove(object, &["spec", "externalTrafficPolicy"]);
    }
    if kind(object) != "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"] {
            object::remove(object, &["spec", field]);
        }
    }
}

/// Claims what the Service needs and does not have, and notes what it leaves behind.
pub(super) async fn reserve(
    registry: &Registry,
    object: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<Reservation, Status> {
    let mut reservation = Reservation::new(registry.cache().clone(), dry_run);
    if let Some(old) = old {
        leave_type(object, old);
    }
    let settled = settle(registry, &mut reservation, object, old).await;
    if let Err(status) = settled {
        reservation.settle(false).await;
        return Err(status);
    }
    let none = Value::Null;
    let old = old.unwrap_or(&none);
    for pool in [Pool::Addresses, Pool::Ports] {
        let now = values(pool, object);
        values(pool, old).iter().filter(|value| !now.contains(value)).for_each(|value| reservation.leave(pool, value));
    }
    Ok(reservation)
}

/// A Service that becomes an ExternalName gives up its address unasked; a NodePort that becomes a ClusterIP its ports.
fn leave_type(object: &mut Value, old: &Value) {
    let same = |pointer: &str| object.pointer(pointer) == old.pointer(pointer);
    if needs_address(old) && kind(object) == "ExternalName" && same("/spec/clusterIP") {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            object::remove(object, &["spec", field]);
        }
    }
    if needs_ports(old) && !needs_ports(object) {
        let before: Vec<i64> = ports(old).filter_map(|port| object::i64_at(port, "/nodePort")).collect();
        for port in ports_mut(object) {
            if object::i64_at(port, "/nodePort").is_some_and(|number| before.contains(&number)) {
                object::remove(port, &["nodePort"]);
            }
        }
    }
}

async fn settle(
    registry: &Registry,
    reservation: &mut Reservation,
    object: &mut Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    let (namespace, name) = (object::namespace(object).to_owned(), object::name(object).to_owned());
    let claimant = Claimant { namespace: &namespace, name: &name };
    if kind(object) != "ExternalName" {
        settle_families(registry, object);
    }
    if needs_address(object) {
        settle_address(registry, reservation, object, old, claimant).await?;
    }
    if is_headless(object) {
        object::set(object, &["spec", "clusterIPs"], json!(["None"]));
    }
    if needs_ports(object) {
        settle_ports(registry, reservation, object, old, claimant).await?;
    }
    Ok(())
}

/// One network, one family. Upstream: `defaultOnReadService` and `initIPFamilyFields` with a single-stack cluster.
fn settle_families(registry: &Registry, object: &mut Value) {
    if object::str_at(object, "/spec/ipFamilyPolicy").is_none() {
        object::set(object, &["spec", "ipFamilyPolicy"], "SingleStack".into());
    }
    if object::list_at(object, "/spec/ipFamilies").is_empty() {
        object::set(object, &["spec", "ipFamilies"], json!([registry.ranges.family()]));
    }
}

async fn settle_address(
    registry: &Registry,
    reservation: &mut Reservation,
    object: &mut Value,
    old: Option<&Value>,
    claimant: Claimant<'_>,
) -> Result<(), Status> {
    let listed = object::str_at(object, "/spec/clusterIPs/0").map(str::to_owned);
    let wanted = object::str_at(object, "/spec/clusterIP").map(str::to_owned).or(listed);
    let held = old.map(|old| values(Pool::Addresses, old)).unwrap_or_default();
    let address = match wanted {
        Some(wanted) if held.contains(&wanted) => wanted,
        // An update that changes the address is refused by validation; it must not claim the other one.
        Some(wanted) if !held.is_empty() => wanted,
        Some(wanted) => {
            claim_address(registry, reservation, &wanted, claimant).await?;
            wanted
        }
        None => registry
            .claim_any(reservation, Pool::Addresses, claimant)
            .await?
            .ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?,
    };
    object::set(object, &["spec", "clusterIP"], address.clone().into());
    object::set(object, &["spec", "clusterIPs"], json!([address]));
    Ok(())
}

async fn claim_address(
    registry: &Registry,
    reservation: &mut Reservation,
    wanted: &str,
    claimant: Claimant<'_>,
) -> Result<(), Status> {
    let path = Path::new("spec").child("clusterIPs");
    let refuse = |why: &str| {
        let error = field::invalid(&path, json!([wanted]), format!("failed to allocate IP {wanted}: {why}"));
        Err(Status::invalid("", "Service", claimant.name, vec![error]))
    };
    let Ok(address) = wanted.parse() else { return Ok(()) };
    if !registry.offers_address(address) {
        return refuse("the provided network does not match the current range");
    }
    match registry.claim(reservation, Pool::Addresses, &address.to_string(), claimant).await? {
        Claim::Granted => Ok(()),
        Claim::Taken => refuse("provided IP is already allocated"),
    }
}

async fn settle_ports(
    registry: &Registry,
    reservation: &mut Reservation,
    object: &mut Value,
    old: Option<&Value>,
    claimant: Claimant<'_>,
) -> Result<(), Status> {
    let mut held: BTreeSet<String> = old.map(|old| values(Pool::Ports, old)).unwrap_or_default().into_iter().collect();
    for (index, port) in ports_mut(object).enumerate() {
        let wanted = object::i64_at(port, "/nodePort").filter(|number| *number != 0);
        let number = match wanted {
            // Two protocols may share a port.
            Some(wanted) if held.contains(&wanted.to_string()) => wanted.to_string(),
            Some(wanted) => claim_port(registry, reservation, wanted, index, claimant).await?,
            None => registry
                .claim_any(reservation, Pool::Ports, claimant)
                .await?
                .ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?,
        };
        port["nodePort"] = number.parse::<i64>().map_err(Status::internal)?.into();
        held.insert(number);
    }
    Ok(())
}

async fn claim_port(
    registry: &Registry,
    reservation: &mut Reservation,
    wanted: i64,
    index: usize,
    claimant: Claimant<'_>,
) -> Result<String, Status> {
    let path = Path::new("spec").child("ports").index(index).child("nodePort");
    let refuse =
        |why: String| Err(Status::invalid("", "Service", claimant.name, vec![field::invalid(&path, wanted, why)]));
    if !registry.ranges.contains_port(wanted) {
        return refuse(format!(
            "provided port is not in the valid range. The range of valid ports is {}",
            registry.ranges.describe_ports()
        ));
    }
    match registry.claim(reservation, Pool::Ports, &wanted.to_string(), claimant).await? {
        Claim::Granted => Ok(wanted.to_string()),
        Claim::Taken => refuse("provided port is already allocated".to_owned()),
    }
}

fn needs_address(object: &Value) -> bool {
    kind(object) != "ExternalName" && !is_headless(object)
}

fn needs_ports(object: &Value) -> bool {
    let asked = object::bool_at(object, "/spec/allocateLoadBalancerNodePorts") != Some(false);
    matches!(kind(object), "NodePort") || (kind(object) == "LoadBalancer" && asked)
}

fn ports(object: &Value) -> impl Iterator<Item = &Value> {
    object::list_at(object, "/spec/ports").iter()
}

fn ports_mut(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten()
}
