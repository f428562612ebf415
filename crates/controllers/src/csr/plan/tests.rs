use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, now, object};

fn request(signer: &str, usages: &[&str], conditions: Value) -> CertificateSigningRequest {
    object(json!({
        "metadata": { "name": "csr-1", "creationTimestamp": ago(60) },
        "spec": { "request": "", "signerName": signer, "usages": usages, "username": "system:node:edge-1" },
        "status": { "conditions": conditions },
    }))
}

fn identity(
    common_name: &str,
    organization: &str,
    alternative_names: &[&str],
) -> Result<RequestedIdentity, SigningError> {
    Ok(RequestedIdentity {
        common_name: common_name.to_owned(),
        organizations: vec![organization.to_owned()],
        alternative_names: alternative_names.iter().map(|name| (*name).to_owned()).collect(),
    })
}

fn condition(type_: &str, seconds_ago: i64) -> Value {
    json!([{ "type": type_, "status": "True", "lastUpdateTime": ago(seconds_ago) }])
}

const USAGES: [&str; 2] = ["client auth", "digital signature"];

#[test]
fn a_nodes_own_client_certificate_is_approved_and_nobody_elses() {
    let ask =
        |signer: &str, usages: &[&str], identity| plan(&request(signer, usages, json!([])), Some(&identity), now());
    let node = || identity("system:node:edge-1", "system:nodes", &[]);
    let wait = Plan::Wait(Some(Duration::from_secs(86_340)));
    assert_eq!(ask(NODE_CLIENT, &USAGES, node()), Plan::Approve { permission: "selfnodeclient" });
    assert_eq!(
        ask(NODE_CLIENT, &USAGES, identity("system:node:edge-2", "system:nodes", &[])),
        Plan::Approve { permission: "nodeclient" }
    );
    assert_eq!(ask(NODE_CLIENT, &USAGES, identity("admin", "system:masters", &[])), wait);
    assert_eq!(ask(NODE_CLIENT, &["server auth"], node()), wait);
    assert_eq!(ask(NODE_CLIENT, &USAGES, identity("system:node:edge-1", "system:nodes", &["edge-1"])), wait);
    assert_eq!(ask(CLIENT, &USAGES, node()), wait, "people decide about people");
    assert_eq!(ask("example.test/other", &USAGES, node()), wait);
}

#[test]
fn a_node_gets_the_certificate_of_its_own_api_only_for_names_that_are_its_own() {
    let ask = |common_name: &str, names: &[&str]| {
        let request = request(NODE_SERVING, &["server auth"], json!([]));
        plan(&request, Some(&identity(common_name, "system:nodes", names)), now())
    };
    let wait = Plan::Wait(Some(Duration::from_secs(86_340)));
    assert_eq!(ask("system:node:edge-1", &["edge-1", "127.70.0.1"]), Plan::Approve { permission: "selfnodeserver" });
    assert_eq!(ask("system:node:edge-2", &["edge-2"]), wait, "another node's");
    assert_eq!(ask("system:node:edge-1", &["kubernetes.default.svc"]), wait, "the API server's name");
    assert_eq!(ask("system:node:edge-1", &["localhost"]), wait, "everybody's name");
    assert_eq!(ask("system:node:edge-1", &["edge-1", "127.0.0.1"]), wait, "the API server's address");
    assert_eq!(ask("system:node:edge-1", &["edge-1", "10.0.0.1"]), wait, "who knows whose address");
}

#[test]
fn what_was_approved_is_signed_if_the_signer_may() {
    let ask = |signer: &str, usages: &[&str], identity| {
        plan(&request(signer, usages, condition("Approved", 1)), Some(&identity), now())
    };
    assert_eq!(ask(NODE_CLIENT, &USAGES, identity("system:node:edge-1", "system:nodes", &[])), Plan::Sign);
    assert_eq!(ask(CLIENT, &USAGES, identity("anna", "people", &[])), Plan::Sign);
    assert_eq!(
        ask(NODE_SERVING, &["server auth"], identity("system:node:edge-1", "system:nodes", &["edge-1", "127.70.0.1"])),
        Plan::Sign
    );
    assert!(matches!(
        ask(NODE_SERVING, &["server auth"], identity("system:node:edge-1", "system:nodes", &[])),
        Plan::Fail(_)
    ));
    assert!(matches!(ask(CLIENT, &["server auth"], identity("anna", "people", &[])), Plan::Fail(_)));
    assert!(matches!(ask(NODE_CLIENT, &USAGES, Err(SigningError::Refused("not a request".to_owned()))), Plan::Fail(_)));
}

#[test]
fn old_requests_are_cleared_away() {
    let ask = |conditions: Value| plan(&request(CLIENT, &USAGES, conditions), None, now());
    assert_eq!(ask(condition("Denied", 3600)), Plan::Delete);
    assert_eq!(ask(condition("Denied", 600)), Plan::Wait(Some(Duration::from_secs(3000))));
    let mut pending = request(CLIENT, &USAGES, json!([]));
    pending.metadata.creation_timestamp = Some(Time(now() - jiff::SignedDuration::from_hours(24)));
    assert_eq!(plan(&pending, None, now()), Plan::Delete);
}
