//! The messages whose JSON form is not an object of their fields.

use super::ProtobufError;
use super::wire::{Raw, fields, put_bytes_field, put_message, put_varint_field};
use crate::time::{format_micro_time, format_time, parse_time};
use jiff::Timestamp;
use serde_json::Value;

type Result<T> = std::result::Result<T, ProtobufError>;

pub(super) fn malformed(path: &str, why: impl ToString) -> ProtobufError {
    ProtobufError::Malformed { path: path.to_owned(), why: why.to_string() }
}

/// `Time` and `MicroTime`: `{1: seconds, 2: nanoseconds}`. Go writes no fraction of a second for the former.
pub(super) fn put_time(out: &mut Vec<u8>, path: &str, text: &str, micro: bool) -> Result<()> {
    let time = parse_time(text).map_err(|why| malformed(path, why))?;
    let time = if time.subsec_nanosecond() < 0 { time - jiff::SignedDuration::from_secs(1) } else { time };
    let nanoseconds = time.subsec_nanosecond().rem_euclid(1_000_000_000) / 1000 * 1000;
    put_varint_field(out, 1, time.as_second().cast_unsigned());
    put_varint_field(out, 2, if micro { i64::from(nanoseconds).cast_unsigned() } else { 0 });
    Ok(())
}

/// `None` for the zero time, which Go writes as an empty message.
pub(super) fn time(bytes: &[u8], path: &str, micro: bool) -> Result<Option<Value>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanoseconds) = (0i64, 0i64);
    for field in fields(bytes) {
        match field? {
            (1, Raw::Varint(value)) => seconds = value.cast_signed(),
            (2, Raw::Varint(value)) => nanoseconds = value.cast_signed(),
            _ => {}
        }
    }
    let nanoseconds = i32::try_from(nanoseconds).map_err(|why| malformed(path, why))?;
    let time = Timestamp::new(seconds, nanoseconds).map_err(|why| malformed(path, why))?;
    Ok(Some(Value::String(if micro { format_micro_time(time) } else { format_time(time) })))
}

/// `IntOrString`: `{1: type, 2: number, 3: text}`, all three always written.
pub(super) fn put_int_or_string(out: &mut Vec<u8>, value: &Value) {
    let number = value.as_i64();
    put_varint_field(out, 1, u64::from(number.is_none()));
    put_varint_field(out, 2, number.unwrap_or_default().cast_unsigned());
    put_bytes_field(out, 3, value.as_str().unwrap_or_default().as_bytes());
}

pub(super) fn int_or_string(bytes: &[u8], path: &str) -> Result<Value> {
    let (mut is_text, mut number, mut text) = (false, 0, &[][..]);
    for field in fields(bytes) {
        match field? {
            (1, Raw::Varint(value)) => is_text = value == 1,
            (2, Raw::Varint(value)) => number = low_32(value),
            (3, Raw::Bytes(value)) => text = value,
            _ => {}
        }
    }
    if is_text { string(text, path) } else { Ok(number.into()) }
}

/// Go keeps the low 32 bits of what was sent for an `int32`.
#[expect(clippy::cast_possible_truncation, reason = "the truncation is what is meant")]
pub(super) fn low_32(value: u64) -> i32 {
    value as i32
}

pub(super) fn string(bytes: &[u8], path: &str) -> Result<Value> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(path, "text is no UTF-8"))?;
    Ok(Value::String(text.to_owned()))
}

/// The bytes of field 1: what a message around one value holds (`Quantity`, `RawExtension`, `FieldsV1`, `JSON`).
pub(super) fn only_field(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let mut content = None;
    for field in fields(bytes) {
        if let (1, Raw::Bytes(value)) = field? {
            content = Some(value);
        }
    }
    Ok(content)
}

/// A list of strings in a message of its own: `{1: repeated}`.
pub(super) fn put_strings(out: &mut Vec<u8>, number: u8, list: &[Value]) {
    for text in list.iter().filter_map(Value::as_str) {
        put_bytes_field(out, number, text.as_bytes());
    }
}

pub(super) fn strings(bytes: &[u8], number: u32, path: &str) -> Result<Vec<Value>> {
    let mut list = Vec::new();
    for field in fields(bytes) {
        match field? {
            (found, Raw::Bytes(text)) if found == number => list.push(string(text, path)?),
            _ => {}
        }
    }
    Ok(list)
}

/// Any JSON value as its text in field 1.
pub(super) fn put_json(out: &mut Vec<u8>, number: u8, value: &Value) -> Result<()> {
    put_message(out, number, |out| {
        put_bytes_field(out, 1, value.to_string().as_bytes());
        Ok(())
    })
}
