use serde_json::{Value, json};

use crate::harness::Cluster;

fn deployment(replicas: i64, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": image, "ports": [{ "name": "http", "containerPort": 8080 }] }] },
            },
        },
    })
}

fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

async fn is_rolled_out(cluster: &Cluster, replicas: i64) -> bool {
    let web = cluster.get("apps/v1", "Deployment", "default", "web").await;
    ["/status/replicas", "/status/updatedReplicas", "/status/availableReplicas"]
        .iter()
        .all(|count| number(&web, count) == replicas)
        && number(&web, "/status/observedGeneration") == number(&web, "/metadata/generation")
}

fn condition(object: &Value, type_: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default();
    format!("{} {}", found["status"].as_str().unwrap_or("-"), found["reason"].as_str().unwrap_or("-"))
}

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_pods_and_endpoints_and_then_nothing_is_written() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "default" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": "http" }] },
    });
    cluster.apply("v1", "Service", service).await;
    cluster.apply("apps/v1", "Deployment", deployment(3, "web:1")).await;
    cluster.eventually("three replicas are available", || is_rolled_out(&cluster, 3)).await;
    let web = cluster.get("apps/v1", "Deployment", "default", "web").await;
    assert_eq!(condition(&web, "Available"), "True MinimumReplicasAvailable");
    assert_eq!(condition(&web, "Progressing"), "True NewReplicaSetAvailable");
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    cluster
        .eventually("the endpoints are ready", || async {
            let slices = cluster.list("discovery.k8s.io/v1", "EndpointSlice", "default").await;
            let ready = |slice: &Value| {
                let endpoints = slice["endpoints"].as_array().cloned().unwrap_or_default();
                endpoints.iter().filter(|endpoint| endpoint["conditions"]["ready"] == true).count()
            };
            slices
                .iter()
                .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == "web")
                .map(ready)
                .sum::<usize>()
                == 3
        })
        .await;
    let endpoints = cluster.get("v1", "Endpoints", "default", "web").await;
    assert_eq!(endpoints["subsets"][0]["ports"][0]["port"], 8080);
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_image_rolls_and_an_undo_takes_the_old_replica_set_again() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("apps/v1", "Deployment", deployment(4, "web:1")).await;
    cluster.eventually("the first image is out", || is_rolled_out(&cluster, 4)).await;
    let template = |image: &str| deployment(4, image)["spec"]["template"].clone();
    for (image, revision) in [("web:2", "2"), ("web:1", "3")] {
        cluster
            .patch("apps/v1", "Deployment", "default", "web", json!({ "spec": { "template": template(image) } }))
            .await;
        cluster.eventually("the image is out", || is_rolled_out(&cluster, 4)).await;
        let web = cluster.get("apps/v1", "Deployment", "default", "web").await;
        assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], revision);
        let pods = cluster.list("v1", "Pod", "default").await;
        let images: Vec<_> =
            pods.iter().map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default()).collect();
        assert_eq!(images, vec![image; 4]);
    }
    let sets = cluster.list("apps/v1", "ReplicaSet", "default").await;
    assert_eq!(sets.len(), 2, "the first template is used again");
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_replicas_are_made_once_and_removed_again() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("apps/v1", "Deployment", deployment(0, "web:1")).await;
    cluster.patch("apps/v1", "Deployment", "default", "web", json!({ "spec": { "replicas": 1000 } })).await;
    cluster.eventually("a thousand are available", || is_rolled_out(&cluster, 1000)).await;
    assert_eq!(cluster.list("v1", "Pod", "default").await.len(), 1000);
    cluster.patch("apps/v1", "Deployment", "default", "web", json!({ "spec": { "replicas": 10 } })).await;
    cluster
        .eventually("ten are left", || async {
            is_rolled_out(&cluster, 10).await && cluster.list("v1", "Pod", "default").await.len() == 10
        })
        .await;
    cluster.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_does_not_come_forward_says_so_when_its_deadline_has_passed() {
    let cluster = Cluster::start().await;
    let mut stuck = deployment(2, "web:1");
    stuck["spec"]["progressDeadlineSeconds"] = json!(60);
    cluster.apply("apps/v1", "Deployment", stuck).await;
    cluster
        .eventually("the deadline is missed", || async {
            let web = cluster.get("apps/v1", "Deployment", "default", "web").await;
            condition(&web, "Progressing") == "False ProgressDeadlineExceeded"
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn recreate_starts_the_new_pods_after_the_last_old_one_is_gone() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    let mut web = deployment(3, "web:1");
    web["spec"]["strategy"] = json!({ "type": "Recreate" });
    cluster.apply("apps/v1", "Deployment", web).await;
    cluster.eventually("the first image is out", || is_rolled_out(&cluster, 3)).await;
    let template = deployment(3, "web:2")["spec"]["template"].clone();
    cluster.patch("apps/v1", "Deployment", "default", "web", json!({ "spec": { "template": template } })).await;
    cluster
        .eventually("the second image is out", || async {
            let pods = cluster.list("v1", "Pod", "default").await;
            let has = |image: &str| pods.iter().any(|pod| pod["spec"]["containers"][0]["image"] == image);
            assert!(!(has("web:1") && has("web:2")), "both at once");
            !has("web:1") && is_rolled_out(&cluster, 3).await
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_somebody_deletes_is_replaced_and_an_orphan_is_adopted() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("apps/v1", "Deployment", deployment(2, "web:1")).await;
    cluster.eventually("two are available", || is_rolled_out(&cluster, 2)).await;
    let pods = cluster.list("v1", "Pod", "default").await;
    let (lost, freed) = (&pods[0]["metadata"], &pods[1]["metadata"]);
    let api = cluster.api("v1", "Pod", "default");
    api.delete(lost["name"].as_str().expect("named"), &Default::default()).await.expect("it is there");
    cluster
        .patch(
            "v1",
            "Pod",
            "default",
            freed["name"].as_str().expect("named"),
            json!({ "metadata": { "ownerReferences": null } }),
        )
        .await;
    cluster
        .eventually("two are available again, the orphan among them", || async {
            let pods = cluster.list("v1", "Pod", "default").await;
            let owned = pods.iter().all(|pod| pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet");
            let orphan = pods.iter().any(|pod| pod["metadata"]["uid"] == freed["uid"]);
            pods.len() == 2 && owned && orphan && is_rolled_out(&cluster, 2).await
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_says_how_many_may_go_and_an_eviction_spends_it() {
    let cluster = Cluster::start().await;
    let _kubelet = cluster.kubelet("Succeeded");
    cluster.apply("apps/v1", "Deployment", deployment(3, "web:1")).await;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "web", "namespace": "default" },
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    cluster.apply("policy/v1", "PodDisruptionBudget", budget).await;
    let status = || async { cluster.get("policy/v1", "PodDisruptionBudget", "default", "web").await["status"].clone() };
    let is = |expected: i64, desired: i64, healthy: i64, allowed: i64| {
        let status = &status;
        async move {
            let status = status().await;
            let counts = ["/expectedPods", "/desiredHealthy", "/currentHealthy", "/disruptionsAllowed"];
            counts.map(|count| number(&status, count)) == [expected, desired, healthy, allowed]
        }
    };
    cluster.eventually("one of three may go", || is(3, 2, 3, 1)).await;
    cluster.assert_settled().await;
    let pods = cluster.list("v1", "Pod", "default").await;
    let evict = async |pod: &Value| {
        let name = pod["metadata"]["name"].as_str().expect("it has one");
        let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
        let api = cluster.api("v1", "Pod", "default");
        let answer: Result<Value, _> = api.create_subresource("eviction", name, &Default::default(), &eviction).await;
        answer.map(|_| ()).map_err(|failure| sampan_client::error::status(&failure).map_or(0, |status| status.code))
    };
    assert_eq!(evict(&pods[0]).await, Ok(()));
    assert_eq!(evict(&pods[1]).await, Err(429));
    cluster.eventually("its successor is healthy", || is(3, 2, 3, 1)).await;
    assert!(status().await["disruptedPods"].is_null());
    cluster.assert_settled().await;
}
