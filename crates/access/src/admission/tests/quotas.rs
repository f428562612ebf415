use expect_test::{Expect, expect};

use super::*;

fn quota(name: &str, hard: Value, used: Value) -> Value {
    let mut quota = plain("v1", "ResourceQuota", "default", name);
    quota["metadata"]["resourceVersion"] = json!("1");
    quota["spec"]["hard"] = hard.clone();
    quota["status"] = json!({ "hard": hard, "used": used });
    quota
}

fn used(fixture: &Fixture, name: &str) -> Value {
    let quota = fixture.objects.get(&sampan_meta::GroupResource::new("", "resourcequotas"), "default", name).unwrap();
    quota["status"]["used"].clone()
}

fn asking(requests: Value) -> Value {
    json!({ "containers": [{ "name": "a", "resources": { "requests": requests } }] })
}

fn refused(quota: Value, spec: Value, expected: Expect) {
    expected.assert_eq(&fixture([quota]).create_pod(spec).unwrap_err());
}

#[test]
fn what_a_write_adds_is_charged() {
    let fixture = fixture([quota(
        "q",
        json!({ "pods": "3", "count/pods": "3", "cpu": "2", "requests.memory": "1Gi", "requests.example.com/gpu": "2", "services": "1" }),
        json!({ "pods": "1", "count/pods": "1", "cpu": "500m", "requests.memory": "0", "requests.example.com/gpu": "0", "services": "0" }),
    )]);
    fixture.create_pod(asking(json!({ "cpu": "250m", "memory": "100Mi", "example.com/gpu": "1" }))).unwrap();
    expect![[r#"{"count/pods":"2","cpu":"750m","pods":"2","requests.example.com/gpu":"1","requests.memory":"100Mi","services":"0"}"#]].assert_eq(&used(&fixture, "q").to_string());
}

#[test]
fn too_much_is_refused_in_upstreams_words() {
    refused(
        quota("q", json!({ "pods": "2" }), json!({ "pods": "2" })),
        asking(json!({})),
        expect![[r#"pods "web" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"#]],
    );
    refused(
        quota("q", json!({ "cpu": "1", "memory": "1Gi" }), json!({ "cpu": "800m", "memory": "900Mi" })),
        asking(json!({ "cpu": "300m", "memory": "200Mi" })),
        expect![[
            r#"pods "web" is forbidden: exceeded quota: q, requested: cpu=300m,memory=200Mi, used: cpu=800m,memory=900Mi, limited: cpu=1,memory=1Gi"#
        ]],
    );
    refused(
        quota(
            "q",
            json!({ "requests.cpu": "1", "limits.memory": "1Gi" }),
            json!({ "requests.cpu": "0", "limits.memory": "0" }),
        ),
        json!({ "containers": [{ "name": "b" }, { "name": "a" }], "initContainers": [{ "name": "i", "resources": { "limits": { "memory": "1" } } }] }),
        expect![[
            r#"pods "web" is forbidden: failed quota: q: must specify limits.memory for: a,b; requests.cpu for: a,b,i"#
        ]],
    );
    refused(
        quota("q", json!({ "pods": "2" }), json!({})),
        asking(json!({})),
        expect![[r#"pods "web" is forbidden: status unknown for quota: q, resources: pods"#]],
    );
}

#[test]
fn a_write_one_quota_refuses_costs_nothing_of_the_others() {
    let fixture = fixture([
        quota("a", json!({ "pods": "5" }), json!({ "pods": "0" })),
        quota("b", json!({ "pods": "0" }), json!({ "pods": "0" })),
    ]);
    assert!(fixture.create_pod(asking(json!({}))).unwrap_err().contains("exceeded quota: b"));
    assert_eq!(used(&fixture, "a"), json!({ "pods": "0" }));
}

#[test]
fn several_quotas_are_charged_once_each() {
    let fixture = fixture([
        quota("a", json!({ "pods": "1" }), json!({ "pods": "0" })),
        quota("b", json!({ "count/pods": "3" }), json!({ "count/pods": "2" })),
        quota("c", json!({ "secrets": "5" }), json!({ "secrets": "2" })),
    ]);
    fixture.create_pod(asking(json!({}))).unwrap();
    assert_eq!((used(&fixture, "a"), used(&fixture, "b")), (json!({ "pods": "1" }), json!({ "count/pods": "3" })));
    assert_eq!(used(&fixture, "c"), json!({ "secrets": "2" }));
}

#[test]
fn a_quota_holds_however_many_write_at_once() {
    let fixture = fixture([quota("q", json!({ "pods": "5" }), json!({ "pods": "1" }))]);
    let attributes = asks(&admin(), "create pods default/");
    let pods: Vec<Value> = (0..20).map(|at| pod(&format!("p{at}"), asking(json!({})))).collect();
    let request = AdmissionRequest {
        attributes: &attributes,
        operation: Operation::Create,
        old: None,
        dry_run: false,
        warnings: &fixture.warnings,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let charges = pods.iter().map(|pod| resource_quota::charge(&fixture.chain.context, &request, pod));
    let answers = runtime.block_on(futures::future::join_all(charges));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|status| status.code == 403));
    assert_eq!(used(&fixture, "q"), json!({ "pods": "5" }));
}

#[test]
fn a_rehearsal_is_not_charged() {
    let fixture = fixture([quota("q", json!({ "pods": "1" }), json!({ "pods": "0" }))]);
    let attributes = asks(&admin(), "create pods default/");
    let warnings = &fixture.warnings;
    let request =
        AdmissionRequest { attributes: &attributes, operation: Operation::Create, old: None, dry_run: true, warnings };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(resource_quota::charge(&fixture.chain.context, &request, &pod("p", asking(json!({}))))).unwrap();
    assert_eq!(used(&fixture, "q"), json!({ "pods": "0" }));
}

#[test]
fn scopes_say_which_pods_count() {
    let scoped = |scopes: Value, selector: Value| {
        let mut quota = quota("q", json!({ "pods": "0" }), json!({ "pods": "0" }));
        quota["spec"]["scopes"] = scopes;
        quota["spec"]["scopeSelector"]["matchExpressions"] = selector;
        quota
    };
    let counts = |scope: &str, spec: Value| fixture([scoped(json!([scope]), json!([]))]).create_pod(spec).is_err();
    let (best, burst) = (asking(json!({})), asking(json!({ "cpu": "1" })));
    let mut ending = best.clone();
    ending["activeDeadlineSeconds"] = json!(5);
    assert_eq!([counts("BestEffort", best.clone()), counts("BestEffort", burst.clone())], [true, false]);
    assert_eq!([counts("NotBestEffort", best.clone()), counts("NotBestEffort", burst)], [false, true]);
    assert_eq!([counts("Terminating", ending.clone()), counts("Terminating", best.clone())], [true, false]);
    assert_eq!([counts("NotTerminating", ending), counts("NotTerminating", best.clone())], [false, true]);
    let by_class = |operator: &str, values: Value| {
        let expression = json!([{ "scopeName": "PriorityClass", "operator": operator, "values": values }]);
        let mut class = plain("scheduling.k8s.io/v1", "PriorityClass", "", "high");
        class["value"] = json!(5);
        let mut spec = best.clone();
        spec["priorityClassName"] = json!("high");
        fixture([scoped(json!([]), expression), class]).create_pod(spec).is_err()
    };
    assert_eq!(
        [by_class("In", json!(["high"])), by_class("In", json!(["low"])), by_class("Exists", json!([]))],
        [true, false, true]
    );
    let mut near = best;
    near["affinity"] =
        json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [{ "namespaces": ["other"] }] } });
    assert!(counts("CrossNamespacePodAffinity", near));
}

#[test]
fn services_and_claims_count_as_what_they_are() {
    let fixture = fixture([
        quota(
            "s",
            json!({ "services": "5", "services.nodeports": "5", "services.loadbalancers": "1" }),
            json!({ "services": "0", "services.nodeports": "0", "services.loadbalancers": "0" }),
        ),
        quota(
            "c",
            json!({ "persistentvolumeclaims": "2", "requests.storage": "5Gi", "fast.storageclass.storage.k8s.io/requests.storage": "3Gi" }),
            json!({ "persistentvolumeclaims": "0", "requests.storage": "0", "fast.storageclass.storage.k8s.io/requests.storage": "0" }),
        ),
        quota(
            "o",
            json!({ "count/deployments.apps": "0", "configmaps": "0" }),
            json!({ "count/deployments.apps": "0", "configmaps": "0" }),
        ),
    ]);
    let mut service = plain("v1", "Service", "default", "web");
    service["spec"] = json!({ "type": "ClusterIP", "ports": [{ "port": 1 }, { "port": 2 }] });
    fixture.admit(&admin(), "create services default/", None, &service).unwrap();
    let mut open = service.clone();
    open["spec"]["type"] = json!("LoadBalancer");
    fixture.admit(&admin(), "update services default/web", Some(&service), &open).unwrap();
    expect![[r#"{"services":"1","services.loadbalancers":"1","services.nodeports":"2"}"#]]
        .assert_eq(&used(&fixture, "s").to_string());
    let claim = |size: &str| {
        let mut claim = plain("v1", "PersistentVolumeClaim", "default", "c");
        claim["spec"] = json!({ "storageClassName": "fast", "resources": { "requests": { "storage": size } } });
        claim
    };
    fixture.admit(&admin(), "create persistentvolumeclaims default/", None, &claim("1Gi")).unwrap();
    expect![[r#"{"fast.storageclass.storage.k8s.io/requests.storage":"1Gi","persistentvolumeclaims":"1","requests.storage":"1Gi"}"#]].assert_eq(&used(&fixture, "c").to_string());
    expect![[r#"persistentvolumeclaims "c" is forbidden: exceeded quota: c, requested: fast.storageclass.storage.k8s.io/requests.storage=4Gi, used: fast.storageclass.storage.k8s.io/requests.storage=1Gi, limited: fast.storageclass.storage.k8s.io/requests.storage=3Gi"#]].assert_eq(
        &fixture.admit(&admin(), "create persistentvolumeclaims default/", None, &claim("4Gi")).unwrap_err(),
    );
    let deployment = plain("apps/v1", "Deployment", "default", "d");
    expect![[r#"deployments.apps "d" is forbidden: exceeded quota: o, requested: count/deployments.apps=1, used: count/deployments.apps=0, limited: count/deployments.apps=0"#]]
        .assert_eq(&fixture.admit(&admin(), "create apps:deployments default/", None, &deployment).unwrap_err());
    assert!(fixture.admit(&admin(), "create configmaps default/", None, &config_map("default")).is_err());
}
