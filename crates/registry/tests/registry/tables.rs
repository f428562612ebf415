//! Rows as `kubectl get -o wide` prints them.

use expect_test::{Expect, expect};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::Cluster;

mod pods;

/// The moment of all rows, ten minutes after the objects were made.
fn now() -> Timestamp {
    "2026-01-02T03:14:05Z".parse().unwrap()
}

fn shown(cells: &[Value]) -> String {
    let text = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    cells.iter().map(text).collect::<Vec<_>>().join(" | ")
}

pub(crate) async fn check(path: &str, objects: &[Value], expected: Expect) {
    let cluster = Cluster::new().await;
    let place = cluster.at(path, "", "");
    let strategy = place.resource.strategy();
    let heads: Vec<Value> = strategy.columns().iter().map(|column| column.name.as_str().into()).collect();
    let mut lines = vec![shown(&heads)];
    for object in objects {
        let mut object = object.clone();
        object["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05Z".into();
        lines.push(shown(&strategy.row(&object, now())));
    }
    expected.assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn services() {
    let service = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": spec});
    let rows = [
        service(
            "web",
            json!({"type": "NodePort", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "selector": {"app": "web"},
            "ports": [{"port": 80, "nodePort": 30001, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}),
        ),
        service("out", json!({"type": "ExternalName", "externalName": "example.com"})),
        service(
            "balanced",
            json!({"type": "LoadBalancer", "clusterIP": "10.0.0.2", "ports": [{"port": 80, "protocol": "TCP"}]}),
        ),
        service("headless", json!({"type": "ClusterIP", "clusterIP": "None", "externalIPs": ["1.2.3.4"]})),
    ];
    check(
        "services",
        &rows,
        expect![[r#"
            Name | Type | Cluster-IP | External-IP | Port(s) | Age | Selector
            web | NodePort | 10.0.0.1 | <none> | 80:30001/TCP,53/UDP | 10m | app=web
            out | ExternalName | <none> | example.com | <none> | 10m | <none>
            balanced | LoadBalancer | 10.0.0.2 | <pending> | 80/TCP | 10m | <none>
            headless | ClusterIP | None | 1.2.3.4 | <none> | 10m | <none>"#]],
    )
    .await;
}

#[tokio::test]
async fn workloads() {
    let template = json!({"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}});
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template});
    let status = json!({"replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1});
    let workload = json!({"metadata": {"name": "web"}, "spec": spec, "status": status});
    check(
        "apps/deployments",
        std::slice::from_ref(&workload),
        expect![[r#"
        Name | Ready | Up-to-date | Available | Age | Containers | Images | Selector
        web | 2/3 | 3 | 1 | 10m | a,b | i:1,j:2 | app=web"#]],
    )
    .await;
    check(
        "apps/replicasets",
        &[workload],
        expect![[r#"
        Name | Desired | Current | Ready | Age | Containers | Images | Selector
        web | 3 | 3 | 2 | 10m | a,b | i:1,j:2 | app=web"#]],
    )
    .await;
    let job =
        |name: &str, spec: Value, status: Value| json!({"metadata": {"name": name}, "spec": spec, "status": status});
    let complete = json!({"succeeded": 1, "startTime": "2026-01-02T03:04:05Z", "completionTime": "2026-01-02T03:04:17Z",
        "conditions": [{"type": "Complete", "status": "True"}]});
    check(
        "batch/jobs",
        &[
            job("done", json!({"completions": 1}), complete),
            job("busy", json!({"parallelism": 2}), json!({"startTime": "2026-01-02T03:13:05Z"})),
            job("new", json!({"suspend": true}), json!({"conditions": [{"type": "Suspended", "status": "True"}]})),
        ],
        expect![[r#"
            Name | Status | Completions | Duration | Age | Containers | Images | Selector
            done | Complete | 1/1 | 12s | 10m |  |  | <none>
            busy | Running | 0/1 of 2 | 60s | 10m |  |  | <none>
            new | Suspended | 0/1 |  | 10m |  |  | <none>"#]],
    )
    .await;
    let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u", "controller": true}]);
    let revision = json!({"metadata": {"name": "web-1", "ownerReferences": owner}, "revision": 1});
    check(
        "apps/controllerrevisions",
        &[revision],
        expect![[r#"
        Name | Controller | Revision | Age
        web-1 | deployment.apps/web | 1 | 10m"#]],
    )
    .await;
}

#[tokio::test]
async fn nodes_and_events() {
    let node = json!({"metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "edge"}},
        "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian", "kernelVersion": "6.1", "containerRuntimeVersion": "wasmtime://48"}}});
    let lost = json!({"metadata": {"name": "n2"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
    check("nodes", &[node, lost, json!({"metadata": {"name": "n3"}})], expect![[r#"
        Name | Status | Roles | Age | Version | Internal-IP | External-IP | OS-Image | Kernel-Version | Container-Runtime
        n1 | Ready,SchedulingDisabled | control-plane,edge | 10m | v1.36.0 | 127.0.0.1 | <none> | Debian | 6.1 | wasmtime://48
        n2 | NotReady | <none> | 10m |  | <none> | <none> | <unknown> | <unknown> | <unknown>
        n3 | Unknown | <none> | 10m |  | <none> | <none> | <unknown> | <unknown> | <unknown>"#]]).await;
    let old = json!({"metadata": {"name": "e1"}, "type": "Normal", "reason": "Pulled", "message": "there ", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"}, "source": {"component": "node", "host": "n1"},
        "firstTimestamp": "2026-01-02T03:09:05Z", "lastTimestamp": "2026-01-02T03:13:05Z"});
    let new = json!({"metadata": {"name": "e2"}, "type": "Warning", "reason": "Failed", "message": "m",
        "involvedObject": {"kind": "Job", "name": "j"}, "reportingComponent": "job-controller", "eventTime": "2026-01-02T03:14:00Z"});
    check(
        "events",
        &[old, new],
        expect![[r#"
        Last Seen | Type | Reason | Object | Subobject | Source | Message | First Seen | Count | Name
        60s | Normal | Pulled | pod/p | spec.containers{a} | node, n1 | there | 5m | 3 | e1
        5s | Warning | Failed | job/j |  | job-controller | m | 5s | 1 | e2"#]],
    )
    .await;
}

#[tokio::test]
async fn network_and_configuration() {
    let address = |ip: String| json!({"ip": ip});
    let many: Vec<Value> = (1..=5).map(|at| address(format!("10.0.0.{at}"))).collect();
    let endpoints = json!({"metadata": {"name": "web"}, "subsets": [{"addresses": many, "ports": [{"port": 80}]}]});
    check(
        "endpoints",
        &[endpoints, json!({"metadata": {"name": "none"}})],
        expect![[r#"
        Name | Endpoints | Age
        web | 10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more... | 10m
        none | <none> | 10m"#]],
    )
    .await;
    let slice = json!({"metadata": {"name": "web-x"}, "addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]});
    check(
        "discovery/endpointslices",
        &[slice, json!({"metadata": {"name": "none"}, "addressType": "IPv6"})],
        expect![[r#"
        Name | AddressType | Ports | Endpoints | Age
        web-x | IPv4 | 80 | 10.0.0.1 | 10m
        none | IPv6 | <unset> | <unset> | 10m"#]],
    )
    .await;
    check(
        "configmaps",
        &[json!({"metadata": {"name": "c"}, "data": {"a": "", "b": ""}, "binaryData": {"c": ""}})],
        expect![[r#"
        Name | Data | Age
        c | 3 | 10m"#]],
    )
    .await;
    check(
        "secrets",
        &[json!({"metadata": {"name": "s"}, "type": "Opaque", "data": {"a": ""}})],
        expect![[r#"
        Name | Type | Data | Age
        s | Opaque | 1 | 10m"#]],
    )
    .await;
    check(
        "coordination/leases",
        &[json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}})],
        expect![[r#"
        Name | Holder | Age
        l | me | 10m"#]],
    )
    .await;
}

#[tokio::test]
async fn access_and_scheduling() {
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [
        {"kind": "User", "name": "ann"}, {"kind": "User", "name": "bob"}, {"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]});
    check(
        "rbac/rolebindings",
        &[binding],
        expect![[r#"
        Name | Role | Age | Users | Groups | ServiceAccounts
        b | ClusterRole/view | 10m | ann, bob | g | n/s"#]],
    )
    .await;
    check(
        "rbac/clusterroles",
        &[json!({"metadata": {"name": "r"}})],
        expect![[r#"
        Name | Created At
        r | 2026-01-02T03:04:05Z"#]],
    )
    .await;
    let class = json!({"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"});
    check(
        "scheduling/priorityclasses",
        &[class],
        expect![[r#"
        Name | Value | Global-Default | Age | PreemptionPolicy
        high | 1000 | false | 10m | Never"#]],
    )
    .await;
    let request = json!({"metadata": {"name": "r"}, "spec": {"signerName": "a/b", "username": "ann", "expirationSeconds": 3600},
        "status": {"certificate": "x", "conditions": [{"type": "Approved"}]}});
    check(
        "certificates/certificatesigningrequests",
        &[request],
        expect![[r#"
        Name | Age | SignerName | Requestor | RequestedDuration | Condition
        r | 10m | a/b | ann | 60m | Approved,Issued"#]],
    )
    .await;
}
