//! Writes whose answer nobody reads: of the whole object that comes back, its revision is enough.
//!
//! An answer is as large as its object, and making a typed one of it costs a good part of what the write itself does.

use kube::api::{Patch, PatchParams};
use kube::core::Request;
use kube::core::request::Error as RequestError;
use kube::{Client, Error, Resource};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    resource_version: String,
}

/// Patches the status of a namespaced object and returns the object's resourceVersion, a number (KEP-5504).
///
/// # Errors
/// As [`kube::Api::patch_status`].
pub async fn patch_status<K>(
    client: &Client,
    namespace: &str,
    name: &str,
    patch: &Patch<impl Serialize + std::fmt::Debug>,
) -> Result<u64, Error>
where
    K: Resource<DynamicType = ()>,
{
    let path = K::url_path(&(), Some(namespace));
    let request = Request::new(path).patch_subresource("status", name, &PatchParams::default(), patch);
    let written: Written = client.request(request.map_err(build)?).await?;
    Ok(written.metadata.resource_version.parse().unwrap_or_default())
}

fn build(error: RequestError) -> Error {
    Error::BuildRequest(error)
}
