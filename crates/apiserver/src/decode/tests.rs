use super::*;
use expect_test::{Expect, expect};

const POD: Expected<'static> = Expected { api_version: "v1", kind: "Pod", type_name: "core.v1.Pod" };

fn check(text: &str, validation: FieldValidation, expected: Expect) {
    let mut warnings = Vec::new();
    let outcome = match object(text.as_bytes(), Media::Json, POD, validation, &mut warnings) {
        Ok(value) => format!("{value}\n{}", warnings.join("\n")),
        Err(status) => format!("{} {}", status.code, status.message),
    };
    expected.assert_eq(outcome.trim_end());
}

#[test]
fn unknown_and_repeated_fields_are_told_as_asked() {
    let text = r#"{"spec":{"nodeName":"n","nodeNam":"m"},"metadata":{"name":"a","name":"b"}}"#;
    check(
        text,
        FieldValidation::Ignore,
        expect![[r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"},"spec":{"nodeName":"n"}}"#]],
    );
    check(
        text,
        FieldValidation::Warn,
        expect![[r#"
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"},"spec":{"nodeName":"n"}}
        unknown field "spec.nodeNam"
        duplicate field "metadata.name""#]],
    );
    check(
        text,
        FieldValidation::Strict,
        expect![[
            r#"400 Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.nodeNam", duplicate field "metadata.name""#
        ]],
    );
}

#[test]
fn another_kind_or_version_is_refused() {
    check(
        r#"{"kind":"Service"}"#,
        FieldValidation::Warn,
        expect!["400 the kind in the data (, Kind=Service) does not match the expected kind (v1, Kind=Pod)"],
    );
    check(
        r#"{"apiVersion":"v2","kind":"Pod"}"#,
        FieldValidation::Warn,
        expect!["400 the API version in the data (v2) does not match the expected API version (v1)"],
    );
    check(
        "[]",
        FieldValidation::Warn,
        expect![[r#"400 Pod in version "v1" cannot be handled as a Pod: the body is not an object"#]],
    );
}

#[test]
fn a_body_that_is_no_json_or_has_wrong_types_is_a_400() {
    for text in ["", "{", "nonsense", r#"{"spec":{"containers":{}}}"#, r#"{"metadata":{"name":1}}"#] {
        let status = object(text.as_bytes(), Media::Json, POD, FieldValidation::Ignore, &mut Vec::new()).unwrap_err();
        assert_eq!(status.code, 400, "{text}");
        assert!(status.message.starts_with("Pod in version \"v1\" cannot be handled as a Pod: "), "{}", status.message);
    }
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(
        object(deep.as_bytes(), Media::Json, POD, FieldValidation::Ignore, &mut Vec::new()).unwrap_err().code,
        400
    );
}

#[test]
fn protobuf_that_is_cut_or_random_is_a_400() {
    for bytes in [&b""[..], b"k8s\0", b"k8s\0\x0a\xff", b"k8s\0\x12\x02\xff\xff", b"\0\0\0\0"] {
        let status = object(bytes, Media::Protobuf, POD, FieldValidation::Ignore, &mut Vec::new());
        assert!(status.is_err_and(|status| status.code == 400) || bytes == b"k8s\0");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_a_413() {
    let body =
        || RequestBody::new(http_body_util::Full::new(Bytes::from(vec![0; 100])).map_err(|never| match never {}));
    assert_eq!(read(body(), &HeaderMap::new(), 100).await.unwrap().len(), 100);
    assert_eq!(read(body(), &HeaderMap::new(), 99).await.unwrap_err().code, 413);
    let announced = HeaderMap::from_iter([(header::CONTENT_LENGTH, http::HeaderValue::from_static("1000"))]);
    assert_eq!(read(body(), &announced, 99).await.unwrap_err().code, 413);
}
