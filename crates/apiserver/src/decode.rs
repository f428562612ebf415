//! Request bodies: from the wire to a value that conforms to the schema.

mod yaml;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sampan_meta::schema::Type;
use sampan_meta::{Status, decode, protobuf};
use sampan_registry::{FieldValidation, Resource};
use serde_json::Value;

use crate::body::BodyError;
use crate::negotiate::{Media, OFFERED};
use crate::query::Query;

/// A request body, whatever brings it.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, BodyError>;

/// The `fieldValidation` parameter, `Warn` when absent. `options` is the kind named in the error: `CreateOptions` and so on.
pub(crate) fn field_validation(query: &Query, options: &str) -> Result<FieldValidation, Status> {
    match query.get("fieldValidation") {
        None | Some("Warn") => Ok(FieldValidation::Warn),
        Some("Ignore") => Ok(FieldValidation::Ignore),
        Some("Strict") => Ok(FieldValidation::Strict),
        Some(other) => Err(unsupported(options, "fieldValidation", other, &["", "Ignore", "Strict", "Warn"])),
    }
}

/// True if `dryRun=All` is given; any other value is refused, since it might be meant to spare something.
pub(crate) fn dry_run(query: &Query, options: &str) -> Result<bool, Status> {
    let mut dry = false;
    for value in query.all("dryRun") {
        if value != "All" {
            return Err(unsupported(options, "dryRun", value, &["All"]));
        }
        dry = true;
    }
    Ok(dry)
}

/// 422 for a parameter with a value that is not offered.
pub(crate) fn unsupported(options: &str, parameter: &str, value: &str, offered: &[&str]) -> Status {
    let path = sampan_meta::field::Path::new(parameter);
    let error = sampan_meta::field::not_supported(&path, value, offered);
    Status::invalid("meta.k8s.io", options, "", vec![error])
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: RequestBody, headers: &HeaderMap, limit: usize) -> Result<Bytes, Status> {
    let too_large = || Status::request_entity_too_large(format!("limit is {limit}"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::bad_request(format!("the body could not be read: {error}"))),
    }
}

/// The media type a body claims to have. Without a claim it is JSON, as upstream has it.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media, Status> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| encoding != b"identity") {
        return Err(Status::unsupported_media_type(&[OFFERED]));
    }
    match content_type(headers) {
        "" | "application/json" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        _ => Err(Status::unsupported_media_type(&[OFFERED])),
    }
}

/// The content type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// What a body must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// `v1`, `apps/v1`.
    pub(crate) api_version: &'a str,
    /// `Pod`.
    pub(crate) kind: &'a str,
    /// The type in the schema: `core.v1.Pod`.
    pub(crate) type_name: &'a str,
}

/// Decodes an object, prunes what the schema does not know and adds a warning for each such field, or fails on it.
pub(crate) fn object(
    bytes: &[u8],
    media: Media,
    expected: Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let (mut value, duplicates) = match media {
        Media::Protobuf => (protobuf_object(bytes, expected)?, Vec::new()),
        Media::Json => decode::parse_json(bytes).map_err(|error| unreadable(expected, error))?,
        Media::Yaml => (yaml::parse(bytes).map_err(|error| unreadable(expected, error))?, Vec::new()),
    };
    let mut complaints = Vec::new();
    settle_kind(&mut value, expected)?;
    if media != Media::Protobuf {
        sampan_registry::keep_reset(&mut value);
        let unknown = decode::conform(sampan_api::schema(), type_of(expected)?, &mut value);
        let unknown = unknown.map_err(|error| unreadable(expected, error))?;
        // Which came first is seen by reading the text once more, which few bodies need.
        complaints = if duplicates.is_empty() {
            unknown.into_iter().map(|path| format!("unknown field {path:?}")).collect()
        } else {
            decode::complaints(bytes, unknown)
        };
    }
    report(expected, validation, complaints, warnings)?;
    Ok(value)
}

/// Decodes an object of a custom kind, which its definition knows and the schema table does not.
pub(crate) fn custom_object(
    bytes: &[u8],
    media: Media,
    resource: &Resource,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let api_version = resource.api_version();
    let expected = Expected { api_version: &api_version, kind: resource.names.kind, type_name: resource.type_name };
    let (mut value, mut complaints) = match media {
        Media::Protobuf => return Err(Status::unsupported_media_type(&["application/json", "application/yaml"])),
        Media::Json => decode::parse_json(bytes).map_err(|error| unreadable(expected, error))?,
        Media::Yaml => (yaml::parse(bytes).map_err(|error| unreadable(expected, error))?, Vec::new()),
    };
    for complaint in &mut complaints {
        *complaint = format!("duplicate field {complaint:?}");
    }
    settle_kind(&mut value, expected)?;
    sampan_registry::keep_reset(&mut value);
    let unknown = resource.conform(&mut value).map_err(|error| unreadable(expected, error))?;
    complaints.extend(unknown.into_iter().map(|path| format!("unknown field {path:?}")));
    report(expected, validation, complaints, warnings)?;
    Ok(value)
}

/// What a client's field validation makes of odd fields.
fn report(
    expected: Expected<'_>,
    validation: FieldValidation,
    mut complaints: Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    match validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => warnings.append(&mut complaints),
        FieldValidation::Strict if complaints.is_empty() => {}
        FieldValidation::Strict => {
            return Err(unreadable(expected, format!("strict decoding error: {}", complaints.join(", "))));
        }
    }
    Ok(())
}

/// Reads the body of an apply patch: YAML, of which JSON is a part. What is sent is kept as it is, whatever the schema says.
///
/// A field that is given twice counts as given last; it is a warning or an error, as the client wishes.
pub(crate) fn apply_configuration(
    bytes: &[u8],
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let (value, complaint) = match decode::parse_json(bytes) {
        Ok((value, duplicates)) if duplicates.is_empty() => (value, None),
        Ok((value, duplicates)) => {
            let twice = |path: &String| format!("key {path:?} already set in map");
            (value, Some(duplicates.iter().map(twice).collect::<Vec<_>>().join(", ")))
        }
        Err(_) => match yaml::parse(bytes) {
            Ok(value) => (value, None),
            Err(complaint) => {
                let unreadable = |error| Status::bad_request(format!("error decoding YAML: {error}"));
                (yaml::parse_leniently(bytes).map_err(unreadable)?, Some(complaint))
            }
        },
    };
    match (validation, complaint) {
        (FieldValidation::Warn, Some(complaint)) => warnings.push(complaint),
        (FieldValidation::Strict, Some(complaint)) => {
            return Err(Status::bad_request(format!("error strict decoding YAML: {complaint}")));
        }
        _ => (),
    }
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        _ => Err(Status::bad_request("error decoding patch: an apply configuration is an object")),
    }
}

/// Decodes option bodies, which come under the name of any group.
pub(crate) fn options(
    bytes: &[u8],
    media: Media,
    expected: Expected<'_>,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    let mut claimed = None;
    if media == Media::Protobuf {
        claimed = protobuf::envelope::unwrap(bytes).ok().map(|unknown| unknown.api_version);
    } else if let Ok((value, _)) = decode::parse_json(bytes) {
        claimed = value.get("apiVersion").and_then(Value::as_str).map(str::to_owned);
    }
    let claimed = claimed.filter(|version| !version.is_empty());
    let api_version = claimed.as_deref().unwrap_or(expected.api_version);
    object(bytes, media, Expected { api_version, ..expected }, validation, warnings)
}

/// 400 in upstream's words.
fn unreadable(expected: Expected<'_>, why: impl std::fmt::Display) -> Status {
    let Expected { api_version, kind, .. } = expected;
    let version = api_version.rsplit('/').next().unwrap_or(api_version);
    Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
}

fn type_of(expected: Expected<'_>) -> Result<&'static Type, Status> {
    let Expected { type_name, .. } = expected;
    sampan_api::schema().get(type_name).ok_or_else(|| Status::internal(format!("the schema does not know {type_name}")))
}

fn protobuf_object(bytes: &[u8], expected: Expected<'_>) -> Result<Value, Status> {
    let unknown = protobuf::envelope::unwrap(bytes).map_err(|error| unreadable(expected, error))?;
    let mut value = protobuf::decode(sampan_api::schema(), type_of(expected)?, &unknown.raw)
        .map_err(|error| unreadable(expected, error))?;
    if let Value::Object(members) = &mut value {
        for (name, content) in [("apiVersion", unknown.api_version), ("kind", unknown.kind)] {
            if !content.is_empty() {
                members.insert(name.to_owned(), Value::String(content));
            }
        }
    }
    Ok(value)
}

/// Fills in the kind and version the path implies, and refuses another.
fn settle_kind(value: &mut Value, expected: Expected<'_>) -> Result<(), Status> {
    let Value::Object(members) = value else {
        return Err(unreadable(expected, "the body is not an object"));
    };
    let given = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (given("apiVersion"), given("kind"));
    if !kind.is_empty() && kind != expected.kind {
        let Expected { api_version: wanted_version, kind: wanted, .. } = expected;
        return Err(Status::bad_request(format!(
            "the kind in the data ({api_version}, Kind={kind}) does not match the expected kind ({wanted_version}, Kind={wanted})"
        )));
    }
    if !api_version.is_empty() && api_version != expected.api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            expected.api_version
        )));
    }
    let (no_version, no_kind) = (api_version.is_empty(), kind.is_empty());
    if no_version {
        members.insert("apiVersion".to_owned(), expected.api_version.into());
    }
    if no_kind {
        members.insert("kind".to_owned(), expected.kind.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
