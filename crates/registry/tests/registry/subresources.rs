use expect_test::expect;
use sampan_registry::PatchKind;
use serde_json::json;

use crate::cluster::{Cluster, deployment, refusal, version};

#[tokio::test]
async fn a_binding_puts_a_pod_on_a_node_once() {
    let cluster = Cluster::new().await;
    let bound = cluster.pod("p", "n1").await;
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["metadata"]["generation"], 1);
    assert_eq!(
        bound["status"]["conditions"][0],
        json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"})
    );
    let place = cluster.at("pods", "default", "p").subresource("binding");
    let again = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n2"}});
    expect![[
        r#"409 Conflict: Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1""#
    ]]
    .assert_eq(&refusal(cluster.create(&place, again).await));
    expect![[r#"422 Invalid: Binding "p" is invalid: target.name: Required value"#]]
        .assert_eq(&refusal(cluster.create(&place, json!({"target": {}})).await));
    let missing = cluster.at("pods", "default", "q").subresource("binding");
    let answer = cluster.create(&missing, json!({"target": {"name": "n1"}})).await;
    expect![[r#"404 NotFound: pods "q" not found"#]].assert_eq(&refusal(answer));
}

#[tokio::test]
async fn a_binding_may_be_posted_to_bindings() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "").await;
    let binding = json!({"metadata": {"name": "p", "annotations": {"by": "me"}}, "target": {"name": "n1"}});
    let answer = cluster.create(&cluster.at("bindings", "default", ""), binding).await.unwrap();
    assert_eq!((answer["kind"].as_str(), answer["status"].as_str()), (Some("Status"), Some("Success")));
    let pod = cluster.get(&cluster.at("pods", "default", "p")).await.unwrap();
    assert_eq!(
        (pod["spec"]["nodeName"].as_str(), pod["metadata"]["annotations"]["by"].as_str()),
        (Some("n1"), Some("me"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_schedulers_wins() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "").await;
    let place = cluster.at("pods", "default", "p").subresource("binding");
    let binding = |at: usize| json!({"metadata": {"name": "p"}, "target": {"name": format!("n{at}")}});
    let outcomes = futures::future::join_all((0..8).map(|at| cluster.create(&place, binding(at)))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_eviction_says_why_and_deletes() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "n1").await;
    let pod = cluster.at("pods", "default", "p");
    let running = json!({"status": {"phase": "Running"}});
    cluster.merge(&pod.clone().subresource("status"), running).await.unwrap();
    let eviction = json!({"metadata": {"name": "p"}, "deleteOptions": {"gracePeriodSeconds": 7}});
    cluster.create(&pod.clone().subresource("eviction"), eviction).await.unwrap();
    let evicted = cluster.get(&pod).await.unwrap();
    assert_eq!(evicted["metadata"]["deletionGracePeriodSeconds"], 7);
    let conditions = evicted["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions[1]["type"], "DisruptionTarget");
    assert_eq!(conditions[1]["reason"], "EvictionByEvictionAPI");
    cluster.pod("waiting", "").await;
    let waiting = cluster.at("pods", "default", "waiting");
    cluster.create(&waiting.clone().subresource("eviction"), json!({})).await.unwrap();
    assert_eq!(cluster.get(&waiting).await.unwrap_err().code, 404);
}

#[tokio::test]
async fn a_scale_reads_and_writes_the_replicas() {
    let cluster = Cluster::new().await;
    let created = cluster.create(&cluster.at("apps/deployments", "default", ""), deployment("web")).await.unwrap();
    let place = cluster.at("apps/deployments", "default", "web").subresource("scale");
    let mut scale = cluster.get(&place).await.unwrap();
    assert_eq!((scale["apiVersion"].as_str(), scale["kind"].as_str()), (Some("autoscaling/v1"), Some("Scale")));
    assert_eq!(scale["metadata"]["uid"], created["metadata"]["uid"]);
    assert_eq!(scale["status"], json!({"replicas": 0, "selector": "app=web"}));
    scale["spec"]["replicas"] = 5.into();
    let scaled = cluster.update(&place, scale.clone()).await.unwrap();
    assert_eq!(scaled["spec"]["replicas"], 5);
    assert_ne!(version(&scaled), version(&scale));
    assert_eq!(cluster.update(&place, scale).await.unwrap_err().code, 409);
    let patched = cluster.patch(&place, PatchKind::Merge, json!({"spec": {"replicas": 2}})).await.unwrap();
    assert_eq!(patched["spec"]["replicas"], 2);
    let deployment = cluster.get(&cluster.at("apps/deployments", "default", "web")).await.unwrap();
    assert_eq!(
        (deployment["spec"]["replicas"].as_i64(), deployment["metadata"]["generation"].as_i64()),
        (Some(2), Some(3))
    );
    let negative = cluster.patch(&place, PatchKind::Merge, json!({"spec": {"replicas": -1}})).await;
    expect![[r#"422 Invalid: Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#]]
        .assert_eq(&refusal(negative));
}

#[tokio::test]
async fn a_pods_status_is_written_apart_from_its_spec() {
    let cluster = Cluster::new().await;
    let mut pod = cluster.pod("p", "n1").await;
    pod["status"] = json!({"phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}]});
    pod["spec"]["nodeName"] = "n2".into();
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]);
    let reported = cluster.update(&cluster.at("pods", "default", "p").subresource("status"), pod).await.unwrap();
    assert_eq!(reported["spec"]["nodeName"], "n1");
    assert_eq!(reported["status"]["qosClass"], "BestEffort");
    assert!(reported["metadata"].get("ownerReferences").is_none());
    assert_eq!(reported["metadata"]["generation"], 1);
}

#[tokio::test]
async fn verdicts_on_a_signing_request_come_through_approval_only() {
    let cluster = Cluster::new().await;
    let request = json!({"metadata": {"name": "r"}, "spec": {"username": "system:admin", "extra": {"a": ["b"]}, "request": "eA==", "signerName": "example.com/s", "usages": ["client auth"]}});
    let made = cluster.create(&cluster.at("certificates/certificatesigningrequests", "", ""), request).await.unwrap();
    assert_eq!(made["spec"]["username"], "tester", "nobody asks in another's name");
    assert_eq!((made["spec"]["groups"][0].as_str(), made["spec"].get("extra")), (Some("testers"), None));
    let place = cluster.at("certificates/certificatesigningrequests", "", "r");
    let approve = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "r"}]}});
    let refused = cluster.merge(&place.clone().subresource("status"), approve.clone()).await.unwrap_err();
    assert!(refused.message.contains(r#"updates may not add a condition of type "Approved""#), "{refused}");
    let approved = cluster.merge(&place.clone().subresource("approval"), approve).await.unwrap();
    assert_eq!(approved["status"]["conditions"][0]["type"], "Approved");
    assert!(approved["status"]["conditions"][0]["lastUpdateTime"].is_string(), "{approved}");
    let issued =
        cluster.merge(&place.clone().subresource("status"), json!({"status": {"certificate": "eA=="}})).await.unwrap();
    assert_eq!(issued["status"]["conditions"][0]["type"], "Approved");
    assert_eq!(issued["status"]["certificate"], "eA==");
    let reworded = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "other"}]}});
    let kept = cluster.merge(&place.clone().subresource("status"), reworded).await.unwrap();
    assert_eq!(kept["status"]["conditions"], issued["status"]["conditions"], "status does not reword a verdict");
}

#[tokio::test]
async fn approval_of_a_signing_request_takes_conditions_of_any_type_and_nothing_else() {
    let cluster = Cluster::new().await;
    let request = json!({"metadata": {"name": "r"}, "spec": {"request": "eA==", "signerName": "example.com/s", "usages": ["client auth"]}});
    cluster.create(&cluster.at("certificates/certificatesigningrequests", "", ""), request).await.unwrap();
    let approval = cluster.at("certificates/certificatesigningrequests", "", "r").subresource("approval");
    let status = json!({"conditions": [{"type": "Looked", "status": "True"}], "certificate": "eA=="});
    let looked = cluster.merge(&approval, json!({"status": status})).await.unwrap();
    assert_eq!(looked["status"]["conditions"][0]["type"], "Looked");
    assert!(looked["status"].get("certificate").is_none(), "{looked}");
}

#[tokio::test]
async fn ephemeral_containers_are_added_and_nothing_else() {
    let cluster = Cluster::new().await;
    let pod = cluster.pod("p", "n1").await;
    let place = cluster.at("pods", "default", "p");
    let debug = place.clone().subresource("ephemeralcontainers");
    let container = |name: &str, more: serde_json::Value| {
        let mut container = json!({"name": name, "image": "tools"});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        container
    };
    let of =
        |containers: Vec<serde_json::Value>| json!({"spec": {"ephemeralContainers": containers, "nodeName": "n2"}});
    let target = pod["spec"]["containers"][0]["name"].clone();
    let one = container("one", json!({"targetContainerName": target}));
    let added = cluster.merge(&debug, of(vec![one.clone()])).await.unwrap();
    assert_eq!((added["spec"]["nodeName"].as_str(), added["metadata"]["generation"].as_i64()), (Some("n1"), Some(2)));
    assert_eq!(added["spec"]["ephemeralContainers"][0]["terminationMessagePath"], "/dev/termination-log");
    let refused = async |containers| refusal(cluster.merge(&debug, of(containers)).await);
    expect![[r#"422 Invalid: Pod "p" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers "one" may not be removed
"#]]
    .assert_eq(&refused(vec![]).await);
    let changed = container("one", json!({"stdin": true}));
    expect![[r#"422 Invalid: Pod "p" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers "one" may not be changed
"#]]
    .assert_eq(&refused(vec![changed]).await);
    let wrong = container("two", json!({"targetContainerName": "nobody", "ports": [{"containerPort": 80}]}));
    expect![[r#"422 Invalid: Pod "p" is invalid: [spec.ephemeralContainers[1].targetContainerName: Not found: "nobody", spec.ephemeralContainers[1].ports: Forbidden: cannot be set for an Ephemeral Container]"#]].assert_eq(&refused(vec![one, wrong]).await);
    let whole = json!({"spec": {"ephemeralContainers": [container("three", json!({}))]}});
    assert!(refusal(cluster.merge(&place, whole).await).contains("pod updates may not change fields other than"));
}
