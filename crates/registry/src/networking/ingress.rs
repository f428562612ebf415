//! Ingresses. Upstream: `pkg/registry/networking/ingress`, `ValidateIngressCreate`.

mod rules;

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};

/// Said the class before there was a field for it.
const CLASS: &str = "kubernetes.io/ingress.class";
/// How many hosts a row names.
const HOSTS: usize = 3;

pub(crate) struct IngressStrategy;

impl Strategy for IngressStrategy {
    fn names(&self) -> Names {
        let kind = ("Ingress", "IngressList");
        let names = Names::new(("networking.k8s.io", "v1"), kind, ("ingresses", "ingress"), "networking.v1.Ingress");
        names.short(&["ing"])
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = rules::validate(object);
        let class = object::annotation(object, CLASS);
        let named = object.pointer("/spec/ingressClassName").and_then(Value::as_str);
        if let (Some(class), Some(named)) = (class, named)
            && class != named
        {
            let path = Path::new("annotations").child(CLASS);
            errors.push(field::invalid(&path, class, "must match `ingressClassName` when both are specified"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, _: &Value) -> ErrorList {
        rules::validate(object)
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        rules::validate_status(object)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let warning = format!("annotation {CLASS:?} is deprecated, please use 'spec.ingressClassName' instead");
        if object::annotation(object, CLASS).is_some() { vec![warning] } else { Vec::new() }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("Class", "The class that says who serves it."),
            text("Hosts", "Hosts it is about."),
            text("Address", "Where it is served."),
            text("Ports", "Ports it is served on."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let secure = !object::list_at(object, "/spec/tls").is_empty();
        vec![
            cell::name(object),
            cell::text(object, "/spec/ingressClassName", cell::NONE),
            hosts(object).into(),
            addresses(object).into(),
            if secure { "80, 443" } else { "80" }.into(),
            cell::age(object, now),
        ]
    }
}

/// Upstream: `formatHosts`.
fn hosts(object: &Value) -> String {
    let rules = object::list_at(object, "/spec/rules").iter();
    let hosts: Vec<&str> = rules.filter_map(|rule| object::str_at(rule, "/host")).collect();
    if hosts.is_empty() {
        return "*".to_owned();
    }
    let shown = hosts[..hosts.len().min(HOSTS)].join(",");
    if hosts.len() > HOSTS { format!("{shown} + {} more...", hosts.len() - HOSTS) } else { shown }
}

/// Upstream: `ingressLoadBalancerStatusStringer`.
fn addresses(object: &Value) -> String {
    let entries = object::list_at(object, "/status/loadBalancer/ingress").iter();
    let text = |entry| object::str_at(entry, "/ip").or_else(|| object::str_at(entry, "/hostname"));
    entries.filter_map(text).collect::<Vec<_>>().join(",")
}
