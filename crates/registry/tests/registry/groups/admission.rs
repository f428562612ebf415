use expect_test::expect;
use serde_json::{Value, json};

use super::{change_refused, made, place};
use crate::cluster::Cluster;
use crate::tables::check;
use crate::validation::refused;

const WEBHOOKS: [&str; 2] =
    ["admissionregistration/mutatingwebhookconfigurations", "admissionregistration/validatingwebhookconfigurations"];

fn webhook(more: Value) -> Value {
    let mut webhook = json!({"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://example.com/check"},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]});
    webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    webhook
}

fn configuration(webhooks: Value) -> Value {
    json!({"metadata": {"name": "c"}, "webhooks": webhooks})
}

#[tokio::test]
async fn both_kinds_of_webhook_have_the_same_rules() {
    let cluster = Cluster::new().await;
    for path in WEBHOOKS {
        let made = made(&cluster, path, configuration(json!([webhook(json!({}))]))).await;
        assert_eq!(made["webhooks"][0]["failurePolicy"], "Fail");
        assert_eq!(
            (&made["webhooks"][0]["rules"][0]["scope"], &made["metadata"]["generation"]),
            (&json!("*"), &json!(1))
        );
    }
    let mutating = cluster.get(&place(&cluster, WEBHOOKS[0], "c")).await.unwrap();
    assert_eq!(mutating["webhooks"][0]["reinvocationPolicy"], "Never");
    let check = async |webhooks: Value, expected| {
        refused(&cluster, WEBHOOKS[0], configuration(webhooks), expected).await;
    };
    check(json!([{}]), expect![[r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: [webhooks[0].name: Required value, webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun, webhooks[0].clientConfig: Required value: exactly one of url or service is required, webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1]"#]]).await;
    check(
        json!([webhook(json!({"name": "short", "failurePolicy": "Maybe", "matchPolicy": "Near", "sideEffects": "Some",
            "timeoutSeconds": 31, "admissionReviewVersions": ["v2", "v2", "V1"], "reinvocationPolicy": "Often"})),
            webhook(json!({})), webhook(json!({}))]),
        expect![[r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: [webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots, webhooks[0].failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore", webhooks[0].matchPolicy: Unsupported value: "Near": supported values: "Equivalent", "Exact", webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun", webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds, webhooks[0].reinvocationPolicy: Unsupported value: "Often": supported values: "IfNeeded", "Never", webhooks[0].admissionReviewVersions[1]: Invalid value: "v2": duplicate version, webhooks[0].admissionReviewVersions[2]: Invalid value: "V1": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?'), webhooks[0].admissionReviewVersions: Invalid value: ["v2","v2","V1"]: must include at least one of v1, v1beta1, webhooks[2].name: Duplicate value: "a.example.com"]"#]],
    )
    .await;
    check(
        json!([webhook(json!({"rules": [{"operations": ["*", "CREATE", "READ"], "apiGroups": ["*", ""], "apiVersions": ["*", "v1", ""],
            "resources": ["*", "pods", "pods/*", "pods/log", "*/status", "nodes/status", "*/*", ""], "scope": "Some"}]}))]),
        expect![[r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: [webhooks[0].rules[0].operations: Invalid value: ["*","CREATE","READ"]: if '*' is present, must not specify other operations, webhooks[0].rules[0].operations[2]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE", webhooks[0].rules[0].apiGroups: Invalid value: ["*",""]: if '*' is present, must not specify other API groups, webhooks[0].rules[0].apiVersions: Invalid value: ["*","v1",""]: if '*' is present, must not specify other API versions, webhooks[0].rules[0].apiVersions[2]: Required value, webhooks[0].rules[0].resources[3]: Invalid value: "pods/log": if 'pods/*' is present, must not specify pods/log, webhooks[0].rules[0].resources[5]: Invalid value: "nodes/status": if '*/status' is present, must not specify nodes/status, webhooks[0].rules[0].resources[7]: Required value, webhooks[0].rules[0].resources: Invalid value: ["*","pods","pods/*","pods/log","*/status","nodes/status","*/*",""]: if '*/*' is present, must not specify other resources, webhooks[0].rules[0].resources: Invalid value: ["*","pods","pods/*","pods/log","*/status","nodes/status","*/*",""]: if '*' is present, must not specify other resources without subresources, webhooks[0].rules[0].scope: Unsupported value: "Some": supported values: "*", "Cluster", "Namespaced"]"#]],
    )
    .await;
    for (config, expected) in [
        (
            json!({"url": "http://user@/x?y#z"}),
            expect![[
                r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: [webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path], webhooks[0].clientConfig.url: Invalid value: "": host must be specified; desired format: https://host[/path], webhooks[0].clientConfig.url: Invalid value: "user": user information is not permitted in the URL, webhooks[0].clientConfig.url: Invalid value: "z": fragments are not permitted in the URL, webhooks[0].clientConfig.url: Invalid value: "y": query parameters are not permitted in the URL]"#
            ]],
        ),
        (
            json!({"url": ":x"}),
            expect![[
                r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: webhooks[0].clientConfig.url: Required value: url must be a valid URL: parse ":x": missing protocol scheme; desired format: https://host[/path]"#
            ]],
        ),
        (
            json!({"service": {"path": "a//B", "port": 70000}}),
            expect![[
                r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: [webhooks[0].clientConfig.service.name: Required value: service name is required, webhooks[0].clientConfig.service.namespace: Required value: service namespace is required, webhooks[0].clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive, webhooks[0].clientConfig.service.path: Invalid value: "a//B": must start with a '/', webhooks[0].clientConfig.service.path: Invalid value: "a//B": segment[0] may not be empty, webhooks[0].clientConfig.service.path: Invalid value: "a//B": segment[1] may not be empty, webhooks[0].clientConfig.service.path: Invalid value: "a//B": segment[2]: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')]"#
            ]],
        ),
        (
            json!({"url": "https://x", "service": {"name": "a", "namespace": "b"}}),
            expect![[
                r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: webhooks[0].clientConfig: Required value: exactly one of url or service is required"#
            ]],
        ),
    ] {
        check(json!([webhook(json!({"clientConfig": config}))]), expected).await;
    }
    check(
        json!([webhook(json!({"matchConditions": [{"name": "a b", "expression": " "}, {"expression": "true"},
            {"name": "x", "expression": "true"}, {"name": "x", "expression": "true"}]}))]),
        expect![[r#"422 Invalid: MutatingWebhookConfiguration.admissionregistration.k8s.io "c" is invalid: [webhooks[0].matchConditions[0].expression: Required value, webhooks[0].matchConditions[0].name: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), webhooks[0].matchConditions[1].name: Required value, webhooks[0].matchConditions[3].name: Duplicate value: "x"]"#]],
    )
    .await;
}

fn policy(more: Value) -> Value {
    let mut spec = json!({"validations": [{"expression": "object.spec.replicas < 5"}], "matchConstraints": {"resourceRules": [
        {"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]}});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"metadata": {"name": "p"}, "spec": spec})
}

#[tokio::test]
async fn validating_policies() {
    let cluster = Cluster::new().await;
    let path = "admissionregistration/validatingadmissionpolicies";
    let made = made(&cluster, path, policy(json!({}))).await;
    assert_eq!(
        (&made["spec"]["failurePolicy"], &made["spec"]["matchConstraints"]["matchPolicy"]),
        (&json!("Fail"), &json!("Equivalent"))
    );
    let check = async |object, expected| refused(&cluster, path, object, expected).await;
    check(json!({"metadata": {"name": "p"}, "spec": {}}), expect![[r#"422 Invalid: ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: [spec.matchConstraints: Required value, spec.validations: Required value: validations or auditAnnotations must contain at least one item, spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item]"#]]).await;
    check(
        policy(json!({"paramKind": {"apiVersion": "a/b/c", "kind": "A_"}, "failurePolicy": "Maybe",
            "variables": [{"name": "in", "expression": ""}, {"expression": "1"}], "matchConstraints": {"resourceRules": []},
            "validations": [{"expression": "", "messageExpression": " ", "message": "a\nb", "reason": "Because"}],
            "auditAnnotations": [{"key": "k", "valueExpression": ""}, {"key": "k", "valueExpression": "'x'"}]})),
        expect![[r#"422 Invalid: ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: [spec.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore", spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c, spec.paramKind.kind: Invalid value: "A_": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?'), spec.matchConstraints.resourceRules: Required value, spec.variables[0].name: Invalid value: "in": name is not a valid CEL identifier, spec.variables[0].expression: Required value: expression is not specified, spec.variables[1].name: Required value: name is not specified, spec.validations[0].expression: Required value: expression is not specified, spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified, spec.validations[0].message: Invalid value: "a\nb": message must not contain line breaks, spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified, spec.auditAnnotations[1].key: Duplicate value: "k"]"#]],
    )
    .await;
    change_refused(&cluster, path, "p", json!({"spec": {"validations": []}}), expect![[r#"422 Invalid: ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: [spec.validations: Required value: validations or auditAnnotations must contain at least one item, spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item]"#]]).await;
}

#[tokio::test]
async fn mutating_policies() {
    let cluster = Cluster::new().await;
    let path = "admissionregistration/mutatingadmissionpolicies";
    let with = |more: Value| {
        let mut object = policy(json!({"reinvocationPolicy": "Never"}));
        object["spec"].as_object_mut().unwrap().remove("validations");
        object["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let check = async |object, expected| refused(&cluster, path, object, expected).await;
    check(with(json!({"reinvocationPolicy": "Often"})), expect![[r#"422 Invalid: MutatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: [spec.mutations: Required value: mutations must contain at least one item, spec.reinvocationPolicy: Unsupported value: "Often": supported values: "IfNeeded", "Never"]"#]]).await;
    check(
        with(json!({"mutations": [{"patchType": "Merge"}, {}, {"patchType": "JSONPatch", "applyConfiguration": {"expression": "x"}},
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": ""}}]})),
        expect![[r#"422 Invalid: MutatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: [spec.mutations[0].patchType: Unsupported value: "Merge": supported values: "ApplyConfiguration", "JSONPatch", spec.mutations[1].patchType: Required value, spec.mutations[2].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch, spec.mutations[2].jsonPatch: Required value: must be specified when patchType is JSONPatch, spec.mutations[3].applyConfiguration.expression: Required value: expression is not specified]"#]],
    )
    .await;
    made(&cluster, path, with(json!({"mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]})))
        .await;
}

#[tokio::test]
async fn bindings() {
    let cluster = Cluster::new().await;
    let [validating, mutating] =
        ["validating", "mutating"].map(|kind| format!("admissionregistration/{kind}admissionpolicybindings"));
    let binding = |spec: Value| json!({"metadata": {"name": "b"}, "spec": spec});
    refused(&cluster, &validating, binding(json!({"paramRef": {}})), expect![[r#"422 Invalid: ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io "b" is invalid: [spec.policyName: Required value, spec.paramRef: Required value: one of name or selector must be specified, spec.paramRef.parameterNotFoundAction: Required value, spec.validationActions: Required value: at least one validation action is required]"#]]).await;
    refused(
        &cluster,
        &validating,
        binding(json!({"policyName": "P_", "validationActions": ["Deny", "Warn", "Warn", "Shout"],
            "paramRef": {"name": "a/b", "selector": {}, "parameterNotFoundAction": "Shrug"},
            "matchResources": {"resourceRules": [{"resourceNames": ["a", "a", "%"], "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]}})),
        expect![[r#"422 Invalid: ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io "b" is invalid: [spec.policyName: Invalid value: "P_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.paramRef.name: Invalid value: "a/b": may not contain '/', spec.paramRef.name: Forbidden: name and selector are mutually exclusive, spec.paramRef.selector: Forbidden: name and selector are mutually exclusive, spec.paramRef.parameterNotFoundAction: Unsupported value: "Shrug": supported values: "Deny", "Allow", spec.matchResouces.resourceRules[0].resourceNames[1]: Duplicate value: "a", spec.matchResouces.resourceRules[0].resourceNames[2]: Invalid value: "%": may not contain '%', spec.validationActions[2]: Duplicate value: "Warn", spec.validationActions[3]: Unsupported value: "Shout": supported values: "Audit", "Deny", "Warn", spec.validationActions: Invalid value: ["Deny","Warn","Warn","Shout"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)]"#]],
    )
    .await;
    refused(&cluster, &mutating, binding(json!({})), expect![[r#"422 Invalid: MutatingAdmissionPolicyBinding.admissionregistration.k8s.io "b" is invalid: spec.policyName: Required value"#]]).await;
    made(&cluster, &mutating, binding(json!({"policyName": "p"}))).await;
    made(&cluster, &validating, binding(json!({"policyName": "p", "validationActions": ["Deny"]}))).await;
}

#[tokio::test]
async fn api_services() {
    let cluster = Cluster::new().await;
    let path = "apiregistration/apiservices";
    let service = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let local = made(
        &cluster,
        path,
        service("v1.a.io", json!({"group": "a.io", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1})),
    )
    .await;
    assert_eq!(local["status"]["conditions"][0]["message"], "Local APIServices are always available");
    let remote = json!({"group": "b.io", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, "service": {"name": "s", "namespace": "n"}});
    let remote = made(&cluster, path, service("v1.b.io", remote)).await;
    assert_eq!((&remote["spec"]["service"]["port"], &remote["status"]["conditions"]), (&json!(443), &Value::Null));
    let check = async |object, expected| refused(&cluster, path, object, expected).await;
    check(service("x", json!({"version": "V1", "caBundle": "eHh4", "insecureSkipTLSVerify": true})), expect![[r#"422 Invalid: APIService.apiregistration.k8s.io "x" is invalid: [metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "V1.", spec.group: Required value: only v1 may have an empty group and it better be legacy kube, spec.version: Invalid value: "V1": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?'), spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000, spec.versionPriority: Invalid value: 0: must be positive and less than 1000, spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle, spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify]"#]]).await;
    check(
        service("v1.a_b", json!({"group": "a_b", "version": "v1", "groupPriorityMinimum": 20001, "versionPriority": 1001,
            "caBundle": "eHh4", "insecureSkipTLSVerify": true, "service": {}})),
        expect![[r#"422 Invalid: APIService.apiregistration.k8s.io "v1.a_b" is invalid: [spec.group: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000, spec.versionPriority: Invalid value: 1001: must be positive and less than 1000, spec.service.namespace: Required value, spec.service.name: Required value, spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present]"#]],
    )
    .await;
    let status = json!({"status": {"conditions": [{"type": "Available", "status": "Perhaps"}]}});
    super::status_refused(&cluster, path, "v1.b.io", status, expect![[r#"422 Invalid: APIService.apiregistration.k8s.io "v1.b.io" is invalid: status.conditions[0].status: Unsupported value: "Perhaps": supported values: "True", "False", "Unknown""#]]).await;
}

#[tokio::test]
async fn tables() {
    let webhooks = configuration(json!([{}, {}]));
    check(
        WEBHOOKS[0],
        std::slice::from_ref(&webhooks),
        expect![[r#"
        Name | Webhooks | Age
        c | 2 | 10m"#]],
    )
    .await;
    check(
        WEBHOOKS[1],
        &[webhooks],
        expect![[r#"
        Name | Webhooks | Age
        c | 2 | 10m"#]],
    )
    .await;
    let with_kind = policy(json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}));
    check(
        "admissionregistration/validatingadmissionpolicies",
        &[with_kind, policy(json!({}))],
        expect![[r#"
        Name | Validations | ParamKind | Age
        p | 1 | v1/ConfigMap | 10m
        p | 1 | <unset> | 10m"#]],
    )
    .await;
    let mutating = json!({"metadata": {"name": "m"}, "spec": {"mutations": [{}]}});
    check(
        "admissionregistration/mutatingadmissionpolicies",
        &[mutating],
        expect![[r#"
        Name | Mutations | ParamKind | Age
        m | 1 | <unset> | 10m"#]],
    )
    .await;
    let binding =
        |reference: Value| json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "paramRef": reference}});
    let bindings = [
        json!({"metadata": {"name": "b"}, "spec": {"policyName": "p"}}),
        binding(json!({"name": "x"})),
        binding(json!({"name": "x", "namespace": "n"})),
        binding(json!({"selector": {"matchLabels": {"a": "b"}}})),
    ];
    check(
        "admissionregistration/validatingadmissionpolicybindings",
        &bindings,
        expect![[r#"
        Name | PolicyName | ParamRef | Age
        b | p | <unset> | 10m
        b | p | x | 10m
        b | p | n/x | 10m
        b | p | a=b | 10m"#]],
    )
    .await;
    check(
        "admissionregistration/mutatingadmissionpolicybindings",
        &bindings[1..2],
        expect![[r#"
        Name | PolicyName | ParamRef | Age
        b | p | x | 10m"#]],
    )
    .await;
    let service = |name: &str, spec: Value, condition: Value| json!({"metadata": {"name": name}, "spec": spec, "status": {"conditions": [condition]}});
    let remote = json!({"service": {"name": "s", "namespace": "n"}});
    let services = [
        service("v1.", json!({}), json!({"type": "Available", "status": "True", "reason": "Local"})),
        service(
            "v1.a.io",
            remote.clone(),
            json!({"type": "Available", "status": "False", "reason": "MissingEndpoints"}),
        ),
        service("v1.b.io", remote, json!({"type": "Other"})),
    ];
    check(
        "apiregistration/apiservices",
        &services,
        expect![[r#"
        Name | Service | Available | Age
        v1. | Local | True | 10m
        v1.a.io | n/s | False (MissingEndpoints) | 10m
        v1.b.io | n/s | Unknown | 10m"#]],
    )
    .await;
}
