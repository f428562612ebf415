mod pods;
mod workloads;

use super::*;
use expect_test::{Expect, expect};
use sampan_meta::object;
use serde_json::json;

fn defaulted(mut value: Value) -> Value {
    let kind = object::group_version_kind(&value);
    default_object(&kind, &mut value);
    let once = value.clone();
    default_object(&kind, &mut value);
    assert_eq!(value, once, "defaulting twice changes nothing");
    value
}

/// Shows what becomes of an object, without `apiVersion`, `kind` and `metadata`.
fn check(value: Value, expected: Expect) {
    let mut value = defaulted(value);
    for name in ["apiVersion", "kind", "metadata"] {
        object::remove(&mut value, &[name]);
    }
    expected.assert_eq(&format!("{value:#}"));
}

#[test]
fn services_are_completed_by_their_type() {
    let service = |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec});
    check(
        service(json!({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "targetPort": "dns"}]})),
        expect![[r#"
        {
          "spec": {
            "internalTrafficPolicy": "Cluster",
            "ports": [
              {
                "port": 80,
                "protocol": "TCP",
                "targetPort": 80
              },
              {
                "port": 53,
                "protocol": "UDP",
                "targetPort": "dns"
              }
            ],
            "sessionAffinity": "None",
            "type": "ClusterIP"
          },
          "status": {
            "loadBalancer": {}
          }
        }"#]],
    );
    check(
        service(json!({"type": "LoadBalancer", "sessionAffinity": "ClientIP", "ports": []})),
        expect![[r#"
        {
          "spec": {
            "allocateLoadBalancerNodePorts": true,
            "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
            "ports": [],
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {
              "clientIP": {
                "timeoutSeconds": 10800
              }
            },
            "type": "LoadBalancer"
          },
          "status": {
            "loadBalancer": {}
          }
        }"#]],
    );
    check(
        service(
            json!({"type": "ExternalName", "externalName": "x", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}}),
        ),
        expect![[r#"
            {
              "spec": {
                "externalName": "x",
                "sessionAffinity": "None",
                "type": "ExternalName"
              },
              "status": {
                "loadBalancer": {}
              }
            }"#]],
    );
}

#[test]
fn small_kinds_are_completed() {
    let kind = |api_version: &str, kind: &str, rest: Value| {
        let mut object = json!({"apiVersion": api_version, "kind": kind});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        defaulted(object).to_string()
    };
    let rows = [
        kind("v1", "Namespace", json!({"metadata": {"name": "n", "labels": {"a": "b"}}})),
        kind("v1", "Namespace", json!({"metadata": {"generateName": "n-"}})),
        kind("v1", "Secret", json!({})),
        kind("v1", "ConfigMap", json!({"data": {"a": "b"}})),
        kind("v1", "Endpoints", json!({"subsets": [{"ports": [{"port": 80}]}]})),
        kind(
            "v1",
            "LimitRange",
            json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}, {"type": "Pod", "max": {"cpu": "2"}}]}}),
        ),
        kind(
            "v1",
            "ReplicationController",
            json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}}}),
        ),
        kind("v1", "PersistentVolumeClaim", json!({"spec": {}})),
        kind(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            json!({"addressType": "IPv4", "endpoints": [], "ports": [{"port": 80}]}),
        ),
        kind(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]}),
        ),
        kind(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({"spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}}),
        ),
        kind("scheduling.k8s.io/v1", "PriorityClass", json!({"value": 1})),
        kind("storage.k8s.io/v1", "StorageClass", json!({"provisioner": "p"})),
        kind("coordination.k8s.io/v1", "Lease", json!({"spec": {}})),
        kind(
            "certificates.k8s.io/v1",
            "CertificateSigningRequest",
            json!({"spec": {"request": "", "signerName": "s"}}),
        ),
        kind("unknown/v1", "Thing", json!({"spec": {}})),
    ];
    expect![[r#"
        {"apiVersion":"v1","kind":"Namespace","metadata":{"labels":{"a":"b","kubernetes.io/metadata.name":"n"},"name":"n"},"spec":{},"status":{"phase":"Active"}}
        {"apiVersion":"v1","kind":"Namespace","metadata":{"generateName":"n-"},"spec":{},"status":{"phase":"Active"}}
        {"apiVersion":"v1","kind":"Secret","metadata":{},"type":"Opaque"}
        {"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{}}
        {"apiVersion":"v1","kind":"Endpoints","metadata":{},"subsets":[{"ports":[{"port":80,"protocol":"TCP"}]}]}
        {"apiVersion":"v1","kind":"LimitRange","metadata":{},"spec":{"limits":[{"default":{"cpu":"2"},"defaultRequest":{"cpu":"2","memory":"1Mi"},"max":{"cpu":"2"},"min":{"memory":"1Mi"},"type":"Container"},{"max":{"cpu":"2"},"type":"Pod"}]}}
        {"apiVersion":"v1","kind":"ReplicationController","metadata":{"labels":{"a":"b"}},"spec":{"replicas":1,"selector":{"a":"b"},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}},"status":{}}
        {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{},"spec":{"resources":{},"volumeMode":"Filesystem"},"status":{"phase":"Pending"}}
        {"addressType":"IPv4","apiVersion":"discovery.k8s.io/v1","endpoints":[],"kind":"EndpointSlice","metadata":{},"ports":[{"name":"","port":80,"protocol":"TCP"}]}
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"u"},{"kind":"ServiceAccount","name":"s"}]}
        {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{},"spec":{"egress":[{"ports":[{"port":53,"protocol":"TCP"}]}],"podSelector":{},"policyTypes":["Ingress","Egress"]}}
        {"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{},"preemptionPolicy":"PreemptLowerPriority","value":1}
        {"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{},"provisioner":"p","reclaimPolicy":"Delete","volumeBindingMode":"Immediate"}
        {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{},"spec":{}}
        {"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{},"spec":{"request":"","signerName":"s"},"status":{}}
        {"apiVersion":"unknown/v1","kind":"Thing","spec":{}}"#]].assert_eq(&rows.join("\n"));
}

#[test]
fn every_default_in_the_table_is_json() {
    let fields = crate::schema().types().iter().flat_map(Type::fields);
    for text in fields.filter_map(|field| field.default) {
        assert!(serde_json::from_str::<Value>(text).is_ok(), "{text}");
    }
}

#[test]
fn every_rule_belongs_to_a_type_of_the_schema() {
    let source = include_str!("../defaults.rs");
    let names: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" => "))
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() > 40);
    for name in names {
        assert!(crate::schema().get(name).is_some() && rule(name).is_some(), "{name}");
    }
}

#[test]
fn values_of_the_wrong_type_make_no_panic() {
    for kind in [
        ("v1", "Pod"),
        ("v1", "Service"),
        ("v1", "Namespace"),
        ("apps/v1", "Deployment"),
        ("batch/v1", "Job"),
        ("v1", "LimitRange"),
    ] {
        for wrong in [
            json!(1),
            json!([1]),
            json!("x"),
            json!(null),
            json!({"containers": 1, "ports": [1], "strategy": 1, "template": 1, "limits": [{"type": "Container", "max": 1}]}),
        ] {
            defaulted(json!({"apiVersion": kind.0, "kind": kind.1, "metadata": wrong, "spec": wrong, "status": wrong}));
        }
    }
}
