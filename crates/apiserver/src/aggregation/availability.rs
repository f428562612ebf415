//! Whether an extension server can be asked, as far as its Service and endpoints tell. Upstream:
//! `kube-aggregator/pkg/controllers/status/remote`.

use std::sync::Arc;

use sampan_meta::object;
use serde_json::{Value, json};

const TYPE: &str = "Available";

/// How an APIService is, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Condition {
    fn unavailable(reason: &'static str, message: String) -> Self {
        Self { status: "False", reason, message }
    }

    /// Nobody else has to be asked.
    pub(super) fn local() -> Self {
        let message = "Local APIServices are always available".to_owned();
        Self { status: "True", reason: "Local", message }
    }

    pub(super) fn passed() -> Self {
        Self { status: "True", reason: "Passed", message: "all checks passed".to_owned() }
    }

    pub(super) fn failed(message: String) -> Self {
        Self::unavailable("FailedDiscoveryCheck", message)
    }

    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// The APIService with this condition; `None` if it has it.
    pub(super) fn settled(&self, api_service: &Value, now: &str) -> Option<Value> {
        let present = condition(api_service);
        let text =
            |name: &str| present.and_then(|present| present.get(name)).and_then(Value::as_str).unwrap_or_default();
        if (text("status"), text("reason"), text("message")) == (self.status, self.reason, &self.message) {
            return None;
        }
        let since = if text("status") == self.status { text("lastTransitionTime") } else { now };
        let own = json!({ "type": TYPE, "status": self.status, "reason": self.reason, "message": self.message,
            "lastTransitionTime": since });
        let mut conditions = object::list_at(api_service, "/status/conditions").to_vec();
        match conditions.iter_mut().find(|condition| condition["type"] == TYPE) {
            Some(condition) => *condition = own,
            None => conditions.push(own),
        }
        let mut next = api_service.clone();
        next["status"] = json!({ "conditions": conditions });
        Some(next)
    }
}

fn condition(api_service: &Value) -> Option<&Value> {
    object::list_at(api_service, "/status/conditions").iter().find(|condition| condition["type"] == TYPE)
}

/// What its status says.
pub(super) fn is_available(api_service: &Value) -> bool {
    condition(api_service).is_some_and(|condition| condition["status"] == "True")
}

/// Why an extension server cannot be asked; `None`: it has to be.
pub(super) fn before_asking(api_service: &Value, service: Option<&Value>, slices: &[Arc<Value>]) -> Option<Condition> {
    let text = |pointer: &str| object::str_at(api_service, pointer).unwrap_or_default();
    let (namespace, name) = (text("/spec/service/namespace"), text("/spec/service/name"));
    let Some(service) = service else {
        let message = format!("service/{name} in {namespace:?} is not present");
        return Some(Condition::unavailable("ServiceNotFound", message));
    };
    if object::str_at(service, "/spec/type") != Some("ClusterIP") {
        return None;
    }
    let number = object::i64_at(api_service, "/spec/service/port").unwrap_or(443);
    let ports = object::list_at(service, "/spec/ports");
    let Some(port) = ports.iter().find(|port| object::i64_at(port, "/port") == Some(number)) else {
        let message = format!("service/{name} in {namespace:?} is not listening on port {number}");
        return Some(Condition::unavailable("ServicePortError", message));
    };
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return Some(Condition::unavailable("EndpointsNotFound", message));
    }
    let port = object::str_at(port, "/name").unwrap_or_default();
    if slices.iter().any(|slice| has_endpoint(slice, port)) {
        return None;
    }
    let message =
        format!("endpointslices for service/{name} in {namespace:?} have no addresses with port name {port:?}");
    Some(Condition::unavailable("MissingEndpoints", message))
}

fn has_endpoint(slice: &Value, port_name: &str) -> bool {
    let mut endpoints = object::list_at(slice, "/endpoints").iter();
    let is_ready = |endpoint: &Value| object::bool_at(endpoint, "/conditions/ready").unwrap_or(true);
    let is_port = |port: &Value| {
        object::str_at(port, "/name").unwrap_or_default() == port_name && object::i64_at(port, "/port").is_some()
    };
    endpoints.any(is_ready) && object::list_at(slice, "/ports").iter().any(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(service: Value, slices: Value, expected: Expect) {
        let api_service = json!({ "spec": { "service": { "namespace": "n", "name": "s", "port": 443 } } });
        let service = Some(service).filter(Value::is_object);
        let slices: Vec<Arc<Value>> = slices.as_array().unwrap().iter().cloned().map(Arc::new).collect();
        let found = before_asking(&api_service, service.as_ref(), &slices);
        let told = found.map(|found| format!("{} {}: {}", found.status, found.reason, found.message));
        expected.assert_eq(&told.unwrap_or_else(|| "ask".to_owned()));
    }

    #[test]
    fn what_is_missing_is_told_in_upstreams_words() {
        let service =
            |port: i64| json!({ "spec": { "type": "ClusterIP", "ports": [{ "name": "https", "port": port }] } });
        let slice = |ready: bool| json!({ "ports": [{ "name": "https", "port": 8443 }], "endpoints": [{ "conditions": { "ready": ready } }] });
        check(Value::Null, json!([]), expect![[r#"False ServiceNotFound: service/s in "n" is not present"#]]);
        check(
            service(80),
            json!([]),
            expect![[r#"False ServicePortError: service/s in "n" is not listening on port 443"#]],
        );
        check(
            service(443),
            json!([]),
            expect![[r#"False EndpointsNotFound: cannot find endpointslices for service/s in "n""#]],
        );
        check(
            service(443),
            json!([slice(false)]),
            expect![[
                r#"False MissingEndpoints: endpointslices for service/s in "n" have no addresses with port name "https""#
            ]],
        );
        check(service(443), json!([slice(false), slice(true)]), expect!["ask"]);
        check(json!({ "spec": { "type": "ExternalName" } }), json!([]), expect!["ask"]);
    }

    #[test]
    fn a_condition_is_written_once_and_keeps_its_time_while_it_stays_as_true() {
        let before = json!({ "metadata": { "name": "a" } });
        let first = Condition::failed("one".to_owned()).settled(&before, "1").unwrap();
        assert_eq!(Condition::failed("one".to_owned()).settled(&first, "2"), None);
        let second = Condition::failed("two".to_owned()).settled(&first, "2").unwrap();
        assert_eq!(second["status"]["conditions"][0]["lastTransitionTime"], "1");
        let third = Condition::passed().settled(&second, "3").unwrap();
        assert_eq!(third["status"]["conditions"][0]["lastTransitionTime"], "3");
        assert!(is_available(&third) && !is_available(&second) && !is_available(&before));
    }
}
