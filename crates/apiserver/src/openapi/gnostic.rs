//! The protobuf form of an OpenAPI v2 document, in which kubectl and client-go ask for it (google/gnostic `openapiv2/OpenAPIv2.proto`).
//!
//! One table per message says which member of the JSON form is which field; [`write`] does the rest.

use serde_json::{Map, Value};

/// What an encoded document is called in `Content-Type`; clients ask for it with an `@` for the first dot of the version, as upstream
/// once answered.
pub(super) const CONTENT_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// How a member of the JSON form becomes a field.
enum Kind {
    Text,
    Flag,
    /// A whole number.
    Whole,
    /// A number of eight bytes.
    Double,
    /// A schema, or whether there is anything.
    Additional,
    /// Strings, one field each; a single string counts as a list of one.
    Texts,
    /// `Any`: YAML text, of which JSON is a part.
    Any,
    Message(&'static Message),
    /// A message whose only field is this.
    In(u32, &'static Kind),
    /// A list: one field each.
    List(&'static Kind),
    /// An object: one message each, of the name and the value.
    Named(&'static Kind),
    /// A parameter: which message it is depends on where it is given.
    Parameter,
}

struct Message {
    fields: &'static [(&'static str, u32, Kind)],
    /// The number of `vendor_extension`, which takes every `x-` member; 0 if there is none.
    extensions: u32,
}

use Kind::{Additional, Any, Double, Flag, In, List, Named, Parameter, Text, Texts, Whole};

static DOCUMENT: Message = Message {
    fields: &[
        ("swagger", 1, Text),
        ("info", 2, Kind::Message(&INFO)),
        ("paths", 8, In(2, &Named(&Kind::Message(&PATH_ITEM)))),
        ("definitions", 9, In(1, &Named(&Kind::Message(&SCHEMA)))),
        ("security", 12, List(&In(1, &Named(&In(1, &Texts))))),
        ("securityDefinitions", 13, In(1, &Named(&In(2, &Kind::Message(&API_KEY))))),
    ],
    extensions: 16,
};

static INFO: Message = Message { fields: &[("title", 1, Text), ("version", 2, Text)], extensions: 7 };

static API_KEY: Message = Message {
    fields: &[("type", 1, Text), ("name", 2, Text), ("in", 3, Text), ("description", 4, Text)],
    extensions: 5,
};

static PATH_ITEM: Message = Message {
    fields: &[
        ("get", 2, Kind::Message(&OPERATION)),
        ("put", 3, Kind::Message(&OPERATION)),
        ("post", 4, Kind::Message(&OPERATION)),
        ("delete", 5, Kind::Message(&OPERATION)),
        ("options", 6, Kind::Message(&OPERATION)),
        ("head", 7, Kind::Message(&OPERATION)),
        ("patch", 8, Kind::Message(&OPERATION)),
        ("parameters", 9, List(&Parameter)),
    ],
    extensions: 10,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Texts),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Texts),
        ("consumes", 7, Texts),
        ("parameters", 8, List(&Parameter)),
        ("responses", 9, In(1, &Named(&In(1, &Kind::Message(&RESPONSE))))),
        ("schemes", 10, Texts),
    ],
    extensions: 13,
};

static RESPONSE: Message =
    Message { fields: &[("description", 1, Text), ("schema", 2, In(1, &Kind::Message(&SCHEMA)))], extensions: 5 };

static BODY: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, Kind::Message(&SCHEMA)),
    ],
    extensions: 6,
};

static QUERY: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 6, Text),
        ("uniqueItems", 20, Flag),
    ],
    extensions: 23,
};

static PATH: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("uniqueItems", 19, Flag),
    ],
    extensions: 22,
};

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("title", 3, Text),
        ("description", 4, Text),
        ("default", 5, Any),
        ("multipleOf", 6, Double),
        ("maximum", 7, Double),
        ("exclusiveMaximum", 8, Flag),
        ("minimum", 9, Double),
        ("exclusiveMinimum", 10, Flag),
        ("maxLength", 11, Whole),
        ("minLength", 12, Whole),
        ("pattern", 13, Text),
        ("maxItems", 14, Whole),
        ("minItems", 15, Whole),
        ("uniqueItems", 16, Flag),
        ("maxProperties", 17, Whole),
        ("minProperties", 18, Whole),
        ("required", 19, Texts),
        ("enum", 20, List(&Any)),
        ("additionalProperties", 21, Additional),
        ("type", 22, In(1, &Texts)),
        ("items", 23, In(1, &Kind::Message(&SCHEMA))),
        ("allOf", 24, List(&Kind::Message(&SCHEMA))),
        ("properties", 25, In(1, &Named(&Kind::Message(&SCHEMA)))),
        ("externalDocs", 29, Kind::Message(&EXTERNAL_DOCS)),
        ("example", 30, Any),
    ],
    extensions: 31,
};

static EXTERNAL_DOCS: Message = Message { fields: &[("description", 1, Text), ("url", 2, Text)], extensions: 3 };

/// Encodes a document. Members the tables do not know are left out; there are none (see the tests).
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    members(&mut out, &DOCUMENT, document);
    out
}

fn members(out: &mut Vec<u8>, message: &Message, value: &Value) {
    for (name, member) in value.as_object().into_iter().flatten() {
        match message.fields.iter().find(|(known, ..)| known == name) {
            Some((_, number, kind)) => write(out, *number, kind, member),
            None if name.starts_with("x-") && message.extensions > 0 => {
                nested(out, message.extensions, |out| named(out, name, &Any, member));
            }
            None => debug_assert!(false, "the protobuf form has no place for {name}"),
        }
    }
}

/// Writes one member as field `number`.
fn write(out: &mut Vec<u8>, number: u32, kind: &Kind, value: &Value) {
    match kind {
        Text => text(out, number, value.as_str().unwrap_or_default()),
        Flag if value == true => {
            varint(out, u64::from(number) << 3);
            varint(out, 1);
        }
        Flag => {}
        Whole => {
            varint(out, u64::from(number) << 3);
            varint(out, value.as_u64().unwrap_or_default());
        }
        Double => {
            const EIGHT_BYTES: u64 = 1;
            varint(out, u64::from(number) << 3 | EIGHT_BYTES);
            out.extend_from_slice(&value.as_f64().unwrap_or_default().to_le_bytes());
        }
        Additional if value.is_boolean() => nested(out, number, |out| write(out, 2, &Flag, value)),
        Additional => nested(out, number, |out| write(out, 1, &Kind::Message(&SCHEMA), value)),
        Texts => match value {
            Value::Array(items) => items.iter().for_each(|item| write(out, number, &Text, item)),
            _ => write(out, number, &Text, value),
        },
        Any => nested(out, number, |out| text(out, 2, &value.to_string())),
        Kind::Message(message) => nested(out, number, |out| members(out, message, value)),
        In(inner, kind) => nested(out, number, |out| write(out, *inner, kind, value)),
        List(kind) => value.as_array().into_iter().flatten().for_each(|item| write(out, number, kind, item)),
        Named(kind) => {
            let entries = value.as_object().into_iter().flat_map(Map::iter);
            entries.for_each(|(name, value)| nested(out, number, |out| named(out, name, kind, value)));
        }
        Parameter => {
            static IN_BODY: Kind = In(1, &In(1, &Kind::Message(&BODY)));
            static IN_PATH: Kind = In(1, &In(2, &In(4, &Kind::Message(&PATH))));
            static IN_QUERY: Kind = In(1, &In(2, &In(3, &Kind::Message(&QUERY))));
            let kind = match value["in"].as_str() {
                Some("body") => &IN_BODY,
                Some("path") => &IN_PATH,
                _ => &IN_QUERY,
            };
            write(out, number, kind, value);
        }
    }
}

fn named(out: &mut Vec<u8>, name: &str, kind: &Kind, value: &Value) {
    text(out, 1, name);
    write(out, 2, kind, value);
}

/// A field that is a message.
fn nested(out: &mut Vec<u8>, number: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    bytes(out, number, &inner);
}

fn text(out: &mut Vec<u8>, number: u32, text: &str) {
    bytes(out, number, text.as_bytes());
}

fn bytes(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    const LENGTH_DELIMITED: u64 = 2;
    varint(out, u64::from(number) << 3 | LENGTH_DELIMITED);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while let Some(more) = Some(value >> 7).filter(|more| *more > 0) {
        out.push((value & 0x7f) as u8 | 0x80);
        value = more;
    }
    out.push((value & 0x7f) as u8);
}

#[cfg(test)]
mod tests;
