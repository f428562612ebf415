use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn check_json(text: &str, paths: Expect) {
    let value: Value = serde_json::from_str(text).unwrap();
    match FieldSet::from_json(&value) {
        Ok(set) => {
            paths.assert_eq(&set.to_string());
            assert_eq!(set.to_json(), value, "back again");
            let mut written = String::new();
            write_fields_v1(&value, &mut written);
            assert_eq!(written, text, "in upstream's order");
        }
        Err(error) => paths.assert_eq(&format!("error: {error}")),
    }
}

#[test]
fn a_set_is_read_from_json_and_written_in_upstreams_order() {
    check_json("{}", expect![""]);
    check_json(
        r#"{"f:a":{"f:b":{}},"f:c":{}}"#,
        expect![[r#"
        .c
        .a.b"#]],
    );
    check_json(
        r#"{"f:a":{".":{},"f:b":{}}}"#,
        expect![[r#"
        .a
        .a.b"#]],
    );
    check_json(
        r#"{"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}},"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{}}}"#,
        expect![[r#"
            .ports[containerPort=80,protocol="TCP"]
            .ports[containerPort=443,protocol="TCP"]
            .ports[containerPort=80,protocol="TCP"].containerPort"#]],
    );
    check_json(
        r#"{"f:values":{"v:2":{},"v:10":{},"v:1.5e+300":{},"v:\"a\\\"b\"":{},"v:true":{},"i:3":{}}}"#,
        expect![[r#"
            .values[=2]
            .values[=10]
            .values[=1.5e+300]
            .values[="a\"b"]
            .values[=true]
            .values[3]"#]],
    );
}

#[test]
fn what_is_no_set_is_refused_and_what_is_of_the_future_left_out() {
    let check = |value: Value, expected: Expect| match FieldSet::from_json(&value) {
        Ok(set) => expected.assert_eq(&format!("{set}")),
        Err(error) => expected.assert_eq(&format!("error: {error}")),
    };
    check(json!([]), expect!["error: fieldsV1 must hold objects only"]);
    check(json!({"f:a": 1}), expect!["error: fieldsV1 must hold objects only"]);
    check(json!({"a": {}}), expect![[r#"error: parsing key "a" as path element: key must be 2 characters long:"#]]);
    check(json!({"spec": {}}), expect![[r#"error: parsing key "spec" as path element: missing colon: spec"#]]);
    check(
        json!({"k:{": {}}),
        expect![[r#"error: parsing key "k:{" as path element: EOF while parsing an object at line 1 column 1"#]],
    );
    check(json!({"i:x": {}}), expect![[r#"error: parsing key "i:x" as path element: invalid index "x""#]]);
    check(json!({"z:new": {"f:x": {}}, "f:a": {}}), expect![".a"]);
}

#[test]
fn numbers_are_told_apart_by_value() {
    let (one, other) = (json!({"k:{\"p\":80.0}": {}}), json!({"k:{\"p\":80}": {}}));
    assert_eq!(set(&one), set(&other));
}

#[test]
fn sets_are_joined_and_cut() {
    let (a, b) =
        (json!({"f:x": {"f:y": {}, "f:z": {}}, "f:only": {}}), json!({"f:x": {".": {}, "f:y": {}}, "f:other": {}}));
    let (a, b) = (set(&a), set(&b));
    let check = |found: FieldSet<'_>, expected: Expect| expected.assert_eq(&found.to_json().to_string());
    check(a.union(&b), expect![[r#"{"f:only":{},"f:other":{},"f:x":{".":{},"f:y":{},"f:z":{}}}"#]]);
    check(a.intersection(&b), expect![[r#"{"f:x":{"f:y":{}}}"#]]);
    check(a.difference(&b), expect![[r#"{"f:only":{},"f:x":{"f:z":{}}}"#]]);
    check(b.difference(&a), expect![[r#"{"f:other":{},"f:x":{}}"#]]);
    check(a.recursive_difference(&b), expect![[r#"{"f:only":{}}"#]]);
    check(b.leaves(), expect![[r#"{"f:other":{},"f:x":{"f:y":{}}}"#]]);
    assert_eq!((a.len(), b.len()), (3, 3));
    assert!(a.has(&[PathElement::field("x"), PathElement::field("y")]));
    assert!(!a.has(&[PathElement::field("x")]) && b.has(&[PathElement::field("x")]) && !a.has(&[]));
}

#[test]
fn a_configuration_mentions_leaves_list_elements_and_map_entries() {
    let config = json!({"metadata": {"labels": {"a": "b"}, "finalizers": ["f"]}, "spec": {
        "containers": [{"name": "c", "args": ["x"], "ports": [{"containerPort": 80}]}, {"name": "b", "env": []}],
        "selector": {"matchLabels": {"k": "v"}}, "strategy": {}, "replicas": null, "values": [1, 2]}});
    expect![[r#"
        .metadata.finalizers[="f"]
        .metadata.labels.a
        .spec.replicas
        .spec.selector
        .spec.strategy
        .spec.values
        .spec.containers[name="b"]
        .spec.containers[name="c"]
        .spec.containers[name="b"].name
        .spec.containers[name="c"].args
        .spec.containers[name="c"].name
        .spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]
        .spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].containerPort"#]]
    .assert_eq(&fields(&config));
}

#[test]
fn without_a_schema_objects_are_granular_and_lists_atomic() {
    let config = json!({"a": {"b": {"c": 1}, "d": null, "e": {}}, "list": [{"x": 1}]});
    expect![[r#"
        .a
        .list
        .a.b
        .a.d
        .a.e
        .a.b.c"#]]
    .assert_eq(&mentioned(Typed::deduced(), &config).to_string());
}

#[test]
fn sets_written_under_another_schema_become_what_the_present_one_owns() {
    let granular =
        json!({"f:spec": {"f:selector": {"f:matchLabels": {"f:a": {}}}, "f:values": {"v:1": {}}, "f:replicas": {}}});
    expect![[r#"{"f:spec":{"f:replicas":{},"f:selector":{},"f:values":{}}}"#]]
        .assert_eq(&FieldSet::from_json_typed(&granular, widget()).unwrap().to_json().to_string());
}
