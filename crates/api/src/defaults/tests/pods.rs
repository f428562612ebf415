//! Pods and what is in them.

use expect_test::expect;
use serde_json::json;

use super::*;

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
