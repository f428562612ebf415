//! EndpointSlices. Upstream: `pkg/registry/discovery/endpointslice`, `ValidateEndpointSlice`.

use std::net::IpAddr;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation::{immutable, one_of};

const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;

pub(crate) struct EndpointSliceStrategy;

impl Strategy for EndpointSliceStrategy {
    fn names(&self) -> Names {
        let kind = ("EndpointSlice", "EndpointSliceList");
        Names::new(("discovery.k8s.io", "v1"), kind, ("endpointslices", "endpointslice"), "discovery.v1.EndpointSlice")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("addressType");
        match object::str_at(object, "/addressType") {
            None => errors.push(field::required(&path, "")),
            Some(_) => one_of(&mut errors, object, "/addressType", &path, &["FQDN", "IPv4", "IPv6"]),
        }
        let endpoints = object::list_at(object, "/endpoints");
        if endpoints.len() > MAX_ENDPOINTS {
            errors.push(field::too_many(&Path::new("endpoints"), endpoints.len(), MAX_ENDPOINTS));
            return errors;
        }
        let type_ = object::str_at(object, "/addressType").unwrap_or_default();
        for (index, endpoint) in endpoints.iter().enumerate() {
            validate_addresses(&mut errors, endpoint, type_, &Path::new("endpoints").index(index).child("addresses"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/addressType", &Path::new("addressType"));
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Labels count: they say whose slice it is.
    fn spec_changed(&self, object: &Value, old: &Value) -> bool {
        let same = |name: &str| object.get(name) == old.get(name);
        let labels = object::labels(object) == object::labels(old);
        !(same("endpoints") && same("ports") && same("addressType") && labels)
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("AddressType", "IPv4, IPv6 or FQDN."),
            text("Ports", "Ports of every endpoint."),
            text("Endpoints", "Addresses of the endpoints."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::text(object, "/addressType", ""),
            ports(object).into(),
            addresses(object).into(),
            cell::age(object, now),
        ]
    }
}

fn validate_addresses(errors: &mut ErrorList, endpoint: &Value, type_: &str, path: &Path) {
    let addresses = object::list_at(endpoint, "/addresses");
    if addresses.is_empty() {
        errors.push(field::required(path, "must contain at least 1 address"));
    }
    if addresses.len() > MAX_ADDRESSES {
        errors.push(field::too_many(path, addresses.len(), MAX_ADDRESSES));
    }
    for (index, address) in addresses.iter().filter_map(Value::as_str).enumerate() {
        let parsed = address.parse::<IpAddr>().ok();
        let wrong = match type_ {
            "IPv4" if !parsed.is_some_and(|address| address.is_ipv4()) => "must be a valid IPv4 address",
            "IPv6" if !parsed.is_some_and(|address| address.is_ipv6()) => "must be a valid IPv6 address",
            _ => continue,
        };
        errors.push(field::invalid(&path.index(index), address, wrong));
    }
}

/// Upstream: `formatDiscoveryPorts`.
fn ports(object: &Value) -> String {
    let listed = object::list_at(object, "/ports").iter();
    let ports: Vec<String> = listed
        .map(|port| object::i64_at(port, "/port").map_or_else(|| "*".to_owned(), |port| port.to_string()))
        .collect();
    if ports.is_empty() { "<unset>".to_owned() } else { shortened(ports) }
}

/// Upstream: `formatDiscoveryEndpoints`.
fn addresses(object: &Value) -> String {
    let endpoints = object::list_at(object, "/endpoints").iter();
    let all = endpoints.flat_map(|endpoint| object::list_at(endpoint, "/addresses")).filter_map(Value::as_str);
    let all: Vec<String> = all.map(str::to_owned).collect();
    if all.is_empty() { "<unset>".to_owned() } else { shortened(all) }
}

fn shortened(mut all: Vec<String>) -> String {
    const SHOWN: usize = 3;
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    let shown = all.join(",");
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}
