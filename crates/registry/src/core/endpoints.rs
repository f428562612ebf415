//! Endpoints, the old form of EndpointSlices. Upstream: `pkg/registry/core/endpoint`, `printEndpoints`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation;

pub(crate) struct EndpointsStrategy;

impl Strategy for EndpointsStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("Endpoints", "EndpointsList"), ("endpoints", "endpoints"), "core.v1.Endpoints")
            .short(&["ep"])
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (index, subset) in object::list_at(object, "/subsets").iter().enumerate() {
            validate_subset(&mut errors, subset, &Path::new("subsets").index(index));
        }
        errors
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn warnings(&self, _: &Value) -> Vec<String> {
        vec!["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned()]
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("Endpoints", "Addresses with their ports."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), summary(object).into(), cell::age(object, now)]
    }
}

fn validate_subset(errors: &mut ErrorList, subset: &Value, path: &Path) {
    let (ready, waiting) = (object::list_at(subset, "/addresses"), object::list_at(subset, "/notReadyAddresses"));
    if ready.is_empty() && waiting.is_empty() {
        errors.push(field::required(path, "must specify `addresses` or `notReadyAddresses`"));
    }
    for (list, name) in [(ready, "addresses"), (waiting, "notReadyAddresses")] {
        for (index, address) in list.iter().enumerate() {
            let ip = object::str_at(address, "/ip").unwrap_or_default();
            if ip.parse::<std::net::IpAddr>().is_err() {
                let path = path.child(name).index(index).child("ip");
                errors.push(field::invalid(&path, ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
            }
        }
    }
    let ports = object::list_at(subset, "/ports");
    for (index, port) in ports.iter().enumerate() {
        let path = path.child("ports").index(index);
        if ports.len() > 1 && object::str_at(port, "/name").is_none() {
            errors.push(field::required(&path.child("name"), ""));
        }
        validation::port(errors, object::i64_at(port, "/port").unwrap_or(0), &path.child("port"));
    }
}

/// Three at most, then how many more. Upstream: `formatEndpoints`.
fn summary(object: &Value) -> String {
    const SHOWN: usize = 3;
    let mut all: Vec<String> = Vec::new();
    for subset in object::list_at(object, "/subsets") {
        let ports = object::list_at(subset, "/ports");
        for address in object::list_at(subset, "/addresses") {
            let ip = object::str_at(address, "/ip").unwrap_or_default();
            if ports.is_empty() {
                all.push(ip.to_owned());
            }
            all.extend(ports.iter().map(|port| joined(ip, object::i64_at(port, "/port").unwrap_or(0))));
        }
    }
    let more = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    let shown = cell::or_none(all.join(","));
    if more > 0 { format!("{shown} + {more} more...") } else { shown }
}

fn joined(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}
