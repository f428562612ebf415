use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn in_spec(spec: Value) -> Value {
    json!({"spec": spec})
}

fn check_merge(live: Value, config: Value, expected: Expect) {
    let merged = merge(widget(), &in_spec(live), &in_spec(config));
    expected.assert_eq(&merged.map_or_else(|error| format!("error: {error}"), |merged| merged["spec"].to_string()));
}

#[test]
fn leaves_are_replaced_and_objects_joined() {
    check_merge(
        json!({"replicas": 1, "suspend": true}),
        json!({"replicas": 2}),
        expect![[r#"{"replicas":2,"suspend":true}"#]],
    );
    check_merge(
        json!({"selector": {"matchLabels": {"a": "1"}}}),
        json!({"selector": {"matchLabels": {"b": "2"}}}),
        expect![[r#"{"selector":{"matchLabels":{"b":"2"}}}"#]],
    );
    check_merge(json!({"values": [1, 2]}), json!({"values": [3]}), expect![[r#"{"values":[3]}"#]]);
    check_merge(
        json!({"data": {"a": "eA=="}}),
        json!({"data": {"b": "eQ=="}}),
        expect![[r#"{"data":{"a":"eA==","b":"eQ=="}}"#]],
    );
}

#[test]
fn a_null_replaces_a_leaf_and_empties_nothing() {
    check_merge(json!({"replicas": 1}), json!({"replicas": null}), expect![[r#"{"replicas":null}"#]]);
    check_merge(json!({"data": {"a": "eA=="}}), json!({"data": null}), expect![[r#"{"data":{"a":"eA=="}}"#]]);
    check_merge(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": null}),
        expect![[r#"{"containers":[{"name":"a"}]}"#]],
    );
    check_merge(json!({"data": {}}), json!({"data": null}), expect![[r#"{"data":null}"#]]);
    check_merge(json!({}), json!({"data": {}}), expect![[r#"{"data":{}}"#]]);
}

#[test]
fn elements_are_merged_by_their_keys_with_defaults_filled_in() {
    let ports = |ports: Value| json!({"containers": [{"name": "c", "ports": ports}]});
    check_merge(
        ports(
            json!([{"containerPort": 80, "protocol": "TCP", "name": "old"}, {"containerPort": 80, "protocol": "UDP"}]),
        ),
        ports(json!([{"containerPort": 80, "name": "new"}])),
        expect![[
            r#"{"containers":[{"name":"c","ports":[{"containerPort":80,"name":"new","protocol":"TCP"},{"containerPort":80,"protocol":"UDP"}]}]}"#
        ]],
    );
    check_merge(
        json!({"containers": [{"name": "a", "image": "1"}]}),
        json!({"containers": [{"image": "2"}]}),
        expect![[
            r#"error: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields)"#
        ]],
    );
}

/// Names of the merged containers; `live` and `config` are words.
fn check_order(live: &str, config: &str, expected: &str) {
    let named = |words: &str| -> Value {
        let containers = words.split_whitespace().map(|name| json!({"name": name}));
        json!({"containers": containers.collect::<Vec<_>>()})
    };
    let merged = merge(widget(), &in_spec(named(live)), &in_spec(named(config))).unwrap();
    let names: Vec<&str> =
        merged["spec"]["containers"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names.join(" "), expected, "{live} with {config}");
}

#[test]
fn the_live_order_is_kept_where_the_configuration_has_no_other() {
    check_order("a b c", "", "a b c");
    check_order("", "b a", "b a");
    check_order("a b c", "b", "a b c");
    check_order("a b c", "a b c", "a b c");
    check_order("a b c", "c a", "b c a");
    check_order("a b", "c", "a b c");
    check_order("a b c d", "d e b", "a c d e b");
    check_order("a b", "x a y", "x a b y");
    check_order("a x b", "b a", "x b a");
}

#[test]
fn elements_that_are_alike_are_kept_until_somebody_applies_one_of_them() {
    let twice = || json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}, {"name": "a", "image": "2"}]});
    check_merge(
        twice(),
        json!({"containers": [{"name": "b", "image": "3"}]}),
        expect![[r#"{"containers":[{"image":"1","name":"a"},{"image":"3","name":"b"},{"image":"2","name":"a"}]}"#]],
    );
    check_merge(
        twice(),
        json!({"containers": [{"name": "a", "tty": true}]}),
        expect![[r#"{"containers":[{"name":"a","tty":true},{"name":"b"}]}"#]],
    );
    expect![[r#"
        .spec.containers[name="a"]
        .spec.containers[name="b"]
        .spec.containers[name="b"].name"#]]
    .assert_eq(&fields(&in_spec(twice())));
}

#[test]
fn a_configuration_is_checked_in_upstreams_words() {
    let check = |spec: Value, expected: Expect| {
        let spec = in_spec(spec);
        let checked = super::check(widget(), &spec, Duplicates::Refused);
        expected.assert_eq(&checked.map_or_else(|error| error.to_string(), |()| "fine".to_owned()));
    };
    check(
        json!({"containers": [{"name": "a"}, {"name": "b"}], "maximum": "5%", "size": 3, "replicas": null}),
        expect!["fine"],
    );
    check(
        json!({"containers": [{"name": "a"}, {"name": "a"}]}),
        expect![[r#".spec.containers: duplicate entries for key [name="a"]"#]],
    );
    check(json!({"replica": 3}), expect![".spec.replica: field not declared in schema"]);
    check(
        json!({"containers": [{"name": "a", "ports": [{"port": 1}]}]}),
        expect![[r#".spec.containers[name="a"].ports[protocol="TCP"].port: field not declared in schema"#]],
    );
    check(
        json!({"containers": [null]}),
        expect![".spec.containers: element 0: associative list with keys may not have a null element"],
    );
    check(
        json!({"containers": ["a"]}),
        expect![".spec.containers: element 0: associative list with keys may not have non-map elements"],
    );
    check(json!({"containers": {}}), expect![".spec.containers: expected list, got &{{}}"]);
    check(json!({"data": "x"}), expect![".spec.data: expected map, got &{x}"]);
    check(
        json!({"replicas": "3", "suspend": "no"}),
        expect![[r#"
        errors:
          .spec.replicas: expected numeric (int or float), got string
          .spec.suspend: expected boolean, got &{no}"#]],
    );
    check(json!({"values": [1, "x"]}), expect![".spec.values[1]: expected numeric (int or float), got string"]);
    let allowed = in_spec(json!({"containers": [{"name": "a"}, {"name": "a"}]}));
    assert!(super::check(widget(), &allowed, Duplicates::Allowed).is_ok());
}

#[test]
fn fields_are_taken_out_or_alone_left() {
    let object = in_spec(
        json!({"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "x"}]}, {"name": "b"}],
        "replicas": 1, "selector": {"matchLabels": {"a": "b"}}}),
    );
    let fields = json!({"f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"a\"}": {"f:env": {"k:{\"name\":\"X\"}": {}}},
        "k:{\"name\":\"b\"}": {".": {}, "f:name": {}}}}});
    let fields = set(&fields);
    expect![[r#"{"containers":[{"env":null,"image":"1","name":"a"}],"selector":{"matchLabels":{"a":"b"}}}"#]]
        .assert_eq(&remove(widget(), &object, &fields)["spec"].to_string());
    expect![[r#"{"containers":[{"env":[{"name":"X","value":"x"}]},{"name":"b"}],"replicas":1}"#]]
        .assert_eq(&extract(widget(), &object, &fields)["spec"].to_string());
}

fn check_compare(old: Value, new: Value, expected: Expect) {
    let (old, new) = (in_spec(old), in_spec(new));
    let shown = match compare(widget(), &old, &new) {
        Err(error) => format!("error: {error}"),
        Ok(change) => {
            let part = |sign: char, set: &FieldSet<'_>| -> Vec<String> {
                set.to_string().lines().map(|path| format!("{sign} {path}")).collect()
            };
            [part('-', &change.removed), part('~', &change.modified), part('+', &change.added)].concat().join("\n")
        }
    };
    expected.assert_eq(&shown);
}

#[test]
fn states_are_compared_field_by_field() {
    check_compare(
        json!({"replicas": 1, "suspend": true}),
        json!({"replicas": 2, "ratio": 1.5}),
        expect![[r#"
        - .spec.suspend
        ~ .spec.replicas
        + .spec.ratio"#]],
    );
    check_compare(json!({"ratio": 1}), json!({"ratio": 1.0}), expect![""]);
    check_compare(
        json!({"selector": {"matchLabels": {"a": "b"}}}),
        json!({"selector": {"matchLabels": {"a": "c"}}}),
        expect!["~ .spec.selector"],
    );
    check_compare(
        json!({}),
        json!({"data": {"a": "eA=="}}),
        expect![[r#"
        + .spec.data
        + .spec.data.a"#]],
    );
    check_compare(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a", "image": "2"}]}),
        expect![[r#"
            - .spec.containers[name="b"]
            - .spec.containers[name="b"].name
            ~ .spec.containers[name="a"].image
            + .spec.containers[name="c"]
            + .spec.containers[name="c"].name"#]],
    );
    check_compare(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "b"}, {"name": "a"}]}),
        expect![""],
    );
}

#[test]
fn elements_that_are_alike_are_compared_as_one() {
    let one = || json!({"containers": [{"name": "a", "image": "1"}]});
    let two = || json!({"containers": [{"name": "a", "image": "1"}, {"name": "a", "image": "2"}]});
    let other = || json!({"containers": [{"name": "a", "image": "1"}, {"name": "a", "image": "3"}]});
    check_compare(two(), other(), expect![[r#"~ .spec.containers[name="a"]"#]]);
    check_compare(
        one(),
        two(),
        expect![[r#"
        - .spec.containers[name="a"]
        - .spec.containers[name="a"].image
        - .spec.containers[name="a"].name
        + .spec.containers[name="a"]"#]],
    );
    check_compare(
        two(),
        one(),
        expect![[r#"
        - .spec.containers[name="a"]
        + .spec.containers[name="a"]
        + .spec.containers[name="a"].image
        + .spec.containers[name="a"].name"#]],
    );
}

#[test]
fn without_a_schema_a_value_may_change_its_sort() {
    let (old, new) = (json!({"a": {"b": 1}, "c": 2, "l": [1]}), json!({"a": 1, "c": {"d": 3}, "l": [2]}));
    let change = compare(Typed::deduced(), &old, &new).unwrap();
    expect![[r#"{"f:a":{},"f:c":{},"f:l":{}}"#]].assert_eq(&change.modified.to_json().to_string());
    expect![[r#"{"f:a":{"f:b":{}}}"#]].assert_eq(&change.removed.to_json().to_string());
    expect![[r#"{"f:c":{"f:d":{}}}"#]].assert_eq(&change.added.to_json().to_string());
}
