//! Images: asked for by reference or by digest, pulled by containerd.

mod archives;
mod sweep;

pub(crate) use archives::import;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use sampan_runtime::{Credentials, Error, Image, ImagePull, Result};

use crate::client::Client;
use crate::cri;

/// A pull may take long; containerd itself gives up on one that makes no progress.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A registry under another name: references that begin with `host/` are pulled from `endpoint`.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// As it stands in references.
    pub host: String,
    /// Where it really is, and what is shown there.
    pub endpoint: Credentials,
}

/// The image that containerd makes every sandbox from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxImage {
    /// As containerd's configuration names it.
    pub name: String,
    /// Whether it is on the node.
    pub present: bool,
}

#[derive(Clone)]
pub(crate) struct Images {
    client: Client,
    mirrors: Vec<Mirror>,
    seen: Arc<Mutex<sweep::Seen>>,
}

impl Images {
    pub(crate) fn new(client: Client, mirrors: Vec<Mirror>) -> Self {
        Self { client, mirrors, seen: Arc::default() }
    }

    /// The image when it is on the node, by any of its names or by a digest alone.
    pub(crate) async fn find(&self, reference: &str) -> Result<Option<Image>> {
        let found = self.known(reference).await?;
        Ok(found.map(|found| image(reference, &found)))
    }

    /// What containerd knows by that name.
    pub(crate) async fn known(&self, reference: &str) -> Result<Option<cri::Image>> {
        let (address, _) = self.resolve(reference, &[]);
        let subject = format!("image {reference}");
        if !address.starts_with("sha256:") {
            let request = cri::ImageStatusRequest { image: Some(cri::ImageSpec { image: address }) };
            return Ok(self.client.call(request, &subject).await?.image);
        }
        // By the digest of a manifest nothing is found but by looking through the list.
        let images = self.client.call(cri::ListImagesRequest {}, &subject).await?.images;
        Ok(images.into_iter().find(|image| has_digest(image, reference)))
    }

    pub(crate) async fn pull(&self, pull: &ImagePull) -> Result<Image> {
        let (address, credentials) = self.resolve(&pull.reference, &pull.credentials);
        let candidates = credentials.iter().map(|credentials| Some(auth(credentials))).chain([None]);
        let mut failure = String::new();
        for auth in candidates {
            let request = cri::PullImageRequest { image: Some(cri::ImageSpec { image: address.clone() }), auth };
            let subject = format!("image {}", pull.reference);
            let error = match self.client.call_within(request, &subject, PATIENCE).await {
                Ok(_) => {
                    self.make_room().await;
                    return self.pulled(&pull.reference).await;
                }
                Err(error) => error.to_string(),
            };
            // What was said to the first credentials is the most telling.
            if failure.is_empty() {
                failure = error;
            }
        }
        Err(explain(&pull.reference, failure))
    }

    /// What containerd makes sandboxes from; `None` where it does not say.
    pub(crate) async fn sandbox_image(&self) -> Result<Option<String>> {
        let info = self.client.call(cri::StatusRequest { verbose: true }, "").await?.info;
        let config: Option<serde_json::Value> = info.get("config").and_then(|text| serde_json::from_str(text).ok());
        // Under this name up to 1.7, pinned since.
        let name = |config: serde_json::Value| {
            let name = config.get("sandboxImage").or_else(|| config.pointer("/pinnedImages/sandbox"))?;
            Some(name.as_str()?.to_owned())
        };
        Ok(config.and_then(name))
    }

    async fn make_room(&self) {
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "unused images stay for now");
        }
    }

    async fn pulled(&self, reference: &str) -> Result<Image> {
        let vanished = || pull_error(reference, "it vanished right after it was pulled; it is pulled again".to_owned());
        self.find(reference).await?.ok_or_else(vanished)
    }

    /// Where the image really is, and what may be shown there: a mirror's own credentials go before the pod's.
    fn resolve(&self, reference: &str, credentials: &[Credentials]) -> (String, Vec<Credentials>) {
        let of = |mirror: &Mirror| {
            let name = reference.strip_prefix(&mirror.host)?.strip_prefix('/')?;
            Some((format!("{}/{name}", mirror.endpoint.registry), vec![mirror.endpoint.clone()]))
        };
        self.mirrors.iter().find_map(of).unwrap_or_else(|| (reference.to_owned(), credentials.to_vec()))
    }
}

fn auth(credentials: &Credentials) -> cri::AuthConfig {
    let Credentials { username, password, .. } = credentials.clone();
    cri::AuthConfig { username, password }
}

/// Content that cannot be unpacked stays so; everything else may be better the next time.
fn explain(reference: &str, message: String) -> Error {
    const BROKEN: [&str; 3] = ["failed to extract layer", "mismatched image rootfs", "failed to unpack image"];
    let full = message.contains("no space left on device");
    if !full && BROKEN.iter().any(|words| message.contains(words)) {
        return Error::BadImage { image: reference.to_owned(), message };
    }
    pull_error(reference, message)
}

fn pull_error(reference: &str, message: String) -> Error {
    Error::Pull { image: reference.to_owned(), message }
}

fn has_digest(image: &cri::Image, digest: &str) -> bool {
    image.id == digest || image.repo_digests.iter().any(|name| name.ends_with(&format!("@{digest}")))
}

fn image(reference: &str, found: &cri::Image) -> Image {
    Image {
        references: if reference.starts_with("sha256:") { found.repo_tags.clone() } else { vec![reference.to_owned()] },
        digest: digest(reference, found),
        size: found.size,
        command: Vec::new(),
        serves: false,
    }
}

/// The digest of the manifest: the one asked for, or the one under the name asked for. One that was put there without a registry has
/// none, and then the configuration's stands for it.
fn digest(reference: &str, found: &cri::Image) -> String {
    let asked = reference.rsplit_once('@').map_or(reference, |(_, digest)| digest);
    if asked.starts_with("sha256:") && has_digest(found, asked) {
        return asked.to_owned();
    }
    let digests = found.repo_digests.iter().filter_map(|name| name.rsplit_once('@'));
    let named = digests.clone().find(|(name, _)| reference.starts_with(name));
    named.or_else(|| digests.clone().next()).map_or_else(|| found.id.clone(), |(_, digest)| digest.to_owned())
}
