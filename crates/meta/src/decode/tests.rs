use super::*;
use crate::schema::tests::schema;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

/// Shows what becomes of a Widget: its JSON and the unknown fields, or the error.
fn check(mut value: Value, expected: Expect) {
    let schema = schema();
    let shown = match conform(&schema, schema.get("core.v1.Widget").unwrap(), &mut value) {
        Ok(unknown) if unknown.is_empty() => value.to_string(),
        Ok(unknown) => format!("{value} without {}", unknown.join(" ")),
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

fn check_spec(spec: Value, expected: Expect) {
    check(json!({"spec": spec}), expected);
}

#[test]
fn unknown_fields_are_removed_and_named() {
    check(
        json!({"apiVersion": "test/v1", "kind": "Widget", "x": 1, "metadata": {"name": "a", "labels": {"anything": "goes"}, "labelz": null},
            "spec": {"containers": [{"name": "a"}, {"name": "b", "imagex": "i", "env": [{"name": "E", "y": {}}]}], "raw": {"deep": {"free": 1}}}}),
        expect![[
            r#"{"apiVersion":"test/v1","kind":"Widget","metadata":{"labels":{"anything":"goes"},"name":"a"},"spec":{"containers":[{"name":"a"},{"env":[{"name":"E"}],"name":"b"}],"raw":{"deep":{"free":1}}}} without metadata.labelz spec.containers[1].env[0].y spec.containers[1].imagex x"#
        ]],
    );
}

#[test]
fn nulls_and_meaningless_zeros_are_dropped_as_go_drops_them() {
    check_spec(
        json!({"replicas": 0, "grace": 0, "suspend": false, "ratio": 0, "containers": [{"name": "", "image": "", "args": [], "limits": {}}],
            "selector": {}, "strategy": {}, "volumes": [], "data": null, "values": [null, 0], "maximum": 0}),
        expect![[
            r#"{"spec":{"containers":[{"name":""}],"grace":0,"maximum":0,"replicas":0,"selector":{},"strategy":{},"values":[0,0]}}"#
        ]],
    );
    check(
        json!({"metadata": {"labels": {"a": null, "b": ""}, "creationTimestamp": null}}),
        expect![[r#"{"metadata":{"labels":{"a":"","b":""}}}"#]],
    );
    check(Value::Null, expect!["{}"]);
}

#[test]
fn quantities_times_and_bytes_become_canonical() {
    check_spec(
        json!({"size": "1024Mi", "containers": [{"name": "a", "limits": {"cpu": 0.5, "memory": "1000k", "pods": 3}}], "data": {"k": "YWJj\nZGVm"},
            "renewTime": "2026-01-02T03:04:05+01:00"}),
        expect![[
            r#"{"spec":{"containers":[{"limits":{"cpu":"500m","memory":"1M","pods":"3"},"name":"a"}],"data":{"k":"YWJjZGVm"},"renewTime":"2026-01-02T02:04:05.000000Z","size":"1Gi"}}"#
        ]],
    );
    check(
        json!({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05.9+02:00"}}),
        expect![[r#"{"metadata":{"deletionTimestamp":"2026-01-02T01:04:05Z"}}"#]],
    );
}

#[test]
fn wrong_types_are_told_with_the_field() {
    check_spec(
        json!({"containers": [{"name": 3}]}),
        expect![
            "error: json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string"
        ],
    );
    check_spec(
        json!({"containers": [{"name": "a", "ports": [{"containerPort": "80"}]}]}),
        expect![
            "error: json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
        ],
    );
    check_spec(
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 99999999999i64}]}]}),
        expect![
            "error: json: cannot unmarshal number 99999999999 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"
        ],
    );
    check_spec(
        json!({"replicas": 1.5}),
        expect!["error: json: cannot unmarshal number 1.5 into Go struct field WidgetSpec.spec.replicas of type int32"],
    );
    check_spec(
        json!({"values": [18446744073709551615u64]}),
        expect![
            "error: json: cannot unmarshal number 18446744073709551615 into Go struct field WidgetSpec.spec.values of type int64"
        ],
    );
    check_spec(
        json!({"containers": {}}),
        expect![
            "error: json: cannot unmarshal object into Go struct field WidgetSpec.spec.containers of type []v1.Container"
        ],
    );
    check_spec(
        json!({"containers": ["a"]}),
        expect![
            "error: json: cannot unmarshal string into Go struct field WidgetSpec.spec.containers of type v1.Container"
        ],
    );
    check_spec(
        json!({"maximum": true}),
        expect![
            "error: json: cannot unmarshal bool into Go struct field WidgetSpec.spec.maximum of type intstr.IntOrString"
        ],
    );
    check_spec(
        json!({"raw": "text"}),
        expect![
            "error: json: cannot unmarshal string into Go struct field WidgetSpec.spec.raw of type runtime.RawExtension"
        ],
    );
    check(
        json!({"spec": []}),
        expect!["error: json: cannot unmarshal array into Go struct field Widget.spec of type v1.WidgetSpec"],
    );
    check(
        json!({"metadata": {"labels": {"a": 1}}}),
        expect![
            "error: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels.a of type string"
        ],
    );
    check(
        json!({"metadata": {"labels": ["a"]}}),
        expect![
            "error: json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string"
        ],
    );
    check(json!("text"), expect!["error: json: cannot unmarshal string into Go value of type v1.Widget"]);
}

#[test]
fn what_cannot_be_read_is_told_with_the_field() {
    check_spec(
        json!({"size": "1 GB"}),
        expect![
            "error: spec.size: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        ],
    );
    check_spec(
        json!({"containers": [{"name": "a", "limits": {"cpu": "lots"}}]}),
        expect![
            "error: spec.containers[0].limits.cpu: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        ],
    );
    check_spec(
        json!({"renewTime": "yesterday"}),
        expect![[
            r#"error: spec.renewTime: parsing time "yesterday": failed to parse four digit integer as year: invalid digit, expected 0-9 but got y"#
        ]],
    );
    check_spec(
        json!({"data": {"k": "%%%"}}),
        expect!["error: spec.data.k: illegal base64 data: Invalid symbol 37, offset 0"],
    );
}

#[test]
fn the_unions_of_json_schemas_take_either_form() {
    let schema =
        json!({"type": "object", "items": [{"type": "string", "z": 1}], "properties": {"p": {"items": {"type": "a"}}}});
    check_spec(
        json!({"schema": schema, "schemaOrBool": true, "schemaOrStrings": {"a": ["b"], "c": {"type": "d"}}}),
        expect![[
            r#"{"spec":{"schema":{"items":[{"type":"string"}],"properties":{"p":{"items":{"type":"a"}}},"type":"object"},"schemaOrBool":true,"schemaOrStrings":{"a":["b"],"c":{"type":"d"}}}} without spec.schema.items.z"#
        ]],
    );
    check_spec(
        json!({"schemaOrBool": "yes"}),
        expect![
            "error: json: cannot unmarshal string into Go struct field WidgetSpec.spec.schemaOrBool of type v1.JSONSchemaPropsOrBool"
        ],
    );
}

#[test]
fn what_conforms_conforms_again_unchanged() {
    let schema = schema();
    let type_ = schema.get("core.v1.Widget").unwrap();
    let mut value = json!({"spec": {"size": "0.5Gi", "replicas": 0, "suspend": false, "volumes": [{"name": "v", "emptyDir": {}}], "renewTime": "2026-01-02T03:04:05Z"}});
    conform(&schema, type_, &mut value).unwrap();
    let once = value.clone();
    conform(&schema, type_, &mut value).unwrap();
    assert_eq!(value, once);
}

#[test]
fn duplicate_fields_are_named_and_the_last_wins() {
    let text = br#"{"a": {"b": 1, "b": 2, "c": [0, {"d": 1, "d": 1, "d": 1}]}, "a": {"b": 3}}"#;
    let (value, duplicates) = parse_json(text).unwrap();
    assert_eq!(value, json!({"a": {"b": 3}}));
    assert_eq!(duplicates, ["a.b", "a.c[1].d", "a"]);
    assert_eq!(
        parse_json(br#"{"a": [1, -2, 1.5, "x", null, true, {}]}"#).unwrap().0,
        json!({"a": [1, -2, 1.5, "x", null, true, {}]})
    );
}

#[test]
fn text_that_is_no_json_is_refused() {
    for text in ["", "{", "{} {}", "nul", "{\"a\" 1}", "\u{1}"] {
        assert!(matches!(parse_json(text.as_bytes()), Err(DecodeError::Json(_))), "{text:?}");
    }
    assert!(parse_json(b"\"\xff\"").is_err(), "text that is no UTF-8");
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(parse_json(deep.as_bytes()).is_err(), "nested without end");
}

#[test]
fn values_nested_without_end_are_refused() {
    let mut schema_value = json!({});
    for _ in 0..200 {
        schema_value = json!({"items": schema_value});
    }
    let (schema, mut value) = (schema(), json!({"spec": {"schema": schema_value}}));
    let error = conform(&schema, schema.get("core.v1.Widget").unwrap(), &mut value).unwrap_err();
    assert!(matches!(error, DecodeError::TooDeep { .. }), "{error}");
}

#[test]
fn complaints_come_in_the_order_of_the_text() {
    let text = br#"{"spec": {"foo": 1, "bar": 2, "bar": 3, "baz": [{"qux": 1}]}}"#;
    let unknown = ["spec.baz[0].qux", "spec.foo"].map(str::to_owned).to_vec();
    let expected =
        [r#"unknown field "spec.foo""#, r#"duplicate field "spec.bar""#, r#"unknown field "spec.baz[0].qux""#];
    assert_eq!(complaints(text, unknown), expected);
    assert!(complaints(b"{", vec!["a".to_owned()]).is_empty());
}
