//! Kinds that make pods.

use expect_test::expect;
use serde_json::json;

use super::*;

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
