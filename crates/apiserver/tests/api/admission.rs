//! Admission through HTTP: what a client is told, and what holds when many write at once.

use expect_test::expect;
use serde_json::{Value, json};

use crate::harness::Cluster;

async fn cluster() -> Cluster {
    let cluster = Cluster::start().await;
    let account = json!({"metadata": {"name": "default"}});
    cluster.create("/api/v1/namespaces/default/serviceaccounts", account).await;
    cluster
}

fn pod(name: &str, security: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "securityContext": security}]}})
}

#[tokio::test]
async fn pod_security_refuses_and_warns() {
    let cluster = cluster().await;
    let path = "/api/v1/namespaces/default/pods";
    let refused = cluster.ask(&format!("POST {path}\n\n{}", pod("p", json!({"privileged": true})))).await;
    expect![[r#"403 Forbidden pods "p" is forbidden: violates PodSecurity "baseline:latest": privileged (container "c" must not set securityContext.privileged=true)"#]].assert_eq(&refused.failure());
    let warned = cluster.ask(&format!("POST {path}\n\n{}", pod("p", json!({})))).await;
    assert_eq!(warned.code, 201);
    expect![[r#"299 - "would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")""#]].assert_eq(&warned.warnings().join("\n"));
    let strict = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let patched = cluster
        .ask(&format!("PATCH /api/v1/namespaces/default\nContent-Type: application/merge-patch+json\n\n{strict}"))
        .await;
    expect![[r#"
        299 - "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"restricted:latest\""
        299 - "p: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile""#]].assert_eq(&patched.warnings().join("\n"));
}

#[tokio::test]
async fn a_claim_gets_its_class_and_its_protection() {
    let cluster = cluster().await;
    let class = json!({"metadata": {"name": "disk", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "d"});
    cluster.create("/apis/storage.k8s.io/v1/storageclasses", class).await;
    let claim = json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let claim = cluster.create("/api/v1/namespaces/default/persistentvolumeclaims", claim).await;
    assert_eq!(claim["spec"]["storageClassName"], "disk");
    assert_eq!(claim["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
}

#[tokio::test]
async fn a_quota_holds_when_many_write_at_once() {
    let cluster = cluster().await;
    let path = "/api/v1/namespaces/default";
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "5"}}});
    let made = cluster.ask(&format!("POST {path}/resourcequotas\n\n{quota}")).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let status = json!({"status": {"hard": {"configmaps": "5"}, "used": {"configmaps": "0"}}});
    let request =
        format!("PATCH {path}/resourcequotas/q/status\nContent-Type: application/merge-patch+json\n\n{status}");
    assert_eq!(cluster.ask(&request).await.code, 200);
    let requests: Vec<String> = (0..20)
        .map(|at| format!("POST {path}/configmaps\n\n{}", json!({"metadata": {"name": format!("c{at}")}})))
        .collect();
    let answers = futures::future::join_all(requests.iter().map(|request| cluster.ask(request))).await;
    let told: Vec<String> = answers.iter().map(|answer| format!("{} {}", answer.code, answer.text())).collect();
    assert_eq!(answers.iter().filter(|answer| answer.code == 201).count(), 5, "{told:#?}");
    assert!(answers.iter().all(|answer| [201, 403].contains(&answer.code)), "{told:#?}");
    let quota = cluster.ask(&format!("GET {path}/resourcequotas/q")).await.json();
    assert_eq!(quota["status"]["used"]["configmaps"], "5");
}
