//! Pods and the specs of pod templates. Upstream: `ValidatePodSpec`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1123_label, dns1123_subdomain, label_value, qualified_name};
use serde_json::Value;

use super::{container, invalid_all, labels, one_of, sysctls, volume};

pub(crate) fn validate(pod: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    validate_spec(&mut errors, pod.get("spec").unwrap_or(&Value::Null), &Path::new("spec"));
    super::volume::validate_claim_names(&mut errors, pod);
    errors
}

/// A pod spec, wherever it is.
pub(crate) fn validate_spec(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let volumes = volume::validate_all(errors, spec, &path.child("volumes"));
    container::validate_all(errors, spec, &volumes, path);
    one_of(errors, spec, "/restartPolicy", &path.child("restartPolicy"), &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(errors, spec, "/dnsPolicy", &path.child("dnsPolicy"), &policies);
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    labels::validate(errors, selector, &path.child("nodeSelector"));
    validate_names(errors, spec, path);
    sysctls::validate(errors, spec, &path.child("securityContext").child("sysctls"));
    super::not_negative(errors, spec, "/terminationGracePeriodSeconds", &path.child("terminationGracePeriodSeconds"));
    let deadline = object::i64_at(spec, "/activeDeadlineSeconds");
    if let Some(deadline) = deadline.filter(|deadline| !(1..=i64::from(i32::MAX)).contains(deadline)) {
        let why = "must be between 1 and 2147483647, inclusive";
        errors.push(field::invalid(&path.child("activeDeadlineSeconds"), deadline, why));
    }
    for (index, toleration) in object::list_at(spec, "/tolerations").iter().enumerate() {
        validate_toleration(errors, toleration, &path.child("tolerations").index(index));
    }
}

/// What is wrong with a text.
type Rule = fn(&str) -> Vec<String>;

fn validate_names(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let rules: [(&str, Rule); 6] = [
        ("serviceAccountName", dns1123_subdomain),
        ("nodeName", dns1123_subdomain),
        ("hostname", dns1123_label),
        ("subdomain", dns1123_label),
        ("priorityClassName", dns1123_subdomain),
        ("runtimeClassName", dns1123_subdomain),
    ];
    for (name, rule) in rules {
        if let Some(value) = object::str_at(spec, &format!("/{name}")) {
            invalid_all(errors, &path.child(name), value, rule(value));
        }
    }
    for (index, secret) in object::list_at(spec, "/imagePullSecrets").iter().enumerate() {
        if object::str_at(secret, "/name").is_none() {
            errors.push(field::required(&path.child("imagePullSecrets").index(index).child("name"), ""));
        }
    }
}

/// Upstream: `ValidateTolerations`.
fn validate_toleration(errors: &mut ErrorList, toleration: &Value, path: &Path) {
    let text = |pointer| object::str_at(toleration, pointer).unwrap_or_default();
    let (key, operator, value, effect) = (text("/key"), text("/operator"), text("/value"), text("/effect"));
    if !key.is_empty() {
        invalid_all(errors, &path.child("key"), key, qualified_name(key));
    }
    if key.is_empty() && operator != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(field::invalid(&path.child("operator"), operator, why));
    }
    if object::i64_at(toleration, "/tolerationSeconds").is_some() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(field::invalid(&path.child("effect"), effect, why));
    }
    match operator {
        "" | "Equal" => invalid_all(errors, &path.child("operator"), value, label_value(value)),
        "Exists" if !value.is_empty() => {
            errors.push(field::invalid(
                &path.child("operator"),
                operator,
                "value must be empty when `operator` is 'Exists'",
            ));
        }
        "Exists" => (),
        other => errors.push(field::not_supported(&path.child("operator"), other, &["Equal", "Exists"])),
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    one_of(errors, toleration, "/effect", &path.child("effect"), &effects);
}
