//! What a user does in the first five minutes, with the unmodified kubectl and curl.

use sampan_e2e::{Cluster, curl, root, sample};

fn hello(cluster: &Cluster) {
    cluster.push("hello-http", &sample("hello-http").join("hello-http.wasm"));
    let applied =
        cluster.kubectl_with(&["apply", "-f", &sample("hello-http").join("manifest.yaml").display().to_string()]).ok();
    assert!(applied.contains("deployment.apps/hello created"), "{applied}");
    cluster.kubectl("-n hello rollout status deploy/hello --timeout=60s").ok();
}

#[test]
fn a_deployment_on_sqlite_is_applied_serves_scales_rolls_back_and_goes() {
    deployment_lives(&Cluster::start());
}

#[test]
fn a_deployment_on_postgres_is_applied_serves_scales_rolls_back_and_goes() {
    deployment_lives(&Cluster::start_on_postgres());
}

fn deployment_lives(cluster: &Cluster) {
    hello(cluster);

    let nodes = cluster.kubectl("get nodes -o wide").ok();
    assert!(nodes.contains("node-1") && nodes.contains(" Ready ") && nodes.contains("wasmtime://"), "{nodes}");
    let pods = cluster.kubectl("-n hello get pods -o wide").ok();
    assert_eq!(pods.matches("1/1     Running").count(), 3, "{pods}");
    let described = cluster.kubectl("-n hello describe pods").ok();
    assert!(
        described.contains("Successfully assigned hello/hello-") && described.contains("Started container hello"),
        "{described}"
    );

    let address = cluster.field("-n hello service hello", "{.spec.clusterIP}");
    assert!(curl([format!("http://{address}/")]).ok().contains("Hello from a Wasm pod"));
    let node = cluster.field("node node-1", "{.status.addresses[0].address}");
    let port = cluster.field("-n hello service hello", "{.spec.ports[0].nodePort}");
    assert!(curl([format!("http://{node}:{port}/")]).ok().contains("Hello from a Wasm pod"));

    let served: std::collections::BTreeSet<String> =
        (0..12).map(|_| curl([format!("http://{address}/")]).ok()).collect();
    assert_eq!(served.len(), 3, "each of the three pods answers with its name: {served:?}");

    cluster.kubectl("-n hello scale deploy/hello --replicas=20").ok();
    cluster.kubectl("-n hello rollout status deploy/hello --timeout=60s").ok();
    assert_eq!(cluster.field("-n hello deploy/hello", "{.status.readyReplicas}"), "20");

    cluster.push("hello-http-next", &sample("hello-http").join("hello-http.wasm"));
    cluster.kubectl("-n hello set image deploy/hello hello=sampan.local/hello-http-next:1").ok();
    cluster.kubectl("-n hello rollout status deploy/hello --timeout=60s").ok();
    assert_eq!(
        cluster
            .kubectl("-n hello get pods -o jsonpath={.items[*].spec.containers[0].image}")
            .ok()
            .matches("hello-http-next")
            .count(),
        20
    );
    cluster.kubectl("-n hello rollout undo deploy/hello").ok();
    cluster.kubectl("-n hello rollout status deploy/hello --timeout=60s").ok();
    assert_eq!(
        cluster.field("-n hello deploy/hello", "{.spec.template.spec.containers[0].image}"),
        "sampan.local/hello-http:1"
    );

    cluster
        .kubectl_with(&[
            "delete",
            "-f",
            &sample("hello-http").join("manifest.yaml").display().to_string(),
            "--timeout=60s",
        ])
        .ok();
    assert!(cluster.kubectl("get namespace hello").err().contains("not found"));
}

#[test]
fn kubectl_finds_its_way_about() {
    let cluster = Cluster::start();
    let resources = cluster.kubectl("api-resources").ok();
    for kind in ["pods", "deployments", "jobs", "leases", "clusterrolebindings", "runtimeclasses"] {
        assert!(resources.contains(kind), "{kind} is missing:\n{resources}");
    }
    let explained = cluster.kubectl("explain pod.spec.containers").ok();
    assert!(explained.contains("livenessProbe") && explained.contains("imagePullPolicy"), "{explained}");
    assert!(cluster.kubectl("version").ok().contains("Server Version: v1.36"));
    assert!(cluster.kubectl("auth whoami").ok().contains("system:masters"));
    assert!(
        cluster.kubectl("auth can-i list secrets --as=system:serviceaccount:default:default").stdout.contains("no")
    );
    let configured = cluster.kubectl("create configmap settings --from-literal=a=1 -o yaml").ok();
    assert!(configured.contains("resourceVersion"), "{configured}");
    cluster.kubectl("label configmap settings tier=front").ok();
    assert!(cluster.kubectl("get configmaps -l tier=front -o name").ok().contains("configmap/settings"));
    assert!(root().join("README.md").exists());
}
