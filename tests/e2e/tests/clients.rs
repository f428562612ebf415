//! Clients that are not kubectl: the official Python client, when it is installed.

use std::process::Command;

use sampan_e2e::{Cluster, run};

/// Where `scripts/need test` installs the Python client; another interpreter with it can be named instead.
const VARIABLE: &str = "SAMPAN_PYTHON";

const SCRIPT: &str = r#"
import os
from kubernetes import client, config, watch, dynamic
from kubernetes.client.rest import ApiException

config.load_kube_config(os.environ["KUBECONFIG"])
core, apps = client.CoreV1Api(), client.AppsV1Api()
print("version", client.VersionApi().get_code().git_version)
core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a", labels={"x": "y"}), data={"k": "1"}))
core.patch_namespaced_config_map("a", "default", {"data": {"k": "2"}})
listed = core.list_namespaced_config_map("default", label_selector="x=y")
print("listed", [(item.metadata.name, item.data["k"]) for item in listed.items])
for event in watch.Watch().stream(core.list_namespaced_config_map, "default", label_selector="x=y", timeout_seconds=5):
    print("watched", event["type"], event["object"].metadata.name)
    break
template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels={"app": "w"}), spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="i")]))
spec = client.V1DeploymentSpec(replicas=1, selector=client.V1LabelSelector(match_labels={"app": "w"}), template=template)
apps.create_namespaced_deployment("default", client.V1Deployment(metadata=client.V1ObjectMeta(name="w"), spec=spec))
apps.patch_namespaced_deployment_scale("w", "default", {"spec": {"replicas": 2}})
print("scaled", apps.read_namespaced_deployment("w", "default").spec.replicas)
try:
    core.read_namespaced_pod("none", "default")
except ApiException as error:
    print("missing", error.status, error.reason)
dynamic_client = dynamic.DynamicClient(client.ApiClient())
print("dynamic", dynamic_client.resources.get(api_version="v1", kind="ConfigMap").get(name="a", namespace="default").data.k)
core.delete_namespaced_config_map("a", "default")
"#;

#[test]
fn the_python_client_creates_patches_lists_watches_and_deletes() {
    let python = std::env::var_os(VARIABLE).unwrap_or_else(|| "/opt/sampan-python/bin/python".into());
    let has_client =
        Command::new(&python).args(["-c", "import kubernetes"]).output().is_ok_and(|output| output.status.success());
    if !has_client {
        println!(
            "skipped: {} has no package kubernetes; scripts/need test installs it, or name another in {VARIABLE}",
            python.display()
        );
        return;
    }
    let cluster = Cluster::start();
    let output =
        run(Command::new(python).args(["-c", SCRIPT]).env("KUBECONFIG", cluster.data().join("kubeconfig"))).ok();
    for expected in
        ["version v1.36", "listed [('a', '2')]", "watched ADDED a", "scaled 2", "missing 404 Not Found", "dynamic 2"]
    {
        assert!(output.contains(expected), "{expected} is not in:\n{output}");
    }
}
