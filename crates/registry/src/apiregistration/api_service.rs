//! APIServices: who serves which group and version. Upstream: `kube-aggregator/pkg/registry/apiservice`, `ValidateAPIService`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::{dns1035_label, dns1123_subdomain};
use serde_json::{Value, json};

use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::{NameRule, invalid_all};
use crate::{cell, conditions};

pub(crate) struct ApiServiceStrategy;

impl Strategy for ApiServiceStrategy {
    fn names(&self) -> Names {
        let group = ("apiregistration.k8s.io", "v1");
        let kind = ("APIService", "APIServiceList");
        Names::new(group, kind, ("apiservices", "apiservice"), "apiregistration.v1.APIService").in_api_extensions()
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    /// What this server serves itself is there at once.
    fn prepare_create(&self, object: &mut Value) {
        object::remove(object, &["status"]);
        if !is_remote(object) {
            let created = object.pointer("/metadata/creationTimestamp").cloned().unwrap_or_default();
            let available = json!({"type": "Available", "status": "True", "lastTransitionTime": created,
                "reason": "Local", "message": "Local APIServices are always available"});
            conditions::set(object, available);
        }
    }

    fn prepare_status_update(&self, _: &str, object: &mut Value, old: &Value) {
        for member in ["labels", "annotations", "finalizers", "ownerReferences"] {
            crate::verbs::update::keep_metadata(object, old, member);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_names(&mut errors, object);
        let path = Path::new("spec");
        for (name, highest) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
            let priority = cell::number(object, &format!("/spec/{name}"));
            if !(1..=highest).contains(&priority) {
                let why = format!("must be positive and less than {highest}");
                errors.push(field::invalid(&path.child(name), priority, why));
            }
        }
        validate_service(&mut errors, object, &path);
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (index, condition) in object::list_at(object, "/status/conditions").iter().enumerate() {
            let path = Path::new("status").child("conditions").index(index).child("status");
            let status = object::str_at(condition, "/status").unwrap_or_default();
            if !["True", "False", "Unknown"].contains(&status) {
                errors.push(field::not_supported(&path, status, &["True", "False", "Unknown"]));
            }
        }
        errors
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Service", "The service that answers, or that this server does."),
            cell::text_column("Available", "Whether it answers."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let text = |pointer| object::str_at(object, pointer).unwrap_or_default();
        let service = match is_remote(object) {
            true => format!("{}/{}", text("/spec/service/namespace"), text("/spec/service/name")),
            false => "Local".to_owned(),
        };
        vec![cell::name(object), service.into(), available(object).into(), cell::age(object, now)]
    }
}

fn is_remote(object: &Value) -> bool {
    object.pointer("/spec/service").is_some_and(Value::is_object)
}

fn available(object: &Value) -> String {
    let Some(condition) = conditions::get(object, "Available") else { return "Unknown".to_owned() };
    let status = object::str_at(condition, "/status").unwrap_or_default();
    match object::str_at(condition, "/reason") {
        Some(reason) if status != "True" => format!("{status} ({reason})"),
        _ => status.to_owned(),
    }
}

/// The name says version and group.
fn validate_names(errors: &mut ErrorList, object: &Value) {
    let text = |pointer| object::str_at(object, pointer).unwrap_or_default();
    let (group, version) = (text("/spec/group"), text("/spec/version"));
    let (name, wanted) = (object::name(object), format!("{version}.{group}"));
    if NameRule::PathSegment.check(name).is_empty() && name != wanted {
        let why = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        errors.push(field::invalid(&Path::new("metadata").child("name"), name, why));
    }
    let path = Path::new("spec");
    match group {
        "" if version != "v1" => {
            let why = "only v1 may have an empty group and it better be legacy kube";
            errors.push(field::required(&path.child("group"), why));
        }
        "" => (),
        group => invalid_all(errors, &path.child("group"), group, dns1123_subdomain(group)),
    }
    invalid_all(errors, &path.child("version"), version, dns1035_label(version));
}

fn validate_service(errors: &mut ErrorList, object: &Value, path: &Path) {
    let bundle = object::str_at(object, "/spec/caBundle");
    let unchecked = object::bool_at(object, "/spec/insecureSkipTLSVerify") == Some(true);
    let path_of_unchecked = path.child("insecureSkipTLSVerify");
    if !is_remote(object) {
        if let Some(bundle) = bundle {
            let size = crate::core::config_map::decoded_length(bundle);
            let why = "local APIServices may not have a caBundle";
            errors.push(field::invalid(&path.child("caBundle"), format!("{size} bytes"), why));
        }
        if unchecked {
            errors.push(field::invalid(
                &path_of_unchecked,
                true,
                "local APIServices may not have insecureSkipTLSVerify",
            ));
        }
        return;
    }
    for name in ["namespace", "name"] {
        if object::str_at(object, &format!("/spec/service/{name}")).is_none() {
            errors.push(field::required(&path.child("service").child(name), ""));
        }
    }
    if unchecked && bundle.is_some() {
        errors.push(field::invalid(&path_of_unchecked, true, "may not be true if caBundle is present"));
    }
}
