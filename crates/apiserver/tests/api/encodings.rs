//! Bodies and answers in every encoding.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use sampan_meta::protobuf;
use serde_json::{Value, json};

use crate::harness::{Cluster, Reply, admin};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PATH: &str = "/api/v1/namespaces/default/configmaps";

fn encoded(type_name: &str, object: &Value) -> Bytes {
    let schema = sampan_api::schema();
    let raw = protobuf::encode(schema, schema.get(type_name).unwrap(), object).unwrap();
    let text = |name: &str| object[name].as_str().unwrap();
    protobuf::envelope::wrap(text("apiVersion"), text("kind"), &raw).into()
}

fn decoded(type_name: &str, bytes: &[u8]) -> Value {
    let schema = sampan_api::schema();
    let unknown = protobuf::envelope::unwrap(bytes).unwrap();
    let mut value = protobuf::decode(schema, schema.get(type_name).unwrap(), &unknown.raw).unwrap();
    value["apiVersion"] = unknown.api_version.into();
    value["kind"] = unknown.kind.into();
    value
}

async fn post(cluster: &Cluster, path: &str, accept: &str, body: Bytes) -> Reply {
    let request = Request::post(path).header("content-type", PROTOBUF).header("accept", accept);
    cluster.send(&admin(), request.body(Full::from(body)).unwrap()).await
}

#[tokio::test]
async fn kubectl_s_protobuf_is_read_and_answered_in_kind() {
    let cluster = Cluster::start().await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let accept = format!("{PROTOBUF},application/json");
    let reply = post(&cluster, PATH, &accept, encoded("core.v1.ConfigMap", &object)).await;
    assert_eq!((reply.code, reply.header("content-type")), (201, PROTOBUF));
    let created = decoded("core.v1.ConfigMap", &reply.body);
    assert_eq!((&created["data"]["k"], &created["kind"]), (&json!("v"), &json!("ConfigMap")));
    let json = cluster.ask(&format!("GET {PATH}/a")).await.json();
    assert_eq!(created["metadata"]["uid"], json["metadata"]["uid"]);
    assert_eq!(created["metadata"]["resourceVersion"], json["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn protobuf_that_is_broken_is_a_400_and_says_so_in_protobuf() {
    let cluster = Cluster::start().await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let whole = encoded("core.v1.ConfigMap", &object);
    for cut in [0, 3, 5, whole.len() / 2, whole.len() - 1] {
        let reply = post(&cluster, PATH, PROTOBUF, whole.slice(..cut)).await;
        assert_eq!((reply.code, reply.header("content-type")), (400, PROTOBUF), "{cut}");
        assert_eq!(decoded("apis.meta.v1.Status", &reply.body)["reason"], "BadRequest");
    }
}

#[tokio::test]
async fn a_protobuf_list_holds_every_object() {
    let cluster = Cluster::start().await;
    for index in 0..50 {
        let object = json!({"metadata": {"name": format!("c{index:02}")}, "data": {"k": "v".repeat(index * 500)}});
        cluster.create(PATH, object).await;
    }
    let reply = cluster.ask(&format!("GET {PATH}\nAccept: {PROTOBUF}")).await;
    let list = decoded("core.v1.ConfigMapList", &reply.body);
    assert_eq!((&list["kind"], list["items"].as_array().unwrap().len()), (&json!("ConfigMapList"), 50));
    let json = cluster.ask(&format!("GET {PATH}")).await;
    assert_eq!(list["metadata"]["resourceVersion"], json.json()["metadata"]["resourceVersion"]);
    assert_eq!(list["items"][49]["data"], json.json()["items"][49]["data"]);
    let metadata = format!("GET {PATH}\nAccept: {PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    let partial = decoded("apis.meta.v1.PartialObjectMetadataList", &cluster.ask(&metadata).await.body);
    assert_eq!(partial["items"][7]["metadata"]["name"], "c07");
    assert!(partial["items"][7].get("data").is_none());
}

#[tokio::test]
async fn yaml_comes_in_and_goes_out() {
    let cluster = Cluster::start().await;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: 'yes'\n";
    let reply =
        cluster.ask(&format!("POST {PATH}\nContent-Type: application/yaml\nAccept: application/yaml\n\n{yaml}")).await;
    assert_eq!((reply.code, reply.header("content-type")), (201, "application/yaml"), "{}", reply.text());
    let read: Value = serde_saphyr::from_str(&reply.text()).unwrap();
    assert_eq!((&read["data"]["k"], &read["kind"]), (&json!("yes"), &json!("ConfigMap")));
}

#[tokio::test]
async fn metadata_alone_is_cut_from_the_object() {
    let cluster = Cluster::start().await;
    cluster.create(PATH, json!({"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}})).await;
    let reply = cluster
        .ask(&format!("GET {PATH}/a\nAccept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"))
        .await
        .json();
    assert_eq!(
        (&reply["kind"], &reply["apiVersion"], &reply["metadata"]["labels"]["x"]),
        (&json!("PartialObjectMetadata"), &json!("meta.k8s.io/v1"), &json!("y"))
    );
    assert!(reply.get("data").is_none());
    let list = cluster
        .ask(&format!("GET {PATH}\nAccept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"))
        .await
        .json();
    assert_eq!(
        (&list["kind"], &list["items"][0]["kind"]),
        (&json!("PartialObjectMetadataList"), &json!("PartialObjectMetadata"))
    );
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_take_it() {
    use std::io::Read as _;
    let cluster = Cluster::start().await;
    for index in 0..30 {
        cluster
            .create(PATH, json!({"metadata": {"name": format!("c{index}")}, "data": {"k": "v".repeat(10_000)}}))
            .await;
    }
    let plain = cluster.ask(&format!("GET {PATH}")).await;
    let small = cluster.ask(&format!("GET {PATH}/c1\nAccept-Encoding: gzip")).await;
    assert_eq!((plain.header("content-encoding"), small.header("content-encoding")), ("", ""));
    let packed = cluster.ask(&format!("GET {PATH}\nAccept-Encoding: deflate, gzip")).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn people_get_indented_json() {
    let cluster = Cluster::start().await;
    cluster.create(PATH, json!({"metadata": {"name": "a"}})).await;
    let compact = cluster.ask(&format!("GET {PATH}/a")).await;
    for request in [format!("GET {PATH}/a?pretty=true"), format!("GET {PATH}/a\nUser-Agent: curl/8")] {
        let pretty = cluster.ask(&request).await;
        assert!(pretty.text().starts_with("{\n  \""), "{}", pretty.text());
        assert_eq!(pretty.json(), compact.json());
    }
    assert!(!cluster.ask(&format!("GET {PATH}/a?pretty=false\nUser-Agent: curl/8")).await.text().contains('\n'));
}
