use super::*;

fn can_i(attributes: Value) -> Value {
    let review =
        json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": attributes });
    Authorizer::new(policy()).self_subject_access_review(&jane(), &review).unwrap()["status"].clone()
}

#[test]
fn can_i_is_answered() {
    let yes = can_i(json!({ "resourceAttributes": { "verb": "list", "resource": "pods", "namespace": "default" } }));
    assert_eq!(
        yes,
        json!({ "allowed": true, "reason": r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "jane""# })
    );
    let no = can_i(json!({ "resourceAttributes": { "verb": "delete", "resource": "pods", "namespace": "default" } }));
    assert_eq!(no, json!({ "allowed": false }));
    assert_eq!(
        can_i(json!({ "nonResourceAttributes": { "verb": "get", "path": "/metrics" } }))["allowed"],
        json!(true)
    );
}

#[test]
fn a_question_must_be_one_question() {
    let authorizer = Authorizer::new(policy());
    for spec in [json!({}), json!({ "resourceAttributes": {}, "nonResourceAttributes": {} })] {
        let error = authorizer.self_subject_access_review(&jane(), &json!({ "spec": spec })).unwrap_err();
        assert_eq!(error.code, 400);
    }
    let nobody = json!({ "spec": { "resourceAttributes": { "verb": "get" } } });
    assert_eq!(authorizer.subject_access_review(&nobody).unwrap_err().code, 400);
    let elsewhere = json!({ "spec": { "user": "x", "resourceAttributes": { "namespace": "a" } } });
    assert_eq!(authorizer.local_subject_access_review("b", &elsewhere).unwrap_err().code, 400);
}

#[test]
fn the_access_of_others_is_judged_by_the_names_in_the_review() {
    let review = json!({ "spec": {
        "user": "system:serviceaccount:team:builder",
        "resourceAttributes": { "verb": "create", "group": "apps", "resource": "deployments", "namespace": "team" },
    } });
    let authorizer = Authorizer::new(policy());
    assert_eq!(authorizer.subject_access_review(&review).unwrap()["status"]["allowed"], json!(true));
    let group = json!({ "spec": { "groups": ["devs"], "resourceAttributes": { "verb": "update", "resource": "x", "subresource": "scale" } } });
    assert_eq!(authorizer.subject_access_review(&group).unwrap()["status"]["allowed"], json!(true));
}

#[test]
fn all_one_may_do_in_a_namespace_is_listed() {
    let authorizer = Authorizer::new(policy());
    let review = json!({ "spec": { "namespace": "team" } });
    let status = authorizer.self_subject_rules_review(&jane(), &review).unwrap()["status"].clone();
    assert_eq!(status["resourceRules"].as_array().unwrap().len(), 3);
    assert_eq!(status["nonResourceRules"], json!([{ "verbs": ["get"], "nonResourceURLs": ["/metrics", "/logs/*"] }]));
    assert_eq!(status["incomplete"], json!(false));
    assert_eq!(
        authorizer.rules_for(&jane(), "default").rules.len(),
        3,
        "the secret of the other namespace is not there"
    );
    let lost = authorizer.rules_for(&User::new("lost", ["people"]), "team");
    assert_eq!(lost.evaluation_error.as_deref(), Some(r#"role.rbac.authorization.k8s.io "gone" not found"#));
    assert!(authorizer.rules_for(&User::new("system:node:a", [NODES]), "team").incomplete);
    assert_eq!(authorizer.rules_for(&User::new("admin", [MASTERS]), "team").rules.len(), 2);
}
