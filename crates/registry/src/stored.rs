//! How an object lies in the store, and how its revision gets into the copy that is read.

use bytes::Bytes;
use sampan_meta::apply::write_fields_v1;
use serde_json::{Map, Value};

/// What every stored object begins with once `apiVersion` and `kind` are through.
const METADATA: &[u8] = b",\"metadata\":{\"resourceVersion\":\"";

/// Encodes an object for the store: `apiVersion`, `kind` and `metadata` first, `metadata.resourceVersion` empty and first of all,
/// so that [`splice`] finds its place without parsing.
pub(crate) fn encode(object: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let empty = Map::new();
    let object = object.as_object().unwrap_or(&empty);
    out.extend_from_slice(b"{\"apiVersion\":");
    write_value(&mut out, object.get("apiVersion"));
    out.extend_from_slice(b",\"kind\":");
    write_value(&mut out, object.get("kind"));
    out.extend_from_slice(METADATA);
    out.push(b'"');
    let metadata = object.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    write_members(&mut out, metadata, &["resourceVersion", "managedFields"]);
    write_managed_fields(&mut out, metadata.get("managedFields"));
    out.push(b'}');
    write_members(&mut out, object, &["apiVersion", "kind", "metadata"]);
    out.push(b'}');
    out
}

/// The last member of `metadata`, with the sets in upstream's order, which is not that of their keys as texts.
fn write_managed_fields(out: &mut Vec<u8>, entries: Option<&Value>) {
    let Some(entries) = entries.and_then(Value::as_array).filter(|entries| !entries.is_empty()) else { return };
    let mut text = String::with_capacity(1024);
    for (index, entry) in entries.iter().filter_map(Value::as_object).enumerate() {
        text.push(if index == 0 { '[' } else { ',' });
        for (index, (name, value)) in entry.iter().enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            text.push_str(&Value::from(name.as_str()).to_string());
            text.push(':');
            match name.as_str() {
                "fieldsV1" => write_fields_v1(value, &mut text),
                _ => text.push_str(&value.to_string()),
            }
        }
        text.push_str(if entry.is_empty() { "{}" } else { "}" });
    }
    out.extend_from_slice(b",\"managedFields\":");
    out.extend_from_slice(text.as_bytes());
    out.push(b']');
}

fn write_members(out: &mut Vec<u8>, map: &Map<String, Value>, except: &[&str]) {
    for (key, value) in map.iter().filter(|(key, _)| !except.contains(&key.as_str())) {
        out.push(b',');
        serde_json::to_writer(&mut *out, key).expect("a string always encodes into memory");
        out.push(b':');
        write_value(out, Some(value));
    }
}

fn write_value(out: &mut Vec<u8>, value: Option<&Value>) {
    serde_json::to_writer(out, value.unwrap_or(&Value::Null)).expect("a JSON value always encodes into memory");
}

/// Puts a revision into stored or spliced bytes, whatever revision they carried; 0 leaves it empty.
/// `None` when the bytes do not begin as [`encode`] makes them.
pub(crate) fn splice(bytes: &[u8], revision: u64) -> Option<Bytes> {
    let start = revision_start(bytes)?;
    let length = bytes[start..].iter().position(|byte| *byte == b'"')?;
    let mut out = Vec::with_capacity(bytes.len() + 20);
    out.extend_from_slice(&bytes[..start]);
    if revision > 0 {
        out.extend_from_slice(revision.to_string().as_bytes());
    }
    out.extend_from_slice(&bytes[start + length..]);
    Some(Bytes::from(out))
}

/// The offset just behind the opening quote of the resourceVersion.
fn revision_start(bytes: &[u8]) -> Option<usize> {
    let head = &bytes[..bytes.len().min(512)];
    let at = head.windows(METADATA.len()).position(|window| window == METADATA)?;
    Some(at + METADATA.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn identity_comes_first_and_the_revision_is_spliced_in_and_out() {
        let object = json!({"data": {"a": "1"}, "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": "x", "resourceVersion": "77", "labels": {"k": "v"}}});
        let stored = encode(&object);
        expect![[r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"","labels":{"k":"v"},"name":"x"},"data":{"a":"1"}}"#]]
            .assert_eq(std::str::from_utf8(&stored).unwrap());
        let read = splice(&stored, 12).unwrap();
        assert!(std::str::from_utf8(&read).unwrap().contains(r#""resourceVersion":"12","labels""#));
        let moved = splice(&read, 4000).unwrap();
        assert!(std::str::from_utf8(&moved).unwrap().contains(r#""resourceVersion":"4000","labels""#));
        assert_eq!(splice(&moved, 0).unwrap().as_ref(), stored.as_slice());
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert!(splice(b"{}", 1).is_none());
        assert!(splice(b"", 1).is_none());
    }
}
