//! IngressClasses. Upstream: `pkg/registry/networking/ingressclass`, `ValidateIngressClass`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::reference;
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::{immutable, invalid_all, network};

const MAX_CONTROLLER: usize = 250;

pub(crate) struct IngressClassStrategy;

impl Strategy for IngressClassStrategy {
    fn names(&self) -> Names {
        let kind = ("IngressClass", "IngressClassList");
        let plural = ("ingressclasses", "ingressclass");
        Names::new(("networking.k8s.io", "v1"), kind, plural, "networking.v1.IngressClass")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec").child("controller");
        match object::str_at(object, "/spec/controller") {
            None => errors.push(field::required(&path, "")),
            Some(controller) => {
                if controller.len() > MAX_CONTROLLER {
                    errors.push(field::too_long(&path, MAX_CONTROLLER));
                }
                network::validate_domain_path(&mut errors, controller, &path);
            }
        }
        if let Some(parameters) = object.pointer("/spec/parameters").filter(|parameters| parameters.is_object()) {
            validate_parameters(&mut errors, parameters, &Path::new("spec").child("parameters"));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        immutable(&mut errors, object, old, "/spec/controller", &Path::new("spec").child("controller"));
        errors.extend(self.validate(object));
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Controller", "Who serves Ingresses of the class."),
            cell::text_column("Parameters", "The object that says more."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::text(object, "/spec/controller", ""),
            parameters(object).into(),
            cell::age(object, now),
        ]
    }
}

fn parameters(object: &Value) -> String {
    let text = |name: &str| object::str_at(object, &format!("/spec/parameters/{name}"));
    let Some(kind) = text("kind") else { return cell::NONE.to_owned() };
    let group = text("apiGroup").map(|group| format!(".{group}")).unwrap_or_default();
    format!("{kind}{group}/{}", text("name").unwrap_or_default())
}

fn validate_parameters(errors: &mut ErrorList, parameters: &Value, path: &Path) {
    reference::validate(errors, parameters, path);
    let namespace = parameters.get("namespace").and_then(Value::as_str);
    let within = path.child("namespace");
    match (object::str_at(parameters, "/scope"), namespace) {
        (None, _) => errors.push(field::required(&path.child("scope"), "")),
        (Some("Namespace"), None) => {
            errors.push(field::required(&within, "`parameters.scope` is set to 'Namespace'"));
        }
        (Some("Namespace"), Some(name)) => invalid_all(errors, &within, name, network::namespace_messages(name)),
        (Some("Cluster"), Some(_)) => errors.push(field::forbidden(&within, "`parameters.scope` is set to 'Cluster'")),
        (Some("Cluster"), None) => (),
        (Some(other), _) => errors.push(field::not_supported(&path.child("scope"), other, &["Cluster", "Namespace"])),
    }
}
