use super::*;
use expect_test::expect;
use serde_json::json;

/// Prints fields as protoc does without a schema: numbers, and nested messages where the bytes are one.
fn decoded(mut bytes: &[u8]) -> Option<String> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        match key & 7 {
            0 => fields.push(format!("{}: {}", key >> 3, number(&mut bytes)?)),
            2 => {
                let length = usize::try_from(number(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                let readable = std::str::from_utf8(content).ok().filter(|text| !text.contains(char::is_control));
                let shown = match readable {
                    Some(text) => format!("{text:?}"),
                    None => format!("{{{}}}", decoded(content)?),
                };
                fields.push(format!("{}: {shown}", key >> 3));
            }
            _ => return None,
        }
    }
    Some(fields.join(", "))
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let end = bytes.iter().position(|byte| *byte < 0x80)?;
    let (own, rest) = bytes.split_at(end + 1);
    *bytes = rest;
    Some(own.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)))
}

#[test]
fn a_document_has_the_field_numbers_of_gnostic() {
    let document = json!({
        "swagger": "2.0",
        "info": {"title": "T", "version": "v1"},
        "paths": {"/a": {
            "parameters": [{"in": "path", "name": "n", "required": true, "type": "string", "uniqueItems": true}],
            "get": {
                "operationId": "readA",
                "parameters": [
                    {"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/A"}},
                    {"in": "query", "name": "q", "type": "boolean"},
                ],
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/A"}}},
                "x-kubernetes-action": "get",
            },
        }},
        "definitions": {"A": {
            "type": "object",
            "required": ["b"],
            "properties": {"b": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}},
        }},
        "security": [{"BearerToken": []}],
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"}},
    });
    expect![[r##"9: {1: {1: "A", 2: {25: {1: {1: "b", 2: {23: {1: {22: {1: "string"}}}, 22: {1: "array"}, 31: {1: "x-kubernetes-list-type", 2: {2: "\"set\""}}}}}, 19: "b", 22: {1: "object"}}}}, 2: {1: "T", 2: "v1"}, 8: {2: {1: "/a", 2: {2: {5: "readA", 8: {1: {1: {3: "body", 2: "body", 4: 1, 5: {1: "#/definitions/A"}}}}, 8: {1: {2: {3: {2: "query", 4: "q", 6: "boolean"}}}}, 9: {1: {1: "200", 2: {1: {1: "OK", 2: {1: {1: "#/definitions/A"}}}}}}, 13: {1: "x-kubernetes-action", 2: {2: "\"get\""}}}, 9: {1: {2: {4: {2: "path", 4: "n", 1: 1, 5: "string", 19: 1}}}}}}}, 12: {1: {1: "BearerToken", 2: ""}}, 13: {1: {1: "BearerToken", 2: {2: {3: "header", 2: "authorization", 1: "apiKey"}}}}, 1: "2.0""##]].assert_eq(&decoded(&encode(&document)).unwrap());
}

#[test]
fn long_numbers_take_several_bytes() {
    let mut out = Vec::new();
    varint(&mut out, 300);
    assert_eq!(out, [0xac, 0x02]);
    assert_eq!(number(&mut &*out), Some(300));
}
