use expect_test::expect;
use sampan_registry::ListOptions;
use serde_json::{Value, json};

use super::{change_refused, made, place};
use crate::cluster::{Cluster, names};
use crate::tables::check;
use crate::validation::refused;

const SCHEMAS: &str = "flowcontrol/flowschemas";
const LEVELS: &str = "flowcontrol/prioritylevelconfigurations";

#[tokio::test]
async fn every_cluster_has_the_levels_and_schemas_upstream_suggests() {
    let cluster = Cluster::new().await;
    let mut shown = Vec::new();
    for path in [LEVELS, SCHEMAS] {
        let at = place(&cluster, path, "");
        let list = cluster.list(&at, &ListOptions::default()).await.unwrap();
        for object in &list.objects {
            let row = at.resource.strategy().row(&object.value(), jiff::Timestamp::UNIX_EPOCH);
            let without_age =
                row.iter().enumerate().filter(|(at, _)| !(path == LEVELS && *at == 6 || path == SCHEMAS && *at >= 4));
            let text = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
            shown.push(without_age.map(|(_, cell)| text(cell)).collect::<Vec<_>>().join(" | "));
        }
        assert!(names(&list.objects).contains(&"exempt"));
    }
    expect![[r#"
        catch-all | Limited | 5 | <none> | <none> | <none>
        exempt | Exempt | <none> | <none> | <none> | <none>
        global-default | Limited | 20 | 128 | 6 | 50
        leader-election | Limited | 10 | 16 | 4 | 50
        node-high | Limited | 40 | 64 | 6 | 50
        system | Limited | 30 | 64 | 6 | 50
        workload-high | Limited | 40 | 128 | 6 | 50
        workload-low | Limited | 100 | 128 | 6 | 50
        catch-all | catch-all | 10000 | ByUser
        exempt | exempt | 1 | <none>
        global-default | global-default | 9900 | ByUser
        kube-controller-manager | workload-high | 800 | ByNamespace
        kube-scheduler | workload-high | 800 | ByNamespace
        kube-system-service-accounts | workload-high | 900 | ByNamespace
        probes | exempt | 2 | <none>
        service-accounts | workload-low | 9000 | ByUser
        system-leader-election | leader-election | 100 | ByUser
        system-node-high | node-high | 400 | ByUser
        system-nodes | system | 500 | ByUser"#]]
    .assert_eq(&shown.join("\n"));
    let nodes = cluster.get(&place(&cluster, SCHEMAS, "system-node-high")).await.unwrap();
    expect![[r#"{"distinguisherMethod":{"type":"ByUser"},"matchingPrecedence":400,"priorityLevelConfiguration":{"name":"node-high"},"rules":[{"resourceRules":[{"apiGroups":[""],"clusterScope":true,"namespaces":["*"],"resources":["nodes","nodes/status"],"verbs":["*"]},{"apiGroups":["coordination.k8s.io"],"namespaces":["*"],"resources":["leases"],"verbs":["*"]}],"subjects":[{"group":{"name":"system:nodes"},"kind":"Group"}]}]}"#]].assert_eq(&nodes["spec"].to_string());
}

#[tokio::test]
async fn what_nobody_may_change_stays() {
    let cluster = Cluster::new().await;
    change_refused(&cluster, LEVELS, "catch-all", json!({"spec": {"limited": {"nominalConcurrencyShares": 50}}}), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "catch-all" is invalid: spec: Invalid value: {"limited":{"lendablePercent":0,"limitResponse":{"type":"Reject"},"nominalConcurrencyShares":50},"type":"Limited"}: spec of 'catch-all' must equal the fixed value"#]]).await;
    let lent = json!({"spec": {"exempt": {"lendablePercent": 50}}});
    cluster.merge(&place(&cluster, LEVELS, "exempt"), lent).await.unwrap();
    cluster
        .merge(&place(&cluster, LEVELS, "system"), json!({"spec": {"limited": {"lendablePercent": 50}}}))
        .await
        .unwrap();
}

#[tokio::test]
async fn schemas() {
    let cluster = Cluster::new().await;
    let rule = json!({"subjects": [{"kind": "Group", "group": {"name": "g"}}], "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]});
    let made = made(
        &cluster,
        SCHEMAS,
        json!({"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "system"}, "rules": [rule]}}),
    )
    .await;
    assert_eq!(made["spec"]["matchingPrecedence"], 1000);
    let check = async |spec: Value, expected| {
        refused(&cluster, SCHEMAS, json!({"metadata": {"name": "x"}, "spec": spec}), expected).await;
    };
    check(json!({"matchingPrecedence": 1, "distinguisherMethod": {"type": "ByMood"}, "rules": [{}]}), expect![[r#"422 Invalid: FlowSchema.flowcontrol.apiserver.k8s.io "x" is invalid: [spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1, spec.distinguisherMethod.type: Unsupported value: {"type":"ByMood"}: supported values: "ByNamespace", "ByUser", spec.priorityLevelConfiguration.name: Required value: must reference a priority level, spec.rules[0].subjects: Required value: subjects must contain at least one value, spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty]"#]]).await;
    check(
        json!({"matchingPrecedence": 10001, "priorityLevelConfiguration": {"name": "A"}, "rules": [{
            "subjects": [{"kind": "Robot"}, {"kind": "User", "group": {"name": "g"}}, {"kind": "ServiceAccount", "serviceAccount": {"name": "A"}}],
            "resourceRules": [{}, {"verbs": ["*", "get"], "apiGroups": ["*", ""], "resources": ["*", "a"], "namespaces": ["*", "n"]},
                {"verbs": ["look"], "apiGroups": [""], "resources": ["a"], "namespaces": ["N"]}],
            "nonResourceRules": [{}, {"verbs": ["get"], "nonResourceURLs": ["", "x", "/a b", "//", "/a*b", "/a/*", "/"]}]}]}),
        expect![[r#"422 Invalid: FlowSchema.flowcontrol.apiserver.k8s.io "x" is invalid: [spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000, spec.priorityLevelConfiguration.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.rules[0].subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User", spec.rules[0].subjects[1].user: Required value: user is required when subject kind is 'User', spec.rules[0].subjects[1].group: Forbidden: group is forbidden when subject kind is not 'Group', spec.rules[0].subjects[2].serviceAccount.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*'), spec.rules[0].subjects[2].serviceAccount.namespace: Required value: must specify namespace for service account, spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value, spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group, spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource, spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace, spec.rules[0].resourceRules[1].verbs: Invalid value: ["*","get"]: if '*' is present, must not specify other verbs, spec.rules[0].resourceRules[1].apiGroups: Invalid value: ["*",""]: if '*' is present, must not specify other api groups, spec.rules[0].resourceRules[1].resources: Invalid value: ["*","a"]: if '*' is present, must not specify other resources, spec.rules[0].resourceRules[1].namespaces: Invalid value: ["*","n"]: if '*' is present, must not specify other namespaces, spec.rules[0].resourceRules[2].verbs: Unsupported value: ["look"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch", spec.rules[0].resourceRules[2].namespaces[0]: Invalid value: "N": each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?'), spec.rules[0].nonResourceRules[0].verbs: Required value: verbs must contain at least one value, spec.rules[0].nonResourceRules[0].nonResourceURLs: Required value: nonResourceURLs must contain at least one value, spec.rules[0].nonResourceRules[1].nonResourceURLs[0]: Invalid value: "": must not be empty, spec.rules[0].nonResourceRules[1].nonResourceURLs[1]: Invalid value: "x": must start with slash, spec.rules[0].nonResourceRules[1].nonResourceURLs[2]: Invalid value: "/a b": must not contain white-space, spec.rules[0].nonResourceRules[1].nonResourceURLs[3]: Invalid value: "//": must not contain double slash, spec.rules[0].nonResourceRules[1].nonResourceURLs[4]: Invalid value: "/a*b": wildcard can only do suffix matching]"#]],
    )
    .await;
}

#[tokio::test]
async fn levels() {
    let cluster = Cluster::new().await;
    let queue = json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}});
    let made = made(&cluster, LEVELS, json!({"metadata": {"name": "l"}, "spec": queue})).await;
    assert_eq!(
        made["spec"]["limited"],
        json!({"nominalConcurrencyShares": 30, "lendablePercent": 0,
        "limitResponse": {"type": "Queue", "queuing": {"handSize": 8, "queues": 64, "queueLengthLimit": 50}}})
    );
    let check = async |spec: Value, expected| {
        refused(&cluster, LEVELS, json!({"metadata": {"name": "x"}, "spec": spec}), expected).await;
    };
    check(json!({"type": "Exempt", "limited": {"limitResponse": {"type": "Reject"}}}), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "x" is invalid: [spec.type: Invalid value: "Exempt": type must be 'Exempt' if and only if name is 'exempt', spec.limited: Forbidden: must be nil if the type is not Limited]"#]]).await;
    check(json!({"type": "Limited"}), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "x" is invalid: spec.limited: Required value: must not be empty when type is Limited"#]]).await;
    check(json!({"type": "Some"}), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "x" is invalid: spec.type: Unsupported value: "Some": supported values: "Exempt", "Limited""#]]).await;
    let limited = |response: Value| {
        json!({"type": "Limited", "limited": {"nominalConcurrencyShares": -1, "lendablePercent": 101,
        "borrowingLimitPercent": -1, "limitResponse": response}})
    };
    check(limited(json!({"type": "Reject", "queuing": {}})), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "x" is invalid: [spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer, spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive, spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer, spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited]"#]]).await;
    check(limited(json!({"type": "Queue"})), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "x" is invalid: [spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer, spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive, spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer, spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited]"#]]).await;
    check(limited(json!({"type": "Queue", "queuing": {"queues": 4, "handSize": 5, "queueLengthLimit": -1}})), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "x" is invalid: [spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer, spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive, spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer, spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive, spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)]"#]]).await;
    check(limited(json!({"type": "Queue", "queuing": {"queues": 1_000_000, "handSize": 9}})), expect![[r#"422 Invalid: PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io "x" is invalid: [spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer, spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive, spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer, spec.limited.limitResponse.queuing.handSize: Invalid value: 9: required entropy bits of deckSize 1000000 and handSize 9 should not be greater than 60]"#]]).await;
}

#[tokio::test]
async fn tables() {
    let dangling = json!({"metadata": {"name": "s"}, "spec": {"priorityLevelConfiguration": {"name": "gone"}, "matchingPrecedence": 5},
        "status": {"conditions": [{"type": "Dangling", "status": "True"}]}});
    check(
        SCHEMAS,
        &[dangling],
        expect![[r#"
        Name | PriorityLevel | MatchingPrecedence | DistinguisherMethod | Age | MissingPL
        s | gone | 5 | <none> | 10m | True"#]],
    )
    .await;
    let reject = json!({"metadata": {"name": "r"}, "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 5,
        "limitResponse": {"type": "Reject"}}}});
    check(
        LEVELS,
        &[reject],
        expect![[r#"
        Name | Type | NominalConcurrencyShares | Queues | HandSize | QueueLengthLimit | Age
        r | Limited | 5 | <none> | <none> | <none> | 10m"#]],
    )
    .await;
}
