use std::sync::Arc;
use std::sync::atomic::Ordering;

use expect_test::{Expect, expect};
use sampan_api::request::{MASTERS, NODES, User};
use sampan_meta::object as meta_object;
use serde_json::{Value, json};

use super::*;
use crate::testing::{Objects, asks, object};

mod escalation;
mod node;
mod reviews;

const RBAC: &str = "rbac.authorization.k8s.io/v1";

pub(super) fn role(namespace: &str, name: &str, rules: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    let mut role = object(RBAC, kind, namespace, name);
    role["rules"] = rules;
    role
}

/// `role` is `ClusterRole/NAME` or `Role/NAME`.
pub(super) fn binding(namespace: &str, name: &str, role: &str, subjects: Value) -> Value {
    let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    let mut binding = object(RBAC, kind, namespace, name);
    let (role_kind, role) = role.split_once('/').unwrap();
    binding["roleRef"] = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role });
    binding["subjects"] = subjects;
    binding
}

pub(super) fn user(name: &str) -> Value {
    json!([{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name }])
}

pub(super) fn jane() -> User {
    User::new("jane", ["devs"])
}

fn policy() -> Arc<Objects> {
    Objects::with([
        role("", "reader", json!([{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"] }])),
        role("", "scaler", json!([{ "verbs": ["update"], "apiGroups": ["*"], "resources": ["*/scale"] }])),
        role(
            "",
            "one",
            json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"] }]),
        ),
        role("", "paths", json!([{ "verbs": ["get"], "nonResourceURLs": ["/metrics", "/logs/*"] }])),
        role("team", "writer", json!([{ "verbs": ["*"], "apiGroups": ["apps"], "resources": ["deployments"] }])),
        binding("", "readers", "ClusterRole/reader", user("jane")),
        binding("", "scalers", "ClusterRole/scaler", json!([{ "kind": "Group", "name": "devs" }])),
        binding("", "paths", "ClusterRole/paths", user("jane")),
        binding("team", "one", "ClusterRole/one", user("jane")),
        binding("team", "writers", "Role/writer", json!([{ "kind": "ServiceAccount", "name": "builder" }])),
        binding("team", "lost", "Role/gone", user("lost")),
        binding("", "nowhere", "ClusterRole/reader", json!([{ "kind": "ServiceAccount", "name": "stray" }])),
    ])
}

fn check(user: &User, words: &str, expected: &Expect) {
    let answer = match Authorizer::new(policy()).check(&asks(user, words)) {
        Ok(()) => "yes".to_owned(),
        Err(status) => status.to_string(),
    };
    expected.assert_eq(&answer);
}

#[test]
fn a_rule_allows_what_it_says_and_nothing_else() {
    let jane = jane();
    let allowed = [
        "get pods default/web",
        "list pods",
        "get pods/log default/web",
        "update apps:deployments/scale default/web",
        "update batch:jobs/scale default/x",
        "get secrets team/mine",
        "get /metrics",
        "get /logs/node",
        "get /logs/",
    ];
    let denied = [
        "watch pods",
        "get pods/exec default/web",
        "get apps:pods default/web",
        "get secrets default/mine",
        "get secrets team/other",
        "list secrets team/",
        "get pods/scale default/web",
        "get /metrics/slis",
        "get /logs",
        "post /metrics",
        "update apps:scale default/x",
    ];
    let authorizer = Authorizer::new(policy());
    for words in allowed {
        assert!(authorizer.authorize(&asks(&jane, words)).is_allowed(), "{words}");
    }
    for words in denied {
        assert!(!authorizer.authorize(&asks(&jane, words)).is_allowed(), "{words}");
    }
}

#[test]
fn a_refusal_reads_as_upstream_words_it() {
    let bob = User::new("bob", ["people"]);
    check(
        &bob,
        "list pods default/",
        &expect![[
            r#"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default""#
        ]],
    );
    check(
        &bob,
        "get apps:deployments/scale default/web",
        &expect![[
            r#"deployments.apps "web" is forbidden: User "bob" cannot get resource "deployments/scale" in API group "apps" in the namespace "default""#
        ]],
    );
    check(
        &bob,
        "list nodes",
        &expect![[
            r#"nodes is forbidden: User "bob" cannot list resource "nodes" in API group "" at the cluster scope"#
        ]],
    );
    check(&bob, "get /metrics", &expect![[r#"forbidden: User "bob" cannot get path "/metrics""#]]);
    let lost = User::new("lost", ["people"]);
    check(
        &lost,
        "list pods team/",
        &expect![[
            r#"pods is forbidden: User "lost" cannot list resource "pods" in API group "" in the namespace "team": RBAC: role.rbac.authorization.k8s.io "gone" not found"#
        ]],
    );
    check(
        &lost,
        "list pods default/",
        &expect![[
            r#"pods is forbidden: User "lost" cannot list resource "pods" in API group "" in the namespace "default""#
        ]],
    );
}

#[test]
fn a_role_binding_holds_in_its_namespace_alone() {
    let builder = User::service_account("team", "builder");
    let authorizer = Authorizer::new(policy());
    assert!(authorizer.authorize(&asks(&builder, "create apps:deployments team/web")).is_allowed());
    assert!(!authorizer.authorize(&asks(&builder, "create apps:deployments default/web")).is_allowed());
    assert!(!authorizer.authorize(&asks(&builder, "list apps:deployments")).is_allowed());
    let namesake = User::service_account("default", "builder");
    assert!(!authorizer.authorize(&asks(&namesake, "create apps:deployments team/web")).is_allowed());
}

#[test]
fn a_service_account_without_namespace_in_a_cluster_binding_is_nobody() {
    let authorizer = Authorizer::new(policy());
    for namespace in ["", "default"] {
        assert!(!authorizer.authorize(&asks(&User::service_account(namespace, "stray"), "list pods")).is_allowed());
    }
}

#[test]
fn masters_may_do_everything_even_without_any_role() {
    let admin = User::new("admin", [MASTERS]);
    let authorizer = Authorizer::new(Objects::with([]));
    assert!(authorizer.check(&asks(&admin, "delete nodes edge-1")).is_ok());
    assert!(authorizer.check(&asks(&admin, "get /metrics")).is_ok());
}

#[test]
fn the_reason_of_an_allowed_request_names_the_binding() {
    let decision = Authorizer::new(policy()).authorize(&asks(&jane(), "get secrets team/mine"));
    let Decision::Allowed { reason } = decision else { panic!("denied") };
    assert_eq!(reason, r#"RBAC: allowed by RoleBinding "one/team" of ClusterRole "one" to User "jane""#);
}

#[test]
fn the_index_is_built_when_a_role_changes_and_only_then() {
    let objects = policy();
    let authorizer = Authorizer::new(objects.clone());
    let request = asks(&jane(), "get secrets team/other");
    assert!(!authorizer.authorize(&request).is_allowed());
    let lists = objects.lists.load(Ordering::Relaxed);
    objects.put(object("v1", "Pod", "default", "web"));
    assert!(!authorizer.authorize(&request).is_allowed());
    assert_eq!(objects.lists.load(Ordering::Relaxed), lists, "a pod is no role");
    objects.put(role("", "one", json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"] }])));
    assert!(authorizer.authorize(&request).is_allowed());
    objects.delete(&binding("team", "one", "ClusterRole/one", json!([])));
    assert!(!authorizer.authorize(&request).is_allowed());
}

#[test]
fn a_malformed_rule_grants_nothing() {
    let rules = json!([{ "verbs": "get", "apiGroups": [""], "resources": ["pods"] }, { "verbs": null }, 7]);
    let objects = Objects::with([role("", "bad", rules), binding("", "bad", "ClusterRole/bad", user("jane"))]);
    assert!(!Authorizer::new(objects).authorize(&asks(&jane(), "get pods default/web")).is_allowed());
}

#[test]
fn bindings_of_the_wrong_shape_are_passed_over() {
    let mut odd = binding("", "odd", "ClusterRole/reader", json!("jane"));
    let objects = Objects::with([role("", "reader", json!(null)), odd.clone()]);
    odd["roleRef"] = json!(null);
    meta_object::set_name(&mut odd, "odder");
    objects.put(odd);
    assert!(!Authorizer::new(objects).authorize(&asks(&jane(), "get pods default/web")).is_allowed());
}
