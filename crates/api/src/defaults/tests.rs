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

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

#[test]
fn a_minimal_pod_gets_what_upstream_gives_it() {
    check(
        pod(json!({"containers": [{"name": "a", "image": "web"}]})),
        expect![[r#"
        {
          "spec": {
            "containers": [
              {
                "image": "web",
                "imagePullPolicy": "Always",
                "name": "a",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File"
              }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30
          },
          "status": {}
        }"#]],
    );
}

#[test]
fn limits_become_requests_in_pods_but_not_in_templates() {
    let containers = json!([{"name": "a", "image": "web:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}}}]);
    let pod = defaulted(pod(json!({"containers": containers})));
    assert_eq!(pod["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "100m", "memory": "1Gi"}));
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": containers}}}});
    let resources = defaulted(deployment)["spec"]["template"]["spec"]["containers"][0]["resources"].take();
    assert_eq!(resources["requests"], json!({"cpu": "100m"}));
}

#[test]
fn the_pull_policy_follows_the_image() {
    let rows = [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("host:5000/web", "Always"),
        ("host:5000/web:1", "IfNotPresent"),
        ("web:1", "IfNotPresent"),
        ("web@sha256:aa", "IfNotPresent"),
        ("host/a/web:latest@sha256:aa", "Always"),
        ("", "IfNotPresent"),
    ];
    for (image, policy) in rows {
        let pod = defaulted(pod(json!({"containers": [{"name": "a", "image": image}]})));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn volumes_probes_and_ports_are_completed() {
    let spec = json!({"hostNetwork": true,
        "volumes": [{"name": "e"}, {"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s", "defaultMode": 256}}, {"name": "h", "hostPath": {"path": "/"}},
            {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}, {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}},
            {"name": "i", "image": {"reference": "x:1"}}],
        "containers": [{"name": "a", "image": "web:1", "imagePullPolicy": "Never", "ports": [{"containerPort": 80}], "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "livenessProbe": {"httpGet": {"port": 80}}, "readinessProbe": {"grpc": {"port": 1}, "periodSeconds": 5}, "lifecycle": {"preStop": {"httpGet": {"port": "x", "path": "/q"}}}}]});
    check(
        pod(spec),
        expect![[r#"
        {
          "spec": {
            "containers": [
              {
                "env": [
                  {
                    "name": "N",
                    "valueFrom": {
                      "fieldRef": {
                        "apiVersion": "v1",
                        "fieldPath": "metadata.name"
                      }
                    }
                  }
                ],
                "image": "web:1",
                "imagePullPolicy": "Never",
                "lifecycle": {
                  "preStop": {
                    "httpGet": {
                      "path": "/q",
                      "port": "x",
                      "scheme": "HTTP"
                    }
                  }
                },
                "livenessProbe": {
                  "failureThreshold": 3,
                  "httpGet": {
                    "path": "/",
                    "port": 80,
                    "scheme": "HTTP"
                  },
                  "periodSeconds": 10,
                  "successThreshold": 1,
                  "timeoutSeconds": 1
                },
                "name": "a",
                "ports": [
                  {
                    "containerPort": 80,
                    "hostPort": 80,
                    "protocol": "TCP"
                  }
                ],
                "readinessProbe": {
                  "failureThreshold": 3,
                  "grpc": {
                    "port": 1,
                    "service": ""
                  },
                  "periodSeconds": 5,
                  "successThreshold": 1,
                  "timeoutSeconds": 1
                },
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File"
              }
            ],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "hostNetwork": true,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
            "volumes": [
              {
                "emptyDir": {},
                "name": "e"
              },
              {
                "configMap": {
                  "defaultMode": 420,
                  "name": "c"
                },
                "name": "c"
              },
              {
                "name": "s",
                "secret": {
                  "defaultMode": 256,
                  "secretName": "s"
                }
              },
              {
                "hostPath": {
                  "path": "/",
                  "type": ""
                },
                "name": "h"
              },
              {
                "name": "p",
                "projected": {
                  "defaultMode": 420,
                  "sources": [
                    {
                      "serviceAccountToken": {
                        "expirationSeconds": 3600,
                        "path": "t"
                      }
                    },
                    {
                      "downwardAPI": {
                        "items": [
                          {
                            "fieldRef": {
                              "apiVersion": "v1",
                              "fieldPath": "metadata.name"
                            },
                            "path": "n"
                          }
                        ]
                      }
                    }
                  ]
                }
              },
              {
                "image": {
                  "pullPolicy": "IfNotPresent",
                  "reference": "x:1"
                },
                "name": "i"
              }
            ]
          },
          "status": {}
        }"#]],
    );
}

#[test]
fn resources_are_rounded_up_to_thousandths() {
    let pod = defaulted(pod(
        json!({"containers": [{"name": "a", "resources": {"limits": {"cpu": "100u", "memory": "1Gi"}}}]}),
    ));
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"], json!({"cpu": "1m", "memory": "1Gi"}));
}

#[test]
fn a_pod_with_limits_of_its_own_asks_for_what_its_containers_ask_for() {
    let request = |cpu: &str| json!({"requests": {"cpu": cpu}});
    let spec = json!({"resources": {"limits": {"cpu": "4", "memory": "1Gi"}},
        "initContainers": [{"name": "side", "restartPolicy": "Always", "resources": request("500m")}, {"name": "init", "resources": request("2")}],
        "containers": [{"name": "a", "resources": request("1")}, {"name": "b"}]});
    assert_eq!(defaulted(pod(spec))["spec"]["resources"]["requests"], json!({"cpu": "2500m", "memory": "1Gi"}));
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
fn workloads_are_completed() {
    let kind =
        |api_version: &str, kind: &str, spec: Value| json!({"apiVersion": api_version, "kind": kind, "spec": spec});
    let mut deployment = defaulted(kind("apps/v1", "Deployment", json!({"template": {"spec": {"containers": []}}})));
    assert_eq!(deployment["spec"]["template"]["spec"]["restartPolicy"], "Always");
    object::remove(&mut deployment, &["spec", "template"]);
    expect![[r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{},"spec":{"progressDeadlineSeconds":600,"replicas":1,"revisionHistoryLimit":10,"strategy":{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"}},"status":{}}"#]].assert_eq(&deployment.to_string());
    check(
        kind("apps/v1", "Deployment", json!({"replicas": 0, "strategy": {"type": "Recreate"}, "template": null})),
        expect![[r#"
            {
              "spec": {
                "progressDeadlineSeconds": 600,
                "replicas": 0,
                "revisionHistoryLimit": 10,
                "strategy": {
                  "type": "Recreate"
                },
                "template": {
                  "metadata": {},
                  "spec": {
                    "dnsPolicy": "ClusterFirst",
                    "restartPolicy": "Always",
                    "schedulerName": "default-scheduler",
                    "securityContext": {},
                    "terminationGracePeriodSeconds": 30
                  }
                }
              },
              "status": {}
            }"#]],
    );
    check(
        kind("apps/v1", "ReplicaSet", json!({"replicas": 0})),
        expect![[r#"
        {
          "spec": {
            "replicas": 0,
            "template": {
              "metadata": {},
              "spec": {
                "dnsPolicy": "ClusterFirst",
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30
              }
            }
          },
          "status": {}
        }"#]],
    );
    check(
        kind("apps/v1", "DaemonSet", json!({"template": null})),
        expect![[r#"
        {
          "spec": {
            "revisionHistoryLimit": 10,
            "template": {
              "metadata": {},
              "spec": {
                "dnsPolicy": "ClusterFirst",
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30
              }
            },
            "updateStrategy": {
              "rollingUpdate": {
                "maxSurge": 0,
                "maxUnavailable": 1
              },
              "type": "RollingUpdate"
            }
          },
          "status": {}
        }"#]],
    );
    check(
        kind("apps/v1", "StatefulSet", json!({"template": null})),
        expect![[r#"
        {
          "spec": {
            "persistentVolumeClaimRetentionPolicy": {
              "whenDeleted": "Retain",
              "whenScaled": "Retain"
            },
            "podManagementPolicy": "OrderedReady",
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "template": {
              "metadata": {},
              "spec": {
                "dnsPolicy": "ClusterFirst",
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30
              }
            },
            "updateStrategy": {
              "rollingUpdate": {
                "partition": 0
              },
              "type": "RollingUpdate"
            }
          },
          "status": {}
        }"#]],
    );
}

#[test]
fn jobs_are_completed() {
    let job = |spec: Value| {
        let template =
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": []}});
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec});
        job["spec"]["template"] = template;
        let mut job = defaulted(job);
        assert_eq!(job["metadata"]["labels"], json!({"a": "b"}));
        object::remove(&mut job, &["spec", "template"]);
        job["spec"].to_string()
    };
    expect![[r#"{"backoffLimit":6,"completionMode":"NonIndexed","completions":1,"manualSelector":false,"parallelism":1,"podReplacementPolicy":"TerminatingOrFailed","suspend":false}"#]].assert_eq(&job(json!({})));
    expect![[r#"{"backoffLimit":6,"completionMode":"NonIndexed","manualSelector":false,"parallelism":3,"podFailurePolicy":{"rules":[{"action":"Ignore","onPodConditions":[{"status":"True","type":"x"}]}]},"podReplacementPolicy":"Failed","suspend":false}"#]].assert_eq(&job(json!({"parallelism": 3, "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "x"}]}]}})));
    expect![[r#"{"backoffLimit":2147483647,"backoffLimitPerIndex":1,"completionMode":"Indexed","completions":2,"manualSelector":false,"parallelism":1,"podReplacementPolicy":"TerminatingOrFailed","suspend":false}"#]].assert_eq(&job(json!({"completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 1})));
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
