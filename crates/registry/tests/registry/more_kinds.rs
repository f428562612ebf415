//! Kinds of apps, batch, autoscaling, policy, networking and of the core group's quotas: what they refuse, and in which words.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::cluster::{Cluster, deployment, refusal};

async fn check(path: &str, object: Value, expected: Expect) {
    let cluster = Cluster::new().await;
    let namespaced = cluster.at(path, "", "").resource.namespaced;
    let place = cluster.at(path, if namespaced { "default" } else { "" }, "");
    expected.assert_eq(&refusal(cluster.create(&place, object).await));
}

fn stateful_set() -> Value {
    let mut set = deployment("db");
    set["spec"]["serviceName"] = "db".into();
    set
}

#[tokio::test]
async fn of_a_stateful_set_only_a_few_fields_may_change() {
    let cluster = Cluster::new().await;
    let place = cluster.at("apps/statefulsets", "default", "db");
    let made = cluster.create(&cluster.at("apps/statefulsets", "default", ""), stateful_set()).await.unwrap();
    assert_eq!(made["spec"]["podManagementPolicy"], "OrderedReady");
    let scaled = cluster.merge(&place, json!({"spec": {"replicas": 5}})).await.unwrap();
    assert_eq!(scaled["metadata"]["generation"], 2);
    expect![[r#"422 Invalid: StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"#]]
        .assert_eq(&refusal(cluster.merge(&place, json!({"spec": {"serviceName": "other"}})).await));
}

#[tokio::test]
async fn a_daemon_set_counts_its_templates() {
    let cluster = Cluster::new().await;
    let mut set = deployment("agent");
    set["spec"].as_object_mut().unwrap().remove("replicas");
    let place = cluster.at("apps/daemonsets", "default", "agent");
    let made = cluster.create(&cluster.at("apps/daemonsets", "default", ""), set).await.unwrap();
    let key = "deprecated.daemonset.template.generation";
    assert_eq!(made["metadata"]["annotations"][key], "1");
    let changed =
        cluster.merge(&place, json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}})).await.unwrap();
    assert_eq!(
        (changed["metadata"]["annotations"][key].as_str(), changed["metadata"]["generation"].as_i64()),
        (Some("2"), Some(2))
    );
}

fn cron_job(spec: Value) -> Value {
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "hello:1"}]});
    let mut job = json!({"metadata": {"name": "nightly"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}});
    job["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    job
}

#[tokio::test]
async fn cron_jobs() {
    check("batch/cronjobs", cron_job(json!({"schedule": "0 25 * * *"})), expect![[r#"422 Invalid: CronJob.batch "nightly" is invalid: spec.schedule: Invalid value: "0 25 * * *": end of range (25) above maximum (23): 25"#]]).await;
    check("batch/cronjobs", cron_job(json!({"timeZone": "Mars/Olympus"})), expect![[r#"422 Invalid: CronJob.batch "nightly" is invalid: spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus"#]]).await;
    let cluster = Cluster::new().await;
    let made = cluster
        .create(&cluster.at("batch/cronjobs", "default", ""), cron_job(json!({"timeZone": "Europe/Berlin"})))
        .await
        .unwrap();
    assert_eq!(made["spec"]["concurrencyPolicy"], "Allow");
}

#[tokio::test]
async fn an_autoscaler_is_one_object_in_two_versions() {
    let cluster = Cluster::new().await;
    let second = cluster.at("autoscaling/horizontalpodautoscalers", "default", "web");
    let mut first = second.clone();
    first.resource = cluster.registry.find("autoscaling", "v1", "horizontalpodautoscalers").unwrap();
    first.attributes.version = "v1".to_owned();
    let spec = json!({"maxReplicas": 4, "targetCPUUtilizationPercentage": 60, "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}});
    let made = cluster.create(&first, json!({"metadata": {"name": "web"}, "spec": spec})).await.unwrap();
    assert_eq!((made["apiVersion"].as_str(), made["spec"]["minReplicas"].as_i64()), (Some("autoscaling/v1"), Some(1)));
    let stored = cluster.get(&second).await.unwrap();
    assert_eq!(stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    let pods = json!({"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1k"}}});
    cluster.merge(&second, json!({"spec": {"metrics": [pods]}})).await.unwrap();
    let seen = cluster.get(&first).await.unwrap();
    assert_eq!(
        seen["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"],
        r#"[{"pods":{"metricName":"rps","targetAverageValue":"1k"},"type":"Pods"}]"#
    );
    cluster.merge(&first, json!({"spec": {"maxReplicas": 9}})).await.unwrap();
    let after = cluster.get(&second).await.unwrap();
    assert_eq!((after["spec"]["metrics"][0].clone(), after["spec"]["maxReplicas"].as_i64()), (pods, Some(9)));
    expect![[r#"422 Invalid: HorizontalPodAutoscaler.autoscaling "web" is invalid: [spec.minReplicas: Invalid value: 0: must be greater than or equal to 1, spec.maxReplicas: Invalid value: 0: must be greater than 0, spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas]"#]]
        .assert_eq(&refusal(cluster.merge(&second, json!({"spec": {"minReplicas": 0, "maxReplicas": 0, "metrics": null}})).await));
}

#[tokio::test]
async fn an_eviction_is_paid_for_by_the_budget() {
    let cluster = Cluster::new().await;
    let mut pod = crate::cluster::pod("p");
    pod["metadata"]["labels"] = json!({"app": "web"});
    cluster.create(&cluster.at("pods", "default", ""), pod).await.unwrap();
    let place = cluster.at("pods", "default", "p");
    let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    cluster.merge(&place.clone().subresource("status"), running).await.unwrap();
    let budget =
        json!({"metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    let budgets = cluster.at("policy/poddisruptionbudgets", "default", "web");
    cluster.create(&cluster.at("policy/poddisruptionbudgets", "default", ""), budget).await.unwrap();
    let place = place.clone().subresource("eviction");
    let unknown = cluster.create(&place, json!({"metadata": {"name": "p"}})).await.unwrap_err();
    assert_eq!((unknown.code, unknown.has_cause("DisruptionBudget")), (429, true));
    let status = |allowed: i64| json!({"status": {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}});
    cluster.merge(&budgets.clone().subresource("status"), status(0)).await.unwrap();
    expect!["429 TooManyRequests: Cannot evict pod as it would violate the pod's disruption budget."]
        .assert_eq(&refusal(cluster.create(&place, json!({"metadata": {"name": "p"}})).await));
    cluster.merge(&budgets.clone().subresource("status"), status(1)).await.unwrap();
    cluster.create(&place, json!({"metadata": {"name": "p"}})).await.unwrap();
    let spent = cluster.get(&budgets).await.unwrap();
    assert_eq!(spent["status"]["disruptionsAllowed"], 0);
    assert!(spent["status"]["disruptedPods"]["p"].is_string());
    assert_eq!(spent["status"]["conditions"][0]["reason"], "InsufficientPods");
}

#[tokio::test]
async fn networking() {
    check("networking/ingresses", json!({"metadata": {"name": "i"}, "spec": {}}), expect![[r#"422 Invalid: Ingress.networking.k8s.io "i" is invalid: spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"#]]).await;
    check("networking/servicecidrs", json!({"metadata": {"name": "c"}, "spec": {"cidrs": ["10.0.0.1/8"]}}), expect![[r#"422 Invalid: ServiceCIDR.networking.k8s.io "c" is invalid: spec.cidrs[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length"#]]).await;
    check("networking/ipaddresses", json!({"metadata": {"name": "10.0.0.256"}, "spec": {"parentRef": {"resource": "services", "name": "s"}}}), expect![[r#"422 Invalid: IPAddress.networking.k8s.io "10.0.0.256" is invalid: metadata.name: Invalid value: "10.0.0.256": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#]]).await;
    let block = json!({"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]});
    check("networking/networkpolicies", json!({"metadata": {"name": "n"}, "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}, {}]}]}}), expect![[r#"422 Invalid: NetworkPolicy.networking.k8s.io "n" is invalid: [spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`, spec.ingress[0].from[1]: Required value: must specify a peer]"#]]).await;
}

#[tokio::test]
async fn quotas_and_limits() {
    check("resourcequotas", json!({"metadata": {"name": "q"}, "spec": {"hard": {"color": "1", "pods": "-1"}}}), expect![[r#"422 Invalid: ResourceQuota "q" is invalid: [spec.hard[color]: Invalid value: "color": must be a standard resource type or fully qualified, spec.hard[color]: Invalid value: "color": must be a standard resource for quota, spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0]"#]]).await;
    check("limitranges", json!({"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}]}}), expect![[r#"422 Invalid: LimitRange "l" is invalid: [spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1, spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1, spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1]"#]]).await;
}
