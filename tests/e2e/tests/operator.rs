//! An operator made with kube-rs, as its users write them: it keeps a ConfigMap for every pot and says so in the pot's status.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, ResourceExt as _};
use sampan_e2e::Cluster;
use serde_json::json;

const DEFINITION: &str = r#"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pots.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: pots, kind: Pot}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {content: {type: string}}}
          status: {type: object, properties: {kept: {type: string}}}
"#;

/// What the operator works with.
struct Operator {
    pots: Api<DynamicObject>,
    maps: Api<DynamicObject>,
    resource: ApiResource,
}

fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&kube::core::GroupVersionKind::gvk(group, "v1", kind), plural)
}

async fn reconcile(pot: Arc<DynamicObject>, operator: Arc<Operator>) -> Result<Action, kube::Error> {
    let (name, content) = (pot.name_any(), pot.data["spec"]["content"].as_str().unwrap_or_default().to_owned());
    let manager = PatchParams::apply("pots").force();
    let owner =
        json!({"apiVersion": "example.com/v1", "kind": "Pot", "name": name, "uid": pot.uid(), "controller": true});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": [owner]}, "data": {"content": content}});
    operator.maps.patch(&name, &manager, &Patch::Apply(&map)).await?;
    let status = json!({"apiVersion": "example.com/v1", "kind": "Pot", "status": {"kept": content}});
    operator.pots.patch_status(&name, &manager, &Patch::Apply(&status)).await?;
    Ok(Action::await_change())
}

async fn run(operator: Operator) {
    let (pots, maps) = (operator.pots.clone(), operator.maps.clone());
    let map = resource("", "ConfigMap", "configmaps");
    let controller =
        Controller::new_with(pots, watcher::Config::default().streaming_lists(), operator.resource.clone());
    let controller = controller.owns_with(maps, map, watcher::Config::default());
    let retry = |_: Arc<DynamicObject>, _: &kube::Error, _: Arc<Operator>| Action::requeue(Duration::from_secs(1));
    controller.run(reconcile, retry, Arc::new(operator)).for_each(|_| std::future::ready(())).await;
}

#[test]
fn an_operator_of_kube_rs_keeps_what_its_custom_resources_ask_for() {
    let cluster = Cluster::start();
    cluster.apply(DEFINITION).ok();
    cluster.kubectl("wait crd/pots.example.com --for=condition=Established --timeout=20s").ok();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let kubeconfig = Kubeconfig::read_from(cluster.data().join("kubeconfig")).expect("the cluster has written it");
    let client = runtime.block_on(async {
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        Client::try_from(config.expect("it is complete")).expect("it can be used")
    });
    let pot = resource("example.com", "Pot", "pots");
    runtime.spawn(run(Operator {
        pots: Api::default_namespaced_with(client.clone(), &pot),
        maps: Api::default_namespaced_with(client, &resource("", "ConfigMap", "configmaps")),
        resource: pot,
    }));

    let tea = "{apiVersion: example.com/v1, kind: Pot, metadata: {name: a}, spec: {content: tea}}";
    cluster.apply(tea).ok();
    cluster.wait("pot/a", "{.status.kept}", "tea");
    assert_eq!(cluster.field("configmap/a", "{.data.content}"), "tea");
    cluster.apply(&tea.replace("tea", "milk")).ok();
    cluster.wait("configmap/a", "{.data.content}", "milk");
    cluster.kubectl("delete configmap a").ok();
    cluster.until("the operator makes it again", || cluster.kubectl("get configmap a").success.then_some(()));
    cluster.kubectl("delete pot a").ok();
    cluster.kubectl("wait configmap/a --for=delete --timeout=40s").ok();
}
