use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn check(error: Error, expected: Expect) {
    expected.assert_eq(&format!("{error} ({})", error.kind.reason()));
}

#[test]
fn paths_read_as_people_write_them() {
    let containers = Path::new("spec").child("containers");
    assert_eq!(containers.index(0).child("image").to_string(), "spec.containers[0].image");
    assert_eq!(Path::new("metadata").child("labels").key("a/b").to_string(), "metadata.labels[a/b]");
    assert_eq!(Path::default().child("spec").to_string(), "spec");
}

#[test]
fn errors_read_as_upstream_writes_them() {
    let path = Path::new("spec.a");
    check(required(&path, ""), expect!["spec.a: Required value (FieldValueRequired)"]);
    check(required(&path, "name it"), expect!["spec.a: Required value: name it (FieldValueRequired)"]);
    check(invalid(&path, "x\"y", "bad"), expect![[r#"spec.a: Invalid value: "x\"y": bad (FieldValueInvalid)"#]]);
    check(
        invalid(&path, -1, "must be positive"),
        expect!["spec.a: Invalid value: -1: must be positive (FieldValueInvalid)"],
    );
    check(invalid(&path, json!({"a": 1}), ""), expect![[r#"spec.a: Invalid value: {"a":1} (FieldValueInvalid)"#]]);
    check(
        immutable(&path, Value::Null),
        expect![[r#"spec.a: Invalid value: null: field is immutable (FieldValueInvalid)"#]],
    );
    check(duplicate(&path, "x"), expect![[r#"spec.a: Duplicate value: "x" (FieldValueDuplicate)"#]]);
    check(not_found(&path, "x"), expect![[r#"spec.a: Not found: "x" (FieldValueNotFound)"#]]);
    check(
        not_supported(&path, "x", &["a", "b"]),
        expect![[r#"spec.a: Unsupported value: "x": supported values: "a", "b" (FieldValueNotSupported)"#]],
    );
    check(forbidden(&path, "no"), expect!["spec.a: Forbidden: no (FieldValueForbidden)"]);
    check(too_long(&path, 63), expect!["spec.a: Too long: may not be more than 63 bytes (FieldValueTooLong)"]);
    check(too_many(&path, 5, 4), expect!["spec.a: Too many: 5: must have at most 4 items (FieldValueTooMany)"]);
    check(internal(&path, "broken"), expect!["spec.a: Internal error: broken (InternalError)"]);
    check(
        type_invalid(&path, true, "want text"),
        expect!["spec.a: Invalid value: true: want text (FieldValueTypeInvalid)"],
    );
}
