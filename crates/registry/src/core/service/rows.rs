//! `kubectl get services`. Upstream: `printService`.

use jiff::Timestamp;
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;

pub(super) fn columns() -> Vec<Column> {
    let text = cell::text_column;
    vec![
        Column::name(),
        text("Type", "How the service is reached."),
        text("Cluster-IP", "Address within the cluster."),
        text("External-IP", "Addresses from outside."),
        text("Port(s)", "Ports with their node ports."),
        cell::age_column(),
        text("Selector", "Labels of the pods that serve it.").wide(),
    ]
}

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Cell> {
    vec![
        cell::name(object),
        cell::text(object, "/spec/type", ""),
        cluster_ip(object),
        external_ip(object).into(),
        ports(object).into(),
        cell::age(object, now),
        cell::map(object, "/spec/selector").into(),
    ]
}

fn cluster_ip(object: &Value) -> Cell {
    let first = object::str_at(object, "/spec/clusterIPs/0");
    first.or_else(|| object::str_at(object, "/spec/clusterIP")).unwrap_or(cell::NONE).into()
}

/// Upstream: `getServiceExternalIP`.
fn external_ip(object: &Value) -> String {
    let listed = object::list_at(object, "/spec/externalIPs").iter().filter_map(Value::as_str);
    let mut external: Vec<&str> = listed.collect();
    match object::str_at(object, "/spec/type").unwrap_or_default() {
        "ExternalName" => object::str_at(object, "/spec/externalName").unwrap_or_default().to_owned(),
        "LoadBalancer" => {
            for ingress in object::list_at(object, "/status/loadBalancer/ingress") {
                external.extend(object::str_at(ingress, "/ip").or_else(|| object::str_at(ingress, "/hostname")));
            }
            if external.is_empty() { "<pending>".to_owned() } else { external.join(",") }
        }
        _ => cell::or_none(external.join(",")),
    }
}

fn ports(object: &Value) -> String {
    let port = |port: &Value| {
        let (number, protocol) = (cell::number(port, "/port"), object::str_at(port, "/protocol").unwrap_or("TCP"));
        match cell::number(port, "/nodePort") {
            node_port if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    };
    let ports: Vec<String> = object::list_at(object, "/spec/ports").iter().map(port).collect();
    cell::or_none(ports.join(","))
}
