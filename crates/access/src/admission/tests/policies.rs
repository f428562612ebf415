//! Validating and mutating policies.

use expect_test::{Expect, expect};

use super::*;

const GROUP: &str = "admissionregistration.k8s.io/v1";

fn constraints(resources: &[&str]) -> Value {
    json!({ "resourceRules": [{
        "apiGroups": ["", "apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": resources,
    }] })
}

/// A policy of a kind (`Validating`, `Mutating`) about ConfigMaps, and a binding with the members given.
fn bound(kind: &str, spec: Value, binding: Value) -> [Value; 2] {
    let mut policy = plain(GROUP, &format!("{kind}AdmissionPolicy"), "", "rule");
    policy["spec"] = json!({ "failurePolicy": "Fail", "matchConstraints": constraints(&["configmaps"]) });
    let mut bound = plain(GROUP, &format!("{kind}AdmissionPolicyBinding"), "", "everywhere");
    bound["spec"] = json!({ "policyName": "rule", "validationActions": ["Deny"] });
    for (object, members) in [(&mut policy, spec), (&mut bound, binding)] {
        object["spec"].as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    }
    [policy, bound]
}

fn settings(data: Value) -> Value {
    let mut object = plain("v1", "ConfigMap", "default", "settings");
    object["data"] = data;
    object
}

/// Creates a ConfigMap with some data under these objects: what comes of it, and what the client is told besides.
fn create_under(objects: impl IntoIterator<Item = Value>, data: Value) -> String {
    let fixture = fixture(objects);
    let object = settings(data);
    let answer = match fixture.status(&admin(), "create configmaps default/", None, &object) {
        Ok(admitted) => admitted["data"].to_string(),
        Err(status) => format!("{} {}: {}", status.code, status.reason, status.message),
    };
    std::iter::once(answer).chain(fixture.warnings.take()).collect::<Vec<_>>().join("\nwarning: ")
}

fn validating(spec: Value, data: Value, expected: Expect) {
    expected.assert_eq(&create_under(bound("Validating", spec, json!({})), data));
}

fn mutating(mutations: Value, expected: Expect) {
    let spec = json!({ "mutations": mutations, "reinvocationPolicy": "Never" });
    expected.assert_eq(&create_under(bound("Mutating", spec, json!({})), json!({ "a": "1" })));
}

fn rule(expression: &str) -> Value {
    json!({ "validations": [{ "expression": expression }] })
}

#[test]
fn a_rule_refuses_what_does_not_comply() {
    let rule = rule("object.data.a == '1'");
    validating(rule.clone(), json!({ "a": "1" }), expect![[r#"{"a":"1"}"#]]);
    validating(
        rule.clone(),
        json!({ "a": "2" }),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: failed expression: object.data.a == '1'"#
        ]],
    );
    validating(
        rule,
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: expression 'object.data.a == '1'' resulted in error: no such key: a"#
        ]],
    );
}

#[test]
fn messages_and_reasons_are_the_rules_own() {
    let with = |message: Value| {
        let mut validation = json!({ "expression": "false", "message": "written down" });
        validation.as_object_mut().unwrap().extend(message.as_object().unwrap().clone());
        json!({ "validations": [validation] })
    };
    validating(
        with(json!({ "reason": "Forbidden" })),
        json!({}),
        expect![[
            r#"403 Forbidden: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: written down"#
        ]],
    );
    validating(
        with(json!({ "messageExpression": "'not ' + object.metadata.name" })),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: not settings"#
        ]],
    );
    validating(
        with(json!({ "messageExpression": "object.nothing" })),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: written down"#
        ]],
    );
}

#[test]
fn variables_conditions_namespaces_and_requests_are_seen() {
    let spec = json!({
        "matchConditions": [{ "name": "people", "expression": "request.userInfo.username == 'admin' && oldObject == null" }],
        "variables": [
            { "name": "unused", "expression": "object.nothing.at.all" },
            { "name": "keys", "expression": "object.data.map(k, k)" },
            { "name": "count", "expression": "size(variables.keys)" },
        ],
        "validations": [
            { "expression": "variables.count < 2", "messageExpression": "string(variables.count) + ' keys in ' + namespaceObject.metadata.name" },
            { "expression": "authorizer.requestResource.check('create').allowed() && request.operation == 'CREATE'" },
        ],
    });
    validating(spec.clone(), json!({ "a": "1" }), expect![[r#"{"a":"1"}"#]]);
    validating(
        spec.clone(),
        json!({ "a": "1", "b": "2" }),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: 2 keys in default"#
        ]],
    );
    let mut elsewhere = spec;
    elsewhere["matchConditions"][0]["expression"] = json!("request.dryRun");
    validating(elsewhere, json!({ "a": "1", "b": "2" }), expect![[r#"{"a":"1","b":"2"}"#]]);
}

#[test]
fn a_binding_says_what_follows() {
    let warned = bound("Validating", rule("false"), json!({ "validationActions": ["Warn", "Audit"] }));
    expect![[r#"
        {}
        warning: Validation failed for ValidatingAdmissionPolicy 'rule' with binding 'everywhere': failed expression: false"#]].assert_eq(&create_under(warned, json!({})));
    let elsewhere = json!({ "matchResources": { "namespaceSelector": { "matchLabels": { "strict": "yes" } } } });
    assert_eq!(create_under(bound("Validating", rule("false"), elsewhere), json!({})), "{}");
    let [policy, _] = bound("Validating", rule("false"), json!({}));
    assert_eq!(create_under([policy], json!({})), "{}", "a policy without bindings does nothing");
}

#[test]
fn what_cannot_be_evaluated_is_refused_unless_the_policy_says_otherwise() {
    let mut broken = rule("object.nothing == 1");
    validating(
        broken.clone(),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: expression 'object.nothing == 1' resulted in error: no such key: nothing"#
        ]],
    );
    broken["failurePolicy"] = json!("Ignore");
    validating(broken, json!({}), expect![[r#"{}"#]]);
    validating(
        rule("lists.range(99).all(a, lists.range(99999).all(b, true))"),
        json!({}),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: expression 'lists.range(99).all(a, lists.range(99999).all(b, true))' resulted in error: operation cancelled: actual cost limit exceeded"#
        ]],
    );
}

#[test]
fn parameters_come_from_where_the_binding_says() {
    let spec = json!({ "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" }, "validations": [{ "expression": "size(object.data) <= int(params.data.most)" }] });
    let limit = |name: &str, most: &str| {
        let mut object = plain("v1", "ConfigMap", "default", name);
        object["data"] = json!({ "most": most });
        object["metadata"]["labels"] = json!({ "limits": "yes" });
        object
    };
    let check = |reference: Value, expected: Expect| {
        let [policy, binding] = bound("Validating", spec.clone(), json!({ "paramRef": reference }));
        let objects = [policy, binding, limit("two", "2"), limit("one", "1")];
        expected.assert_eq(&create_under(objects, json!({ "a": "1", "b": "2" })));
    };
    check(json!({ "name": "two", "parameterNotFoundAction": "Deny" }), expect![[r#"{"a":"1","b":"2"}"#]]);
    check(
        json!({ "name": "one", "parameterNotFoundAction": "Deny" }),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: failed expression: size(object.data) <= int(params.data.most)"#
        ]],
    );
    check(
        json!({ "selector": { "matchLabels": { "limits": "yes" } }, "parameterNotFoundAction": "Deny" }),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: failed expression: size(object.data) <= int(params.data.most)"#
        ]],
    );
    check(json!({ "name": "none", "parameterNotFoundAction": "Allow" }), expect![[r#"{"a":"1","b":"2"}"#]]);
    check(
        json!({ "name": "none", "parameterNotFoundAction": "Deny" }),
        expect![[
            r#"422 Invalid: configmaps "settings" is forbidden: ValidatingAdmissionPolicy 'rule' with binding 'everywhere' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"#
        ]],
    );
}

#[test]
fn only_what_the_constraints_name_is_judged() {
    let check = |constraints: Value| {
        create_under(
            bound(
                "Validating",
                json!({ "matchConstraints": constraints, "validations": [{ "expression": "false" }] }),
                json!({}),
            ),
            json!({}),
        )
    };
    let with = |members: Value| {
        let mut constraints = constraints(&["configmaps"]);
        constraints.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        constraints
    };
    let of = |rule: Value| {
        let mut constraints = constraints(&["configmaps"]);
        constraints["resourceRules"][0].as_object_mut().unwrap().extend(rule.as_object().unwrap().clone());
        constraints
    };
    for (constraints, refused) in [
        (constraints(&["configmaps"]), true),
        (constraints(&["*"]), true),
        (constraints(&["configmaps/status", "secrets"]), false),
        (of(json!({ "operations": ["DELETE"] })), false),
        (of(json!({ "apiVersions": ["v2"] })), false),
        (of(json!({ "scope": "Cluster" })), false),
        (of(json!({ "resourceNames": ["other"] })), false),
        (of(json!({ "resourceNames": ["settings"] })), true),
        (
            with(
                json!({ "excludeResourceRules": [{ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["configmaps"] }] }),
            ),
            false,
        ),
        (with(json!({ "objectSelector": { "matchLabels": { "a": "b" } } })), false),
        (
            with(json!({ "namespaceSelector": { "matchExpressions": [{ "key": "a", "operator": "DoesNotExist" }] } })),
            true,
        ),
    ] {
        assert_eq!(check(constraints.clone()) != "{}", refused, "{constraints}");
    }
}

#[test]
fn policies_do_not_judge_policies() {
    let everything = json!({ "resourceRules": [{ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"] }] });
    let spec = json!({ "matchConstraints": everything, "validations": [{ "expression": "false" }] });
    let [policy, binding] = bound("Validating", spec, json!({}));
    let fixture = fixture([policy.clone(), binding]);
    let words = "delete admissionregistration.k8s.io:validatingadmissionpolicies rule";
    fixture.admit(&admin(), words, Some(&policy), &policy).unwrap();
    let words = "create configmaps default/";
    assert!(fixture.admit(&admin(), words, None, &settings(json!({}))).is_err());
}

#[test]
fn a_changed_policy_holds_from_then_on() {
    let [mut policy, binding] = bound("Validating", rule("true"), json!({}));
    let fixture = fixture([policy.clone(), binding]);
    let create = || fixture.admit(&admin(), "create configmaps default/", None, &settings(json!({})));
    create().unwrap();
    policy["spec"]["validations"] = json!([{ "expression": "false" }]);
    policy["metadata"]["generation"] = json!(2);
    fixture.objects.put(policy.clone());
    create().unwrap_err();
    fixture.objects.delete(&policy);
    create().unwrap();
}

#[test]
fn mutations_apply_partial_objects_and_patches() {
    let apply = |expression: &str| json!([{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": expression } }]);
    let patch = |expression: &str| json!([{ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } }]);
    mutating(apply("Object{data: Object.data{b: object.data.a + '2'}}"), expect![[r#"{"a":"1","b":"12"}"#]]);
    mutating(
        apply("Object{nothing: 1}"),
        expect![[
            r#"403 Forbidden: policy 'rule' with binding 'everywhere' denied request: error applying patch: field not declared in schema: nothing"#
        ]],
    );
    mutating(
        patch(
            "[JSONPatch{op: 'test', path: '/data/a', value: '1'}, JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('x/y'), value: 'z'}]",
        ),
        expect![[r#"{"a":"1","x/y":"z"}"#]],
    );
    mutating(
        patch("[JSONPatch{op: 'remove', path: '/data/missing'}]"),
        expect!["403 Forbidden: policy 'rule' with binding 'everywhere' denied request: JSON Patch: path is invalid"],
    );
    let both = json!([
        { "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": "Object{data: Object.data{a: '2'}}" } },
        { "patchType": "JSONPatch", "jsonPatch": { "expression": "[JSONPatch{op: 'add', path: '/data/seen', value: object.data.a}]" } },
    ]);
    mutating(both, expect![[r#"{"a":"2","seen":"2"}"#]]);
}

#[test]
fn external_ips_are_refused_where_that_is_asked_for() {
    let fixture = fixture([]);
    let mut service = plain("v1", "Service", "default", "web");
    service["spec"] = json!({ "externalIPs": ["192.0.2.1"] });
    let create = |fixture: &Fixture, old: Option<&Value>| {
        let words = if old.is_some() { "update services default/web" } else { "create services default/" };
        fixture.admit(&admin(), words, old, &service).map(drop)
    };
    create(&fixture, None).unwrap();
    let Fixture { objects, chain, warnings } = fixture;
    let fixture = Fixture { objects, chain: chain.denying_service_external_ips(), warnings };
    expect![[r#"services "web" is forbidden: Use of external IPs is denied by admission control."#]]
        .assert_eq(&create(&fixture, None).unwrap_err());
    create(&fixture, Some(&service)).unwrap();
}

#[test]
fn the_audit_log_is_told_what_policies_want_in_it() {
    let mut spec = rule("false");
    spec["auditAnnotations"] = json!([
        { "key": "keys", "valueExpression": "'has ' + string(size(object.data))" },
        { "key": "nothing", "valueExpression": "null" },
    ]);
    let fixture = fixture(bound("Validating", spec, json!({ "validationActions": ["Audit"] })));
    fixture.status(&admin(), "create configmaps default/", None, &settings(json!({ "a": "1" }))).unwrap();
    let told: Vec<String> =
        fixture.warnings.take_annotations().into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    expect![[r#"
        rule/keys: has 1
        validation.policy.admission.k8s.io/validation_failure: [{"binding":"everywhere","expressionIndex":0,"message":"failed expression: false","policy":"rule","validationActions":["Audit"]}]"#]].assert_eq(&told.join("\n"));
}
