//! What the downward API tells a pod of itself.

use sampan_api::k8s::api::core::v1::{Container, ResourceFieldSelector};
use sampan_api::k8s::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use sampan_meta::Quantity;

use super::Surroundings;
use crate::pod::facts;

/// The value of a `fieldPath`. Errors name the path.
pub(crate) fn field(path: &str, around: &Surroundings<'_>) -> Result<String, String> {
    let metadata = &around.pod.metadata;
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => metadata.labels.as_ref(),
            "metadata.annotations" => metadata.annotations.as_ref(),
            _ => {
                return Err(format!(
                    "field {path} is not supported; use metadata.labels['KEY'] or metadata.annotations['KEY']"
                ));
            }
        };
        return Ok(map.and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    let own = |value: Option<&str>| Ok(value.unwrap_or_default().to_owned());
    match path {
        "metadata.name" => own(metadata.name.as_deref()),
        "metadata.namespace" => own(metadata.namespace.as_deref()),
        "metadata.uid" => own(metadata.uid.as_deref()),
        "metadata.labels" => Ok(lines(metadata.labels.as_ref())),
        "metadata.annotations" => Ok(lines(metadata.annotations.as_ref())),
        "spec.nodeName" => own(Some(around.node_name)),
        "spec.serviceAccountName" => own(facts::spec(around.pod).and_then(|spec| spec.service_account_name.as_deref())),
        "status.hostIP" | "status.hostIPs" => Ok(around.node_address.to_string()),
        "status.podIP" | "status.podIPs" => Ok(around.address.map(|address| address.to_string()).unwrap_or_default()),
        _ => Err(format!("field {path} is not supported by the downward API")),
    }
}

/// `metadata.labels['key']` in its two parts.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, key) = path.split_once("['")?;
    Some((map, key.strip_suffix("']")?))
}

/// `key="value"` lines, sorted, quoted as Go does.
fn lines(map: Option<&std::collections::BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}")).collect();
    lines.join("\n")
}

/// A container's request or limit in units of the divisor, rounded up.
pub(crate) fn resource(
    selector: &ResourceFieldSelector,
    container: &Container,
    capacity: crate::Capacity,
) -> Result<String, String> {
    let divisor = selector.divisor.as_ref().map(parse).transpose()?.filter(|divisor| !divisor.is_zero());
    let amount = amount(&selector.resource, container, capacity)?;
    let divisor = divisor.map_or(1000, |divisor| divisor.milli()).max(1);
    Ok(((amount + divisor - 1) / divisor).to_string())
}

/// In thousandths.
fn amount(name: &str, container: &Container, capacity: crate::Capacity) -> Result<i128, String> {
    let (kind, resource) = name.split_once('.').ok_or_else(|| unsupported(name))?;
    let resources = container.resources.as_ref();
    let limit = resources.and_then(|resources| resources.limits.as_ref()?.get(resource));
    let request = resources.and_then(|resources| resources.requests.as_ref()?.get(resource));
    let whole = match resource {
        "cpu" => i128::from(capacity.cpu_millis),
        "memory" => i128::from(capacity.memory_bytes) * 1000,
        "ephemeral-storage" => i128::from(capacity.ephemeral_storage_bytes) * 1000,
        _ => return Err(unsupported(name)),
    };
    match kind {
        "limits" => limit.map_or(Ok(whole), |limit| parse(limit).map(|limit| limit.milli())),
        "requests" => request.or(limit).map_or(Ok(0), |request| parse(request).map(|request| request.milli())),
        _ => Err(unsupported(name)),
    }
}

fn unsupported(name: &str) -> String {
    format!("resource field {name} is not supported; use limits or requests of cpu, memory or ephemeral-storage")
}

fn parse(quantity: &ApiQuantity) -> Result<Quantity, String> {
    Quantity::parse(&quantity.0).map_err(|error| format!("quantity {} cannot be read: {error}", quantity.0))
}

/// A quantity's value in thousandths, when it is set and makes sense.
pub(crate) fn millis(quantity: Option<&ApiQuantity>) -> Option<u64> {
    let milli = Quantity::parse(&quantity?.0).ok()?.milli();
    u64::try_from(milli).ok().filter(|milli| *milli > 0)
}

/// A quantity's value in whole units, rounded up.
pub(crate) fn units(quantity: Option<&ApiQuantity>) -> Option<u64> {
    millis(quantity).map(|milli| milli.div_ceil(1000))
}
