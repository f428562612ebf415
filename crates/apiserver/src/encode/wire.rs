//! The few protobuf frames made by hand around messages that are encoded already.

use bytes::Bytes;
use sampan_meta::{Status, protobuf};
use sampan_registry::Object;

use super::unencodable;

/// Length of the envelope's magic number.
const MAGIC: usize = 4;
/// `raw` of `runtime.Unknown`.
const RAW: u64 = 2;
/// `metadata` of every kind and list.
const METADATA: u64 = 1;
/// Wire type of strings, bytes and messages.
const LENGTH_DELIMITED: u64 = 2;

/// Appends a variable-length integer.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Appends the key and length of a length-delimited field whose content follows.
pub(super) fn put_head(out: &mut Vec<u8>, number: u64, length: usize) {
    put_varint(out, number << 3 | LENGTH_DELIMITED);
    put_varint(out, length as u64);
}

/// Appends a string field; empty ones are left out.
pub(super) fn put_text(out: &mut Vec<u8>, number: u64, text: &str) {
    if !text.is_empty() {
        put_head(out, number, text.len());
        out.extend_from_slice(text.as_bytes());
    }
}

/// The object's message without its envelope, as a slice of the shared bytes.
pub(super) fn message(object: &Object) -> Result<Bytes, Status> {
    let envelope = object.protobuf().map_err(unencodable)?;
    let range = field(&envelope[MAGIC..], RAW).unwrap_or(0..0);
    Ok(envelope.slice(range.start + MAGIC..range.end + MAGIC))
}

/// The object as an enveloped `PartialObjectMetadata`: every kind has its metadata in field 1, and so has this one.
pub(super) fn metadata(object: &Object) -> Result<Vec<u8>, Status> {
    Ok(protobuf::envelope::wrap("meta.k8s.io/v1", "PartialObjectMetadata", &metadata_message(object)?))
}

/// The message of [`metadata`].
pub(super) fn metadata_message(object: &Object) -> Result<Vec<u8>, Status> {
    let message = message(object)?;
    let content = &message[field(&message, METADATA).unwrap_or(0..0)];
    let mut out = Vec::with_capacity(content.len() + 6);
    put_head(&mut out, METADATA, content.len());
    out.extend_from_slice(content);
    Ok(out)
}

/// A `ListMeta` as field 1 of a list.
pub(super) fn list_metadata(revision: u64, continue_token: &str, remaining: Option<i64>) -> Vec<u8> {
    let mut meta = Vec::new();
    put_text(&mut meta, 2, &revision.to_string());
    put_text(&mut meta, 3, continue_token);
    if let Some(remaining) = remaining {
        put_varint(&mut meta, 4 << 3);
        put_varint(&mut meta, remaining.unsigned_abs());
    }
    let mut out = Vec::with_capacity(meta.len() + 3);
    put_head(&mut out, METADATA, meta.len());
    out.extend_from_slice(&meta);
    out
}

/// Where the content of a length-delimited field lies in a message. `None` if it is not there or the message is broken.
fn field(message: &[u8], wanted: u64) -> Option<std::ops::Range<usize>> {
    let mut at = 0;
    while at < message.len() {
        let key = varint(message, &mut at)?;
        match key & 7 {
            0 => drop(varint(message, &mut at)?),
            1 => at += 8,
            5 => at += 4,
            LENGTH_DELIMITED => {
                let length = usize::try_from(varint(message, &mut at)?).ok()?;
                let end = at.checked_add(length).filter(|end| *end <= message.len())?;
                if key >> 3 == wanted {
                    return Some(at..end);
                }
                at = end;
            }
            _ => return None,
        }
    }
    None
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_behind_others_and_broken_messages_have_none() {
        let mut message = Vec::new();
        put_varint(&mut message, 3 << 3);
        put_varint(&mut message, 300);
        put_text(&mut message, 1, "one");
        put_text(&mut message, 2, &"two".repeat(100));
        assert_eq!(field(&message, 2).map(|range| message[range].len()), Some(300));
        assert_eq!(field(&message, 1).map(|range| message[range].to_vec()), Some(b"one".to_vec()));
        assert_eq!(field(&message, 9), None);
        assert_eq!(field(&message[..20], 2), None);
        assert_eq!(field(&[0x0a, 0xff, 0xff, 0xff], 1), None);
    }
}
