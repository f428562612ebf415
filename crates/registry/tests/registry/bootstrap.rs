use sampan_api::request::Lister;
use sampan_meta::GroupResource;
use sampan_registry::ListOptions;
use serde_json::json;

use crate::cluster::{Cluster, names};

#[tokio::test]
async fn every_cluster_has_its_namespaces_and_priority_classes_once() {
    let cluster = Cluster::new().await;
    let again = cluster.another().await;
    let namespaces = again.list(&again.at("namespaces", "", ""), &ListOptions::default()).await.unwrap();
    assert_eq!(names(&namespaces.objects), ["default", "kube-node-lease", "kube-public", "kube-system"]);
    let classes = again.list(&again.at("scheduling/priorityclasses", "", ""), &ListOptions::default()).await.unwrap();
    assert_eq!(names(&classes.objects), ["system-cluster-critical", "system-node-critical"]);
    let default = cluster.get(&cluster.at("namespaces", "", "default")).await.unwrap();
    assert_eq!(default["spec"], json!({"finalizers": ["kubernetes"]}));
    assert_eq!(default["status"], json!({"phase": "Active"}));
    assert_eq!(default["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "default"}));
}

#[tokio::test]
async fn every_served_kind_is_in_the_schema_and_has_a_table() {
    let cluster = Cluster::new().await;
    for resource in cluster.registry.resources() {
        assert!(sampan_api::schema().get(resource.type_name).is_some(), "{}", resource.type_name);
        let row = resource.strategy().row(&json!({"metadata": {"name": "x"}}), jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(row.len(), resource.strategy().columns().len(), "{}", resource.names.kind);
        assert!(resource.verbs.is_sorted() && resource.subresources.is_sorted_by_key(|subresource| subresource.name));
    }
}

#[tokio::test]
async fn the_lister_reads_what_was_written_and_tells_when_it_changes() {
    let cluster = Cluster::new().await;
    let (maps, namespaces) = (GroupResource::new("", "configmaps"), GroupResource::new("", "namespaces"));
    let lister: &dyn Lister = &*cluster.registry;
    let before = lister.version(&maps);
    cluster.config_map("a", json!({})).await;
    assert!(lister.version(&maps) > before);
    assert_eq!(lister.get(&maps, "default", "a").unwrap()["data"]["key"], "value");
    assert_eq!(lister.list(&maps, Some("kube-system")).len(), 0);
    assert_eq!(lister.list(&namespaces, None).len(), 4);
    assert!(lister.get(&GroupResource::new("x", "y"), "", "a").is_none());
}

#[tokio::test]
async fn objects_encode_to_protobuf_once() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let place = cluster.at("configmaps", "default", "a");
    let object = cluster.registry.get(&place.context(), &place.resource, "").await.unwrap();
    let bytes = object.protobuf().unwrap();
    assert_eq!(bytes.as_ptr(), object.protobuf().unwrap().as_ptr());
    let decoded = sampan_meta::protobuf::decode_object(sampan_api::schema(), &bytes).unwrap();
    assert_eq!(decoded, object.value());
}
