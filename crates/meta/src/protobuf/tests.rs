use super::*;
use crate::schema::tests::schema;
use serde_json::json;

fn widget(spec: &Value) -> Value {
    json!({"apiVersion": "test/v1", "kind": "Widget", "spec": spec})
}

/// Encodes and decodes again.
fn round_trip(object: &Value) -> Value {
    let schema = schema();
    let bytes = encode_object(&schema, schema.by_kind("test/v1", "Widget").unwrap(), object).unwrap();
    decode_object(&schema, &bytes).unwrap()
}

fn decode_widget(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let schema = schema();
    decode(&schema, schema.get("core.v1.Widget").unwrap(), bytes)
}

#[test]
fn every_sort_of_field_survives() {
    let object = widget(&json!({
        "containers": [{"name": "a", "env": [{"name": "E", "value": "1"}], "limits": {"cpu": "500m"}, "ports": [{"containerPort": 80}], "tty": true}],
        "data": {"k": "YWJj", "empty": ""}, "extra": {"scopes": ["a", "b"], "none": []}, "grace": -1, "maximum": "25%", "ratio": 0.25,
        "raw": {"any": [1, null, "x"]}, "renewTime": "2026-01-02T03:04:05.678901Z", "replicas": 0,
        "schema": {"type": "object", "items": [{"type": "a"}, {"type": "b"}], "properties": {"p": {"items": {"type": "c"}}}},
        "schemaOrBool": {"type": "s"}, "schemaOrStrings": {"a": ["x"], "b": {"type": "y"}}, "selector": {}, "size": "1Gi",
        "strategy": {"rollingUpdate": {"matchLabels": {"a": "b"}}}, "suspend": true, "values": [1, -1, 9223372036854775807i64],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "hostPath": {"matchLabels": {"x": ""}}}]}));
    assert_eq!(round_trip(&object), object);
}

#[test]
fn zero_values_are_kept_only_where_they_mean_something() {
    let written = widget(
        &json!({"replicas": 0, "grace": 0, "suspend": false, "ratio": 0.0, "containers": [{"name": "", "image": ""}], "schemaOrBool": false}),
    );
    let kept = widget(&json!({"replicas": 0, "grace": 0, "containers": [{"name": ""}], "schemaOrBool": false}));
    assert_eq!(round_trip(&written), kept);
}

#[test]
fn inlined_messages_are_nested_on_the_wire() {
    let schema = schema();
    let volume = json!({"name": "v", "emptyDir": {}});
    let bytes = encode(&schema, schema.get("core.v1.Volume").unwrap(), &volume).unwrap();
    assert_eq!(bytes, [0x0a, 1, b'v', 0x12, 2, 0x12, 0], "1: \"v\", 2: {{2: {{}}}}");
}

#[test]
fn times_before_1970_and_int_or_strings_survive() {
    for (time, number) in [("1969-12-31T23:59:58.500000Z", json!(-3)), ("0001-01-01T00:00:00.000001Z", json!(0))] {
        let object = widget(&json!({"renewTime": time, "maximum": number}));
        assert_eq!(round_trip(&object), object);
    }
}

#[test]
fn unknown_fields_are_skipped_and_repeated_messages_merged() {
    // 9: varint 1; 15: fixed64; 1: {1: "a"}; 1: {3: "b"}
    let bytes = [0x48, 1, 0x79, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 3, 0x0a, 1, b'a', 0x0a, 3, 0x1a, 1, b'b'];
    let expected = json!({"apiVersion": "test/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": "b"}});
    assert_eq!(decode_widget(&bytes).unwrap(), expected);
}

#[test]
fn packed_numbers_are_read_as_well() {
    // 2: {17: packed 1, 300}
    let bytes = [0x12, 6, 0x8a, 0x01, 3, 1, 0xac, 0x02];
    assert_eq!(decode_widget(&bytes).unwrap()["spec"]["values"], json!([1, 300]));
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let rows: [(&[u8], &str); 7] = [
        (&[0x0a], "unexpected end"),
        (&[0x0a, 200, 1, 1], "unexpected end"),
        (&[0x0b], "wire type 3"),
        (&[0x00, 1], "field number 0"),
        (&[0xff; 11], "more than ten bytes"),
        (&[0x08, 1], "wrong wire type"),
        (&[0x0a, 3, 0x0a, 1, 0xff], "no UTF-8"),
    ];
    for (bytes, expected) in rows {
        let error = decode_widget(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{bytes:?}: {error}");
    }
}

#[test]
fn an_envelope_names_its_kind() {
    let schema = schema();
    let wrapped = envelope::wrap("any/v1", "Options", &[]);
    assert_eq!(decode_object(&schema, &wrapped).unwrap(), json!({"apiVersion": "any/v1", "kind": "Options"}));
    assert_eq!(decode_object(&schema, b"{}"), Err(ProtobufError::NoEnvelope));
    let unknown = decode_object(&schema, &envelope::wrap("v9", "X", &[])).unwrap_err();
    assert_eq!(unknown.to_string(), r#"protobuf: no kind "X" is known in version "v9""#);
}

#[test]
fn a_raw_field_may_hold_an_enveloped_object_but_not_without_end() {
    let widget_holding = |raw: &[u8]| {
        let (mut spec, mut bytes) = (Vec::new(), Vec::new());
        let put = |out: &mut Vec<u8>, number, content: &[u8]| wire::put_bytes_field(out, number, content);
        let mut extension = Vec::new();
        put(&mut extension, 1, raw);
        put(&mut spec, 7, &extension);
        put(&mut bytes, 2, &spec);
        envelope::wrap("test/v1", "Widget", &bytes)
    };
    let mut bytes = widget_holding(b"{}");
    let object = decode_object(&schema(), &widget_holding(&bytes)).unwrap();
    assert_eq!(object["spec"]["raw"]["kind"], "Widget");
    for _ in 0..200 {
        bytes = widget_holding(&bytes);
    }
    assert_eq!(decode_object(&schema(), &bytes), Err(ProtobufError::TooDeep));
}

#[test]
fn a_value_of_the_wrong_type_is_an_error() {
    let schema = schema();
    let type_ = schema.get("core.v1.Widget").unwrap();
    for spec in [
        json!({"replicas": "x"}),
        json!({"containers": {}}),
        json!({"data": []}),
        json!({"data": {"a": "%"}}),
        json!({"renewTime": "x"}),
    ] {
        assert!(encode(&schema, type_, &widget(&spec)).is_err(), "{spec}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = decode_widget(&bytes);
        let _ = decode_object(&schema(), &bytes);
    }

    #[test]
    fn a_damaged_message_makes_no_panic(position in 0usize..400, byte in proptest::num::u8::ANY) {
        let schema = schema();
        let object = widget(&json!({"containers": [{"name": "a", "limits": {"cpu": "1"}}], "schema": {"items": [{"type": "a"}]}, "renewTime": "2026-01-02T03:04:05Z",
            "extra": {"a": ["b"]}, "schemaOrStrings": {"a": ["b"]}, "maximum": 3, "volumes": [{"name": "v", "emptyDir": {}}], "raw": {"a": 1}}));
        let mut bytes = encode(&schema, schema.get("core.v1.Widget").unwrap(), &object).unwrap();
        let length = bytes.len();
        bytes[position % length] = byte;
        let _ = decode_widget(&bytes);
        let _ = decode_widget(&bytes[..position % length]);
    }
}
