//! What counts and measures: quotas, autoscalers.

use sampan_client::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::harness::Cluster;

fn pod(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "namespace": "default", "name": name },
        "spec": { "containers": [{ "name": "a", "image": "i" }] } })
}

#[tokio::test(start_paused = true)]
async fn a_quota_counts_what_is_there_and_gives_back_what_goes() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("v1", "Pod", pod("a")).await;
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "namespace": "default", "name": "q" },
        "spec": { "hard": { "pods": "2", "count/configmaps": "9", "services": "1" } } });
    cluster.apply("v1", "ResourceQuota", quota).await;
    let used = |name: &'static str| {
        let cluster = &cluster;
        async move { cluster.get("v1", "ResourceQuota", "default", "q").await["status"]["used"][name].clone() }
    };
    cluster.eventually("it is counted", || async { used("pods").await == "1" }).await;
    assert_eq!((used("services").await, used("count/configmaps").await), (json!("0"), json!("1")));
    cluster.apply("v1", "Pod", pod("b")).await;
    assert_eq!(used("pods").await, "2");
    let third = serde_json::from_value(pod("c")).expect("an object");
    let pods = cluster.api("v1", "Pod", "default");
    let refused = pods.create(&PostParams::default(), &third).await.expect_err("there is no room");
    assert!(
        refused.to_string().contains("exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"),
        "{refused}"
    );
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    pods.delete("a", &at_once).await.expect("it is there");
    cluster.eventually("it is given back", || async { used("pods").await == "1" }).await;
    pods.create(&PostParams::default(), &third).await.expect("there is room");
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "default", "name": "m" } });
    cluster.apply("v1", "ConfigMap", map).await;
    assert_eq!(used("count/configmaps").await, "2");
    cluster.api("v1", "ConfigMap", "default").delete("m", &DeleteParams::default()).await.expect("it is there");
    cluster.eventually("so are kinds that are only counted", || async { used("count/configmaps").await == "1" }).await;
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_keeps_its_bounds_and_says_what_it_cannot_measure() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "namespace": "default", "name": "web" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "a", "image": "i" }] } } } });
    cluster.apply("apps/v1", "Deployment", deployment).await;
    let autoscaler = json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "namespace": "default", "name": "web" }, "spec": { "minReplicas": 3, "maxReplicas": 5,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" } } });
    cluster.apply("autoscaling/v2", "HorizontalPodAutoscaler", autoscaler).await;
    cluster
        .eventually("there are three", || async {
            cluster.get("apps/v1", "Deployment", "default", "web").await["status"]["availableReplicas"] == 3
        })
        .await;
    let condition = |type_: &'static str| {
        let cluster = &cluster;
        async move {
            let autoscaler = cluster.get("autoscaling/v2", "HorizontalPodAutoscaler", "default", "web").await;
            let conditions = autoscaler["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default()
        }
    };
    cluster
        .eventually("it says so", || async { condition("ScalingActive").await["reason"] == "FailedGetResourceMetric" })
        .await;
    assert_eq!(condition("AbleToScale").await["reason"], "SucceededGetScale");
    let message = condition("ScalingActive").await["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with("the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu"), "{message}");
    let events = cluster.list("v1", "Event", "default").await;
    let rescale = events.iter().find(|event| event["reason"] == "SuccessfulRescale").expect("it is told");
    assert_eq!(rescale["message"], "New size: 3; reason: Current number of replicas below Spec.MinReplicas");
}

#[tokio::test(start_paused = true)]
async fn a_secret_gets_the_token_of_its_account_and_goes_with_it() {
    let cluster = Cluster::start().await;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "namespace": "default", "name": "robot" } });
    cluster.apply("v1", "ServiceAccount", account).await;
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": { "namespace": "default", "name": "robot", "annotations": { "kubernetes.io/service-account.name": "robot" } } });
    cluster.apply("v1", "Secret", secret).await;
    let data = || async { cluster.get("v1", "Secret", "default", "robot").await["data"].clone() };
    cluster.eventually("it has a token", || async { data().await["token"].is_string() }).await;
    assert_eq!(data().await["namespace"], "ZGVmYXVsdA==");
    cluster.assert_settled().await;
    let accounts = cluster.api("v1", "ServiceAccount", "default");
    accounts.delete("robot", &DeleteParams::default()).await.expect("it is there");
    cluster.eventually("the secret is gone", || async { data().await.is_null() }).await;
}
