//! The API extended by servers of others, under real kubectl: conversion webhooks and aggregated APIs.

use sampan_e2e::{Asked, Cluster, Extension};
use serde_json::{Value, json};

/// `v1` has `spec.place` as one text, `v2` has its host and port.
fn convert(asked: &Asked) -> (u16, Value) {
    let request = &asked.body["request"];
    let convert = |door: &Value| {
        let mut door = door.clone();
        door["apiVersion"] = request["desiredAPIVersion"].clone();
        let spec = door["spec"].as_object_mut().expect("a door has a spec");
        if let Some(place) = spec.remove("place") {
            let (host, port) = place.as_str().and_then(|place| place.split_once(':')).expect("a place is host:port");
            spec.insert("host".to_owned(), host.into());
            spec.insert("port".to_owned(), port.into());
        } else {
            let text =
                |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
            let place = format!("{}:{}", text(spec.remove("host")), text(spec.remove("port")));
            spec.insert("place".to_owned(), place.into());
        }
        door
    };
    let converted: Vec<Value> =
        request["objects"].as_array().expect("it is asked about objects").iter().map(convert).collect();
    let response = json!({"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted});
    (200, json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response}))
}

fn doors(webhook: &Extension) -> String {
    let text = json!({"type": "string"});
    let version = |name: &str, storage: bool, spec: Value, column: &str| {
        json!({"name": name, "served": true, "storage": storage,
            "additionalPrinterColumns": [{"name": "Where", "type": "string", "jsonPath": column}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}}})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "doors.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "doors", "singular": "door", "kind": "Door"},
            "versions": [
                version("v1", true, json!({"place": text}), ".spec.place"),
                version("v2", false, json!({"host": text, "port": text}), ".spec.host")],
            "conversion": {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
                "clientConfig": {"url": format!("https://{}/convert", webhook.address()), "caBundle": webhook.bundle()}}}}})
    .to_string()
}

#[test]
fn a_webhook_converts_between_the_versions_of_a_custom_kind() {
    let webhook = Extension::start(&["127.0.0.1"], None, convert);
    let cluster = Cluster::start();
    cluster.apply(&doors(&webhook)).ok();
    cluster.kubectl("wait crd/doors.example.com --for=condition=Established --timeout=20s").ok();
    let door = |version: &str, spec: Value| {
        json!({"apiVersion": format!("example.com/{version}"), "kind": "Door", "metadata": {"name": "front"}, "spec": spec}).to_string()
    };
    assert!(cluster.apply(&door("v1", json!({"place": "x:1"}))).ok().contains("door.example.com/front created"));
    assert_eq!(cluster.field("doors.v1.example.com front", "{.spec.place}"), "x:1");
    assert_eq!(cluster.field("doors.v2.example.com front", "{.spec.host} {.spec.port}"), "x 1");
    let table = cluster.kubectl("get doors.v2.example.com").ok();
    assert!(table.contains("WHERE") && table.lines().any(|line| line.split_whitespace().eq(["front", "x"])), "{table}");
    let applied = door("v2", json!({"host": "y", "port": "2"}));
    cluster.kubectl_with_input("apply --server-side --force-conflicts -f -", &applied).ok();
    assert_eq!(cluster.field("doors.v1.example.com front", "{.spec.place}"), "y:2");
    cluster
        .kubectl_with(&["patch", "doors.v1.example.com", "front", "--type=merge", "-p", r#"{"spec":{"place":"z:3"}}"#])
        .ok();
    assert_eq!(cluster.field("doors.v2.example.com front", "{.spec.host} {.spec.port}"), "z 3");
    drop(webhook);
    let failed = cluster.kubectl("get doors.v2.example.com front");
    assert!(
        failed.stderr.contains("conversion webhook for example.com/v1, Kind=Door failed: Post"),
        "{}",
        failed.stderr
    );
    cluster.kubectl("delete crd doors.example.com --timeout=20s").ok();
}

/// A zoo with one lion, whose description says who looks at it.
fn zoo(asked: &Asked) -> (u16, Value) {
    let lion = || {
        json!({"apiVersion": "zoo.example.com/v1", "kind": "Lion", "metadata": {"name": "leo", "namespace": "default",
            "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {"user": asked.header("x-remote-user").join(","),
                "groups": asked.header("x-remote-group").join(","), "credentials": asked.header("authorization").join(",")}}})
    };
    match asked.path.as_str() {
        "/apis/zoo.example.com/v1" => (
            200,
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "zoo.example.com/v1", "resources": [
                {"name": "lions", "singularName": "lion", "namespaced": true, "kind": "Lion", "verbs": ["get", "list"],
                    "shortNames": ["ln"]}]}),
        ),
        "/apis/zoo.example.com/v1/namespaces/default/lions" => {
            (200, json!({"apiVersion": "zoo.example.com/v1", "kind": "LionList", "metadata": {}, "items": [lion()]}))
        }
        "/apis/zoo.example.com/v1/namespaces/default/lions/leo" => (200, lion()),
        _ => (
            404,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404,
                "message": "no such animal"}),
        ),
    }
}

#[test]
fn an_extension_server_is_part_of_the_api() {
    let cluster = Cluster::start();
    let authority = "configmap extension-apiserver-authentication -n kube-system";
    let front_proxy = cluster.field(authority, "{.data.requestheader-client-ca-file}");
    assert_eq!(cluster.field(authority, "{.data.requestheader-allowed-names}"), r#"["front-proxy-client"]"#);
    let server = Extension::start(&["zoo.default.svc"], Some(&front_proxy), zoo);
    cluster
        .apply(&format!(
            "apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.zoo.example.com}}
spec:
  group: zoo.example.com
  version: v1
  groupPriorityMinimum: 2000
  versionPriority: 10
  service: {{namespace: default, name: zoo}}
  caBundle: {}
",
            server.bundle()
        ))
        .ok();
    cluster.kubectl("wait apiservice/v1.zoo.example.com --for=condition=Available=False --timeout=20s").ok();
    let listed = cluster.kubectl("get apiservice v1.zoo.example.com").ok();
    assert!(listed.contains("default/zoo") && listed.contains("False (ServiceNotFound)"), "{listed}");
    let refused = cluster.kubectl("get --raw /apis/zoo.example.com/v1/namespaces/default/lions");
    assert!(refused.stderr.contains("the server is currently unable to handle the request"), "{}", refused.stderr);
    cluster
        .apply(&format!(
            "apiVersion: v1
kind: Service
metadata: {{name: zoo}}
spec: {{ports: [{{name: https, port: 443}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: zoo-1, labels: {{kubernetes.io/service-name: zoo}}}}
addressType: IPv4
ports: [{{name: https, port: {}, protocol: TCP}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
",
            server.address().port()
        ))
        .ok();
    cluster.kubectl("wait apiservice/v1.zoo.example.com --for=condition=Available --timeout=20s").ok();
    let lions = cluster.kubectl("get lions").ok();
    assert!(lions.lines().any(|line| line.starts_with("leo")), "{lions}");
    let who = "{.metadata.annotations.user} {.metadata.annotations.groups} [{.metadata.annotations.credentials}]";
    assert_eq!(cluster.field("ln leo", who), "kubernetes-admin system:masters,system:authenticated []");
    let missing = cluster.kubectl("get lion simba");
    assert!(missing.stderr.contains("no such animal"), "{}", missing.stderr);
    assert!(cluster.kubectl("api-resources").ok().contains("zoo.example.com/v1"));
    let local = cluster.kubectl("get apiservice v1.apps").ok();
    assert!(local.contains("Local") && local.contains("True"), "{local}");
    cluster.kubectl("delete apiservice v1.zoo.example.com").ok();
    assert!(!cluster.kubectl("get --raw /apis/zoo.example.com/v1").success);
}
