use expect_test::expect;

use super::*;

fn powers() -> Arc<Objects> {
    Objects::with([
        role("", "pods", json!([{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"] }])),
        role("", "secrets", json!([{ "verbs": ["*"], "apiGroups": [""], "resources": ["secrets"] }])),
        role(
            "",
            "escalator",
            json!([{ "verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"] }]),
        ),
        role(
            "",
            "binder",
            json!([{ "verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["secrets"] }]),
        ),
        binding("", "jane", "ClusterRole/pods", user("jane")),
        binding("team", "eve", "ClusterRole/escalator", user("eve")),
        binding("", "ben", "ClusterRole/binder", user("ben")),
    ])
}

fn write_role(name: &str, rules: Value) -> Result<(), Status> {
    let user = User::new(name, ["people"]);
    let attributes = asks(&user, "create rbac.authorization.k8s.io:roles team/");
    Authorizer::new(powers()).check_role(&attributes, None, &role("team", "new", rules))
}

fn write_binding(name: &str, wanted: &str) -> Result<(), Status> {
    let user = User::new(name, ["people"]);
    let attributes = asks(&user, "create rbac.authorization.k8s.io:rolebindings team/");
    let subjects = super::user("mallory");
    Authorizer::new(powers()).check_binding(&attributes, None, &binding("team", "new", wanted, subjects))
}

#[test]
fn what_one_holds_one_may_pass_on_in_any_pieces() {
    let rows = [
        json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] }]),
        json!([{ "verbs": ["list", "get"], "apiGroups": [""], "resources": ["pods/log", "pods"], "resourceNames": ["a", "b"] }]),
        json!([]),
    ];
    for rules in rows {
        assert!(write_role("jane", rules.clone()).is_ok(), "{rules}");
    }
}

#[test]
fn what_one_does_not_hold_cannot_be_written_into_a_role() {
    let rows = [
        json!([{ "verbs": ["watch"], "apiGroups": [""], "resources": ["pods"] }]),
        json!([{ "verbs": ["*"], "apiGroups": [""], "resources": ["pods"] }]),
        json!([{ "verbs": ["get"], "apiGroups": ["*"], "resources": ["pods"] }]),
        json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["*"] }]),
        json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["*/log"] }]),
        json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["pods/exec"] }]),
        json!([{ "verbs": ["get"], "nonResourceURLs": ["/metrics"] }]),
    ];
    for rules in rows {
        assert!(write_role("jane", rules.clone()).is_err(), "{rules}");
    }
}

#[test]
fn the_refusal_lists_what_is_missing() {
    let rules = json!([
        { "verbs": ["get", "watch", "delete"], "apiGroups": [""], "resources": ["pods"] },
        { "verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["web"] },
    ]);
    let status = write_role("jane", rules).unwrap_err();
    assert_eq!(status.code, 403);
    expect![[r#"
        roles.rbac.authorization.k8s.io "new" is forbidden: user "jane" (groups=["people" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:
        {APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}
        {APIGroups:["apps"], Resources:["deployments"], ResourceNames:["web"], Verbs:["get"]}"#]]
    .assert_eq(&status.message);
}

#[test]
fn who_may_escalate_may_write_any_role_there() {
    let rules = json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }]);
    assert!(write_role("eve", rules.clone()).is_ok());
    let elsewhere = asks(&User::new("eve", ["people"]), "create rbac.authorization.k8s.io:roles default/");
    assert!(Authorizer::new(powers()).check_role(&elsewhere, None, &role("default", "new", rules)).is_err());
}

#[test]
fn a_binding_needs_the_role_held_or_the_right_to_bind_it() {
    assert!(write_binding("jane", "ClusterRole/pods").is_ok());
    assert!(write_binding("jane", "ClusterRole/secrets").is_err());
    assert!(write_binding("ben", "ClusterRole/secrets").is_ok());
    assert!(write_binding("ben", "ClusterRole/pods").is_err());
    let status = write_binding("jane", "ClusterRole/none").unwrap_err();
    assert_eq!(
        (status.code, status.message.as_str()),
        (404, r#"clusterroles.rbac.authorization.k8s.io "none" not found"#)
    );
}

#[test]
fn an_aggregating_role_needs_everything() {
    let mut wide = role("", "wide", json!([]));
    wide["aggregationRule"] = json!({ "clusterRoleSelectors": [{}] });
    let attributes = asks(&jane(), "create rbac.authorization.k8s.io:clusterroles");
    assert!(Authorizer::new(powers()).check_role(&attributes, None, &wide).is_err());
    let admin = asks(&User::new("admin", [MASTERS]), "create rbac.authorization.k8s.io:clusterroles");
    assert!(Authorizer::new(powers()).check_role(&admin, None, &wide).is_ok());
}

#[test]
fn changing_the_labels_of_a_role_needs_no_power() {
    let old = role("team", "strong", json!([{ "verbs": ["*"], "apiGroups": [""], "resources": ["secrets"] }]));
    let mut new = old.clone();
    meta_object::set_label(&mut new, "a", "b");
    let attributes = asks(&jane(), "update rbac.authorization.k8s.io:roles team/strong");
    let authorizer = Authorizer::new(powers());
    assert!(authorizer.check_role(&attributes, Some(&old), &new).is_ok());
    new["rules"][0]["resources"] = json!(["secrets", "nodes"]);
    assert!(authorizer.check_role(&attributes, Some(&old), &new).is_err());
}

#[test]
fn adding_a_subject_to_a_binding_needs_the_power_it_gives() {
    let old = binding("team", "strong", "ClusterRole/secrets", user("a"));
    let new = binding("team", "strong", "ClusterRole/secrets", user("jane"));
    let attributes = asks(&jane(), "update rbac.authorization.k8s.io:rolebindings team/strong");
    assert!(Authorizer::new(powers()).check_binding(&attributes, Some(&old), &new).is_err());
    assert!(Authorizer::new(powers()).check_binding(&attributes, Some(&old), &old).is_ok());
}
