use super::*;
use crate::schema::tests::schema;
use expect_test::{Expect, expect};
use serde_json::json;

fn apply_strategic(spec: &Value, patch: &Value) -> Result<Value, PatchError> {
    let schema = schema();
    let mut object = json!({"spec": spec});
    strategic(&schema, schema.get("core.v1.Widget").unwrap(), &mut object, &json!({"spec": patch}))?;
    Ok(object["spec"].take())
}

/// Patches a Widget's spec strategically.
fn check(spec: Value, patch: Value, expected: Expect) {
    let shown = match apply_strategic(&spec, &patch) {
        Ok(spec) => spec.to_string(),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn lists_with_a_merge_key_are_merged_by_it() {
    let two = || json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1", "args": ["x"]}]});
    check(
        two(),
        json!({"containers": [{"name": "b", "image": "2"}]}),
        expect![[r#"{"containers":[{"image":"1","name":"a"},{"args":["x"],"image":"2","name":"b"}]}"#]],
    );
    check(
        two(),
        json!({"containers": [{"name": "c", "image": "3"}]}),
        expect![[
            r#"{"containers":[{"image":"3","name":"c"},{"image":"1","name":"a"},{"args":["x"],"image":"1","name":"b"}]}"#
        ]],
    );
    check(
        two(),
        json!({"containers": [{"name": "b", "args": ["y"], "image": null}]}),
        expect![[r#"{"containers":[{"image":"1","name":"a"},{"args":["y"],"name":"b"}]}"#]],
    );
    check(
        two(),
        json!({"containers": [{"name": "b", "env": [{"name": "E", "value": "1"}]}]}),
        expect![[
            r#"{"containers":[{"image":"1","name":"a"},{"args":["x"],"env":[{"name":"E","value":"1"}],"image":"1","name":"b"}]}"#
        ]],
    );
    let ports = json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 443}]}]});
    check(
        ports,
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 443, "name": "https"}]}]}),
        expect![[
            r#"{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"http"},{"containerPort":443,"name":"https"}]}]}"#
        ]],
    );
}

#[test]
fn lists_without_strategy_and_plain_values_are_replaced() {
    check(
        json!({"toleration": [{"name": "a"}], "replicas": 1}),
        json!({"toleration": [{"name": "b"}], "replicas": 2}),
        expect![[r#"{"replicas":2,"toleration":[{"name":"b"}]}"#]],
    );
    check(
        json!({"containers": [{"name": "a", "args": ["1", "2"]}]}),
        json!({"containers": [{"name": "a", "args": ["3"]}]}),
        expect![[r#"{"containers":[{"args":["3"],"name":"a"}]}"#]],
    );
    check(
        json!({"replicas": 1}),
        json!({"suspend": true, "strategy": {"type": null, "rollingUpdate": {"matchLabels": {"a": null, "b": "c"}}}}),
        expect![[r#"{"replicas":1,"strategy":{"rollingUpdate":{"matchLabels":{"b":"c"}}},"suspend":true}"#]],
    );
}

#[test]
fn nulls_delete() {
    check(
        json!({"replicas": 1, "suspend": true, "containers": []}),
        json!({"replicas": null, "containers": null, "nothing": null}),
        expect![[r#"{"suspend":true}"#]],
    );
    check(
        json!({"selector": {"matchLabels": {"a": "b", "c": "d"}}}),
        json!({"selector": {"matchLabels": {"a": null}}}),
        expect![[r#"{"selector":{"matchLabels":{}}}"#]],
    );
}

#[test]
fn directives_delete_and_replace() {
    let two = || json!({"containers": [{"name": "a"}, {"name": "b"}], "strategy": {"type": "x", "rollingUpdate": {"matchLabels": {"a": "b"}}}});
    check(
        two(),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        expect![[r#"{"containers":[{"name":"b"}],"strategy":{"rollingUpdate":{"matchLabels":{"a":"b"}},"type":"x"}}"#]],
    );
    check(
        two(),
        json!({"containers": [{"name": "gone", "$patch": "delete"}, {"name": "c"}]}),
        expect![[
            r#"{"containers":[{"name":"c"},{"name":"a"},{"name":"b"}],"strategy":{"rollingUpdate":{"matchLabels":{"a":"b"}},"type":"x"}}"#
        ]],
    );
    check(
        two(),
        json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}),
        expect![[r#"{"containers":[{"name":"c"}],"strategy":{"rollingUpdate":{"matchLabels":{"a":"b"}},"type":"x"}}"#]],
    );
    check(
        two(),
        json!({"strategy": {"$patch": "replace", "type": "y"}}),
        expect![[r#"{"containers":[{"name":"a"},{"name":"b"}],"strategy":{"type":"y"}}"#]],
    );
    check(
        two(),
        json!({"strategy": {"$patch": "delete"}}),
        expect![[r#"{"containers":[{"name":"a"},{"name":"b"}],"strategy":{}}"#]],
    );
    check(
        two(),
        json!({"strategy": {"$patch": "explode"}}),
        expect![[r#"error: unknown patch type: "explode" in map: {}"#]],
    );
    check(
        two(),
        json!({"containers": [{"$patch": "explode", "name": "a"}]}),
        expect![[r#"error: unknown patch type: "explode" in map: {"$patch":"explode","name":"a"}"#]],
    );
    check(
        two(),
        json!({"containers": [{"$patch": "delete"}]}),
        expect![[r#"error: map: {"$patch":"delete"} does not contain declared merge key: name"#]],
    );
    check(
        json!({}),
        json!({"containers": [{"name": "a", "$patch": "delete"}, {"name": "b", "args": null}], "selector": {"$patch": "delete"}}),
        expect![[r#"{"containers":[{"name":"b"}]}"#]],
    );
}

#[test]
fn retained_keys_are_all_that_stays() {
    let rolling = || json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"matchLabels": {"a": "b"}}}});
    check(
        rolling(),
        json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}),
        expect![[r#"{"strategy":{"type":"Recreate"}}"#]],
    );
    check(
        rolling(),
        json!({"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}),
        expect!["error: invalid patch format of retainKeys"],
    );
    check(
        rolling(),
        json!({"strategy": {"$retainKeys": "type"}}),
        expect!["error: invalid patch format of retainKeys"],
    );
    let volumes = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
    check(
        volumes,
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"matchLabels": {"p": "q"}}}]}),
        expect![[r#"{"volumes":[{"hostPath":{"matchLabels":{"p":"q"}},"name":"v"}]}"#]],
    );
}

#[test]
fn the_order_of_elements_can_be_set() {
    let three = || json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]});
    check(
        three(),
        json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}),
        expect![[r#"{"containers":[{"name":"b"},{"name":"c"},{"name":"a"}]}"#]],
    );
    check(
        three(),
        json!({"$setElementOrder/containers": [{"name": "new"}, {"name": "a"}, {"name": "c"}], "containers": [{"name": "new", "image": "i"}]}),
        expect![[r#"{"containers":[{"image":"i","name":"new"},{"name":"a"},{"name":"b"},{"name":"c"}]}"#]],
    );
    check(
        three(),
        json!({"$setElementOrder/containers": [{"name": "a"}, {"name": "c"}], "containers": [{"name": "b", "$patch": "delete"}]}),
        expect![[r#"{"containers":[{"name":"a"},{"name":"c"}]}"#]],
    );
    check(
        json!({}),
        json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a"}]}),
        expect![[r#"{"containers":[{"name":"a"}]}"#]],
    );
    check(
        three(),
        json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b", "image": "i"}]}),
        expect![[r#"
            error: The order in patch list:
            [{"image":"i","name":"b"}]
             doesn't match $setElementOrder list:
            [{"name":"a"}]
        "#]],
    );
    check(
        three(),
        json!({"$setElementOrder/containers": [{"image": "a"}]}),
        expect![[r#"error: map: {"image":"a"} does not contain declared merge key: name"#]],
    );
    check(
        three(),
        json!({"$setElementOrder/containers": "a"}),
        expect!["error: invalid patch format of setElementOrder list"],
    );
}

#[test]
fn lists_of_plain_values_are_merged_and_emptied_by_value() {
    let schema = schema();
    let apply = |patch: Value| {
        let mut object = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
        let patch = json!({"metadata": patch});
        strategic(&schema, schema.get("core.v1.Widget").unwrap(), &mut object, &patch)
            .map(|()| object["metadata"]["finalizers"].to_string())
    };
    assert_eq!(apply(json!({"finalizers": ["d", "b"]})).as_deref(), Ok(r#"["d","a","b","c"]"#));
    assert_eq!(apply(json!({"$deleteFromPrimitiveList/finalizers": ["a", "x"]})).as_deref(), Ok(r#"["b","c"]"#));
    let both = json!({"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "d", "b"], "finalizers": ["d"]});
    assert_eq!(apply(both).as_deref(), Ok(r#"["c","d","b"]"#));
    assert!(apply(json!({"$deleteFromPrimitiveList/finalizers": "a"})).is_err());
    assert!(apply(json!({"finalizers": [{"name": "a"}]})).is_err());
}

#[test]
fn fields_with_strategy_replace_are_replaced() {
    check(
        json!({"selector": {"matchLabels": {"a": "b"}}}),
        json!({"selector": {"matchLabels": {"c": "d"}}}),
        expect![[r#"{"selector":{"matchLabels":{"c":"d"}}}"#]],
    );
}

#[test]
fn an_element_without_merge_key_is_refused() {
    check(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [{"image": "x"}]}),
        expect![[r#"error: map: {"image":"x"} does not contain declared merge key: name"#]],
    );
    check(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": ["x"]}),
        expect!["error: list element types are not identical in containers"],
    );
    check(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [[]]}),
        expect!["error: lists of lists are not supported"],
    );
}

#[test]
fn a_json_patch_applies_wholly_or_not_at_all() {
    let mut object = json!({"a": [1, 2], "b": {"c": 1}});
    let good = json!([{"op": "test", "path": "/b/c", "value": 1}, {"op": "replace", "path": "/b/c", "value": 2}, {"op": "add", "path": "/a/-", "value": 3},
        {"op": "remove", "path": "/a/0"}, {"op": "copy", "from": "/b", "path": "/d"}, {"op": "move", "from": "/b", "path": "/e"}]);
    json(&mut object, &good).unwrap();
    assert_eq!(object, json!({"a": [2, 3], "d": {"c": 2}, "e": {"c": 2}}));
    let before = object.clone();
    let half = json!([{"op": "remove", "path": "/d"}, {"op": "test", "path": "/e/c", "value": 9}]);
    let status = Status::from(json(&mut object, &half).unwrap_err());
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(object, before);
    assert_eq!(Status::from(json(&mut object, &json!({"op": "add"})).unwrap_err()).code, 400);
    assert_eq!(Status::from(json(&mut object, &json!([{"op": "explode", "path": "/a"}])).unwrap_err()).code, 400);
}

#[test]
fn a_json_patch_cannot_grow_without_end() {
    let many: Vec<Value> = (0..=MAX_OPERATIONS).map(|_| json!({"op": "add", "path": "/a", "value": 1})).collect();
    let error = json(&mut json!({}), &Value::from(many)).unwrap_err();
    assert_eq!(error.to_string(), "The allowed maximum operations in a JSON patch is 10000, got 10001");
    let doubling: Vec<Value> = (0..100).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})).collect();
    let error = json(&mut json!({"a": ["x"]}), &Value::from(doubling)).unwrap_err();
    assert_eq!(Status::from(error).code, 413);
}

#[test]
fn a_merge_patch_merges_objects_and_replaces_lists() {
    let mut object = json!({"a": {"b": 1, "c": 2}, "l": [1]});
    merge(&mut object, &json!({"a": {"b": null, "d": 3}, "l": [2]}));
    assert_eq!(object, json!({"a": {"c": 2, "d": 3}, "l": [2]}));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn spec() -> impl Strategy<Value = Value> {
        let name = || proptest::sample::select(vec!["a", "b", "c", "d"]);
        let container =
            (name(), "[xy]", proptest::collection::btree_map("[pq]", "[0-9]", 0..3)).prop_map(|(name, image, env)| {
                let env: Vec<Value> =
                    env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
                json!({"name": name, "image": image, "env": env})
            });
        (proptest::collection::vec(container, 0..5), proptest::option::of(0..9)).prop_map(
            |(mut containers, replicas)| {
                let mut seen = std::collections::BTreeSet::new();
                containers.retain(|container| seen.insert(container["name"].to_string()));
                json!({"containers": containers, "replicas": replicas})
            },
        )
    }

    /// The patch kubectl would send to make `from` into `to`.
    fn difference(from: &Value, to: &Value) -> Value {
        let named = |list: &Value, name: &Value| {
            list.as_array().unwrap().iter().find(|element| element["name"] == *name).cloned()
        };
        let containers = |value: &Value| value["containers"].as_array().unwrap().clone();
        let order: Vec<Value> = containers(to).iter().map(|c| json!({"name": c["name"]})).collect();
        let mut patch: Vec<Value> = Vec::new();
        for wanted in containers(to) {
            let mut change = wanted.clone();
            if let Some(existing) = named(&from["containers"], &wanted["name"]) {
                let env =
                    existing["env"].as_array().unwrap().iter().filter(|e| named(&wanted["env"], &e["name"]).is_none());
                let gone: Vec<Value> = env.map(|e| json!({"name": e["name"], "$patch": "delete"})).collect();
                change["env"].as_array_mut().unwrap().extend(gone);
                change["$setElementOrder/env"] =
                    wanted["env"].as_array().unwrap().iter().map(|e| json!({"name": e["name"]})).collect();
            }
            patch.push(change);
        }
        let gone = containers(from).into_iter().filter(|c| named(&to["containers"], &c["name"]).is_none());
        patch.extend(gone.map(|c| json!({"name": c["name"], "$patch": "delete"})));
        json!({"replicas": to["replicas"], "containers": patch, "$setElementOrder/containers": order})
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_other(from in spec(), to in spec()) {
            let patch = difference(&from, &to);
            let patched = apply_strategic(&from, &patch).unwrap();
            prop_assert_eq!(&patched["containers"], &to["containers"]);
            prop_assert_eq!(&patched["replicas"], &to["replicas"]);
            prop_assert_eq!(apply_strategic(&patched, &patch).unwrap(), patched, "applying it again changes nothing");
        }
    }
}
