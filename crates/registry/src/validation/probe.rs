//! Probes and lifecycle hooks. Upstream: `validateProbe`, `validateHandler`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::{invalid_all, not_negative, one_of, port_name};

const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

pub(crate) fn validate(errors: &mut ErrorList, probe: &Value, path: &Path) {
    validate_handler(errors, probe, path);
    for name in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        not_negative(errors, probe, &format!("/{name}"), &path.child(name));
    }
    if let Some(seconds) = object::i64_at(probe, "/terminationGracePeriodSeconds").filter(|seconds| *seconds <= 0) {
        errors.push(field::invalid(&path.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0"));
    }
}

pub(crate) fn validate_handler(errors: &mut ErrorList, handler: &Value, path: &Path) {
    let given: Vec<&str> =
        HANDLERS.into_iter().filter(|name| handler.get(*name).is_some_and(Value::is_object)).collect();
    if given.is_empty() {
        errors.push(field::required(path, "must specify a handler type"));
    }
    for extra in given.iter().skip(1) {
        errors.push(field::forbidden(&path.child(extra), "may not specify more than 1 handler type"));
    }
    let Some(first) = given.first() else { return };
    validate_action(errors, first, &handler[*first], &path.child(first));
}

fn validate_action(errors: &mut ErrorList, kind: &str, action: &Value, path: &Path) {
    match kind {
        "exec" if object::list_at(action, "/command").is_empty() => {
            errors.push(field::required(&path.child("command"), ""));
        }
        "httpGet" => {
            if object::str_at(action, "/path").is_none() {
                errors.push(field::required(&path.child("path"), ""));
            }
            validate_port(errors, action, &path.child("port"));
            one_of(errors, action, "/scheme", &path.child("scheme"), &["HTTP", "HTTPS"]);
        }
        "tcpSocket" | "grpc" => validate_port(errors, action, &path.child("port")),
        _ => (),
    }
}

/// A number or the name of one of the container's ports.
fn validate_port(errors: &mut ErrorList, action: &Value, path: &Path) {
    match action.get("port") {
        Some(Value::String(name)) => invalid_all(errors, path, name, port_name(name)),
        Some(Value::Number(number)) => super::port(errors, number.as_i64().unwrap_or(0), path),
        _ => errors.push(field::required(path, "")),
    }
}
