use super::*;
use serde_json::json;

#[test]
fn fields_of_the_wrong_type_read_as_absent() {
    let object =
        json!({"metadata": {"name": 3, "labels": [], "generation": "x"}, "spec": {"nodeName": "", "replicas": 2}});
    assert_eq!(name(&object), "");
    assert_eq!(labels(&object), None);
    assert_eq!(generation(&object), 0);
    assert_eq!(str_at(&object, "/spec/nodeName"), None);
    assert_eq!(i64_at(&object, "/spec/replicas"), Some(2));
    assert_eq!(get(&object, &["spec", "replicas", "deeper"]), None);
}

#[test]
fn what_is_set_is_read_back() {
    let mut object = json!({"metadata": null});
    set_name(&mut object, "web");
    set_namespace(&mut object, "default");
    set_label(&mut object, "app", "");
    set_deletion_timestamp(&mut object, "2026-01-02T03:04:05.9Z".parse().unwrap());
    set_finalizers(&mut object, vec!["a/b".to_owned()]);
    assert_eq!(namespaced_name(&object).to_string(), "default/web");
    assert_eq!(label(&object, "app"), Some(""));
    assert_eq!(finalizers(&object).collect::<Vec<_>>(), ["a/b"]);
    assert_eq!(deletion_timestamp(&object), Some("2026-01-02T03:04:05Z".parse().unwrap()));
    set_finalizers(&mut object, Vec::new());
    set_namespace(&mut object, "");
    assert_eq!(object["metadata"].get("finalizers"), None);
    assert_eq!(object["metadata"].get("namespace"), None);
}

#[test]
fn the_controller_is_the_owner_marked_as_such() {
    let owner = |name: &str, controller| OwnerReference {
        api_version: "v1".into(),
        kind: "Node".into(),
        name: name.into(),
        uid: "u".into(),
        controller,
        block_owner_deletion: None,
    };
    let mut object = json!({});
    assert_eq!(controller_of(&object), None);
    set_owner_references(&mut object, &[owner("a", None), owner("b", Some(true))]);
    assert_eq!(owner_references(&object).len(), 2);
    assert_eq!(controller_of(&object).map(|owner| owner.name).as_deref(), Some("b"));
}
