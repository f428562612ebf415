//! `/v2/NAME/referrers/DIGEST`: manifests that say they are about another one (signatures, bills of materials).

use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::error::Error;
use crate::name::{Digest, Repository};
use crate::registry::{Asked, Inner};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) async fn answer(
    registry: &Inner,
    name: &Repository,
    subject: &Digest,
    asked: &Asked,
) -> Result<Response, Error> {
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return Err(asked.unsupported());
    }
    let wanted = asked.query("artifactType");
    let mut descriptors = registry.storage.referrers(name, subject).await?;
    if let Some(wanted) = wanted {
        descriptors.retain(|descriptor| descriptor["artifactType"] == wanted);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors });
    let mut response = index.to_string().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(INDEX));
    if wanted.is_some() {
        let applied = HeaderName::from_static("oci-filters-applied");
        response.headers_mut().insert(applied, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}

/// How a manifest with a subject is shown among its subject's referrers.
pub(crate) fn descriptor(media_type: &str, digest: &Digest, size: usize, manifest: &Value) -> Value {
    let mut descriptor = json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
    // An image without an artifact type is what its configuration is.
    let artifact_type = manifest.get("artifactType").filter(|kind| !kind.is_null());
    let artifact_type = artifact_type.or_else(|| manifest.pointer("/config/mediaType"));
    for (member, value) in [("artifactType", artifact_type), ("annotations", manifest.get("annotations"))] {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            descriptor[member] = value.clone();
        }
    }
    descriptor
}
