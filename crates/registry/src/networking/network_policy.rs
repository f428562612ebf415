//! NetworkPolicies. Upstream: `pkg/registry/networking/networkpolicy`, `ValidateNetworkPolicySpec`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation::network::{Network, validate_cidr};
use crate::validation::{invalid_all, labels, one_of, port, port_name};

pub(crate) struct NetworkPolicyStrategy;

impl Strategy for NetworkPolicyStrategy {
    fn names(&self) -> Names {
        let kind = ("NetworkPolicy", "NetworkPolicyList");
        let plural = ("networkpolicies", "networkpolicy");
        Names::new(("networking.k8s.io", "v1"), kind, plural, "networking.v1.NetworkPolicy").short(&["netpol"])
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = object.get("spec").unwrap_or(&Value::Null);
        labels::validate_selector(&mut errors, spec.get("podSelector"), &path.child("podSelector"));
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in object::list_at(spec, &format!("/{direction}")).iter().enumerate() {
                validate_rule(&mut errors, rule, peers, &path.child(direction).index(index));
            }
        }
        validate_types(&mut errors, object::list_at(spec, "/policyTypes"), &path.child("policyTypes"));
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let selector = cell::text_column("Pod-Selector", "The pods it is about.");
        vec![Column::name(), selector, cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::selector(object, "/spec/podSelector").into(), cell::age(object, now)]
    }
}

fn validate_rule(errors: &mut ErrorList, rule: &Value, peers: &str, path: &Path) {
    for (index, port) in object::list_at(rule, "/ports").iter().enumerate() {
        validate_port(errors, port, &path.child("ports").index(index));
    }
    for (index, peer) in object::list_at(rule, &format!("/{peers}")).iter().enumerate() {
        validate_peer(errors, peer, &path.child(peers).index(index));
    }
}

/// Upstream: `ValidateNetworkPolicyPort`.
fn validate_port(errors: &mut ErrorList, entry: &Value, path: &Path) {
    one_of(errors, entry, "/protocol", &path.child("protocol"), &["TCP", "UDP", "SCTP"]);
    let (end, end_path) = (object::i64_at(entry, "/endPort"), path.child("endPort"));
    match entry.get("port") {
        Some(Value::Number(number)) => {
            let number = number.as_i64().unwrap_or(0);
            port(errors, number, &path.child("port"));
            let Some(end) = end else { return };
            if end < number {
                errors.push(field::invalid(&end_path, end, "must be greater than or equal to `port`"));
            }
            port(errors, end, &end_path);
        }
        Some(Value::String(name)) => {
            if let Some(end) = end {
                errors.push(field::invalid(&end_path, end, "may not be specified when `port` is non-numeric"));
            }
            invalid_all(errors, &path.child("port"), name, port_name(name));
        }
        _ => {
            if let Some(end) = end {
                errors.push(field::invalid(&end_path, end, "may not be specified when `port` is not specified"));
            }
        }
    }
}

/// Upstream: `ValidateNetworkPolicyPeer`.
fn validate_peer(errors: &mut ErrorList, peer: &Value, path: &Path) {
    let given = |name: &str| peer.get(name).filter(|value| value.is_object());
    let selectors = ["podSelector", "namespaceSelector"].map(|name| (given(name), name));
    for (selector, name) in selectors {
        labels::validate_selector(errors, selector, &path.child(name));
    }
    let selected = selectors.iter().any(|(selector, _)| selector.is_some());
    let block = given("ipBlock");
    if let Some(block) = block {
        validate_block(errors, block, &path.child("ipBlock"));
    }
    match (selected, block) {
        (false, None) => errors.push(field::required(path, "must specify a peer")),
        (true, Some(_)) => errors.push(field::forbidden(path, "may not specify both ipBlock and another peer")),
        _ => (),
    }
}

/// Upstream: `ValidateIPBlock`.
fn validate_block(errors: &mut ErrorList, block: &Value, path: &Path) {
    let Some(cidr) = object::str_at(block, "/cidr") else {
        errors.push(field::required(&path.child("cidr"), ""));
        return;
    };
    validate_cidr(errors, cidr, false, &path.child("cidr"));
    let Some(network) = Network::parse(cidr) else { return };
    for (index, except) in object::list_at(block, "/except").iter().filter_map(Value::as_str).enumerate() {
        let path = path.child("except").index(index);
        validate_cidr(errors, except, false, &path);
        if Network::parse(except).is_some_and(|except| !network.strictly_holds(except)) {
            errors.push(field::invalid(&path, except, "must be a strict subset of `cidr`"));
        }
    }
}

fn validate_types(errors: &mut ErrorList, types: &[Value], path: &Path) {
    if types.len() > 2 {
        errors.push(field::invalid(path, types.to_vec(), "may not specify more than two policyTypes"));
        return;
    }
    for (index, type_) in types.iter().filter_map(Value::as_str).enumerate() {
        if !matches!(type_, "Ingress" | "Egress") {
            errors.push(field::not_supported(&path.index(index), type_, &["Ingress", "Egress"]));
        }
    }
}
