//! `/v2/NAME/manifests/REFERENCE`: reading, writing and removing manifests and tags.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::error::{Code, Error};
use crate::name::{Digest, Reference, Repository};
use crate::referrers;
use crate::registry::{Asked, Inner};
use crate::storage::Manifest;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// Media types of manifests that list a configuration and layers, all of which must be there.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

pub(crate) async fn answer(
    registry: &Inner,
    name: &Repository,
    reference: &Reference,
    asked: &Asked,
    body: Body,
) -> Result<Response, Error> {
    match asked.method {
        Method::GET | Method::HEAD => read(registry, name, reference, asked).await,
        Method::PUT => write(registry, name, reference, asked, body).await,
        Method::DELETE => delete(registry, name, reference).await,
        _ => Err(asked.unsupported()),
    }
}

fn unknown(name: &Repository, reference: &Reference) -> Error {
    Error::new(Code::ManifestUnknown, format!("repository {name} has no manifest {reference}"))
}

async fn read(registry: &Inner, name: &Repository, reference: &Reference, asked: &Asked) -> Result<Response, Error> {
    let found = registry.storage.manifest(name, reference).await?;
    let Manifest { digest, media_type, content } = found.ok_or_else(|| unknown(name, reference))?;
    let length = content.len();
    let body = if asked.method == Method::HEAD { Body::empty() } else { Body::from(content) };
    let response = Response::builder()
        .header(CONTENT_TYPE, media_type)
        .header(CONTENT_LENGTH, length)
        .header(ETAG, format!("\"{digest}\""))
        .header("docker-content-digest", digest.to_string())
        .body(body);
    response.map_err(|_| Error::new(Code::Unknown, format!("the media type kept for manifest {digest} is damaged")))
}

async fn write(
    registry: &Inner,
    name: &Repository,
    reference: &Reference,
    asked: &Asked,
    body: Body,
) -> Result<Response, Error> {
    let content_type = asked.header(&CONTENT_TYPE).unwrap_or_default().to_owned();
    let content = collect(body, registry.limits.manifest).await?;
    let digest = Digest::of(&content);
    if let Reference::Digest(wanted) = reference
        && *wanted != digest
    {
        return Err(Error::new(
            Code::DigestInvalid,
            format!("the manifest pushed as {wanted} has the digest {digest}"),
        ));
    }
    let document = parse(&content)?;
    let media_type = media_type(&content_type, &document)?;
    check_references(registry, name, &media_type, &document).await?;
    let subject = match document.get("subject").filter(|subject| !subject.is_null()) {
        Some(subject) => Some(Digest::in_descriptor(subject)?),
        None => None,
    };
    let referrer = subject
        .as_ref()
        .map(|subject| (subject, referrers::descriptor(&media_type, &digest, content.len(), &document)));
    let manifest = Manifest { digest: digest.clone(), media_type, content };
    registry.storage.put_manifest(name, reference, &manifest, referrer).await?;
    let mut response = Response::builder()
        .status(StatusCode::CREATED)
        .header(LOCATION, format!("/v2/{name}/manifests/{digest}"))
        .header("docker-content-digest", digest.to_string());
    if let Some(subject) = subject {
        response = response.header(SUBJECT, subject.to_string());
    }
    Ok(response.body(Body::empty()).expect("these headers are made of names and digests"))
}

async fn collect(body: Body, limit: usize) -> Result<Bytes, Error> {
    let collected = Limited::new(body, limit).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| match error.is::<LengthLimitError>() {
        true => Error::new(Code::SizeInvalid, format!("a manifest may have {limit} bytes at most")),
        false => Error::new(Code::ManifestInvalid, "the manifest did not arrive whole: push it again"),
    })
}

fn parse(content: &[u8]) -> Result<Value, Error> {
    let invalid = |why: String| Error::new(Code::ManifestInvalid, why);
    let document: Value =
        serde_json::from_slice(content).map_err(|error| invalid(format!("the manifest is no json: {error}")))?;
    if document.is_object() { Ok(document) } else { Err(invalid("the manifest is no json object".to_owned())) }
}

/// What the manifest is: what the request says, which must not contradict the manifest itself.
fn media_type(content_type: &str, document: &Value) -> Result<String, Error> {
    let said = content_type.split(';').next().unwrap_or_default().trim();
    let own = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    match (said, own) {
        ("", "") => {
            Err(Error::new(Code::ManifestInvalid, "neither Content-Type nor mediaType says what the manifest is"))
        }
        (said, own) if !said.is_empty() && !own.is_empty() && said != own => {
            Err(Error::new(Code::ManifestInvalid, format!("the manifest is of type {own} and was pushed as {said}")))
        }
        ("", own) => Ok(own.to_owned()),
        (said, _) => Ok(said.to_owned()),
    }
}

async fn check_references(
    registry: &Inner,
    name: &Repository,
    media_type: &str,
    document: &Value,
) -> Result<(), Error> {
    if !IMAGES.contains(&media_type) {
        return Ok(());
    }
    let invalid = |why: &str| Error::new(Code::ManifestInvalid, why);
    let config = document.get("config").ok_or_else(|| invalid("the manifest has no config"))?;
    let layers =
        document.get("layers").and_then(Value::as_array).ok_or_else(|| invalid("the manifest has no layers"))?;
    for descriptor in std::iter::once(config).chain(layers) {
        // Layers that are to be had elsewhere need not be here.
        let is_elsewhere = descriptor.get("urls").and_then(Value::as_array).is_some_and(|urls| !urls.is_empty());
        let digest = Digest::in_descriptor(descriptor)?;
        if !is_elsewhere && !registry.storage.has_blob(name, &digest).await? {
            let why =
                format!("the manifest refers to blob {digest}, which repository {name} does not have: push it first");
            return Err(Error::new(Code::ManifestBlobUnknown, why));
        }
    }
    Ok(())
}

async fn delete(registry: &Inner, name: &Repository, reference: &Reference) -> Result<Response, Error> {
    let was_there = match reference {
        Reference::Tag(tag) => registry.storage.delete_tag(name, tag).await?,
        Reference::Digest(digest) => registry.storage.delete_manifest(name, digest).await?,
    };
    if was_there { Ok(StatusCode::ACCEPTED.into_response()) } else { Err(unknown(name, reference)) }
}
