//! ServiceCIDRs. Upstream: `pkg/registry/networking/servicecidr`, `ValidateServiceCIDR`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::network::{Network, validate_cidr};

mod driver;
mod plan;
mod ranges;

pub(crate) use driver::run;
pub(crate) use ranges::Networks;

/// Where they lie in the store.
pub(crate) const STORAGE: &str = "networking.k8s.io/servicecidrs";
/// The one that every cluster has: where this server's own network is.
pub(crate) const DEFAULT: &str = "kubernetes";

pub(crate) struct ServiceCidrStrategy;

impl Strategy for ServiceCidrStrategy {
    fn names(&self) -> Names {
        let kind = ("ServiceCIDR", "ServiceCIDRList");
        let plural = ("servicecidrs", "servicecidr");
        Names::new(("networking.k8s.io", "v1"), kind, plural, "networking.v1.ServiceCIDR")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_networks(&mut errors, networks(object), &Path::new("spec").child("cidrs"));
        errors
    }

    /// A second family may come; what is there stays.
    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec").child("cidrs");
        let (now, before) = (networks(object), networks(old));
        let grows = before.len() == 1 && now.len() == 2;
        if now.len() != before.len() && !grows {
            errors.push(field::immutable(&path, now.to_vec()));
            return errors;
        }
        for (index, (now, before)) in now.iter().zip(before).enumerate() {
            if now != before {
                errors.push(field::immutable(&path.index(index), now.clone()));
            }
        }
        if grows {
            validate_networks(&mut errors, now, &path);
        }
        errors
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::text_column("CIDRs", "Networks addresses come from."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let networks: Vec<&str> = networks(object).iter().filter_map(Value::as_str).collect();
        vec![cell::name(object), networks.join(",").into(), cell::age(object, now)]
    }
}

/// The networks of one, as far as they are some.
fn parsed(object: &Value) -> impl Iterator<Item = Network> + '_ {
    networks(object).iter().filter_map(Value::as_str).filter_map(Network::parse)
}

fn networks(object: &Value) -> &[Value] {
    object::list_at(object, "/spec/cidrs")
}

fn validate_networks(errors: &mut ErrorList, networks: &[Value], path: &Path) {
    match networks.len() {
        0 => {
            errors.push(field::required(path, "at least one CIDR required"));
            return;
        }
        1 | 2 => (),
        _ => {
            errors.push(field::invalid(path, networks.to_vec(), "may only hold up to 2 values"));
            return;
        }
    }
    let texts: Vec<&str> = networks.iter().filter_map(Value::as_str).collect();
    for (index, text) in texts.iter().enumerate() {
        validate_cidr(errors, text, true, &path.index(index));
    }
    let families: Vec<bool> = texts.iter().filter_map(|text| Network::parse(text)).map(Network::is_ipv4).collect();
    if matches!(families[..], [first, second] if first == second) {
        let why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.push(field::invalid(path, networks.to_vec(), why));
    }
}
