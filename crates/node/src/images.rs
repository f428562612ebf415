//! Finding a container's image and who runs it: pull policy, pull secrets, the choice among runtimes.

mod credentials;
mod reference;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_api::k8s::api::core::v1::Secret;
use sampan_runtime::{Error, Image, ImagePull, Runtime};

use crate::pod::state::ReadyImage;

/// Why an image is not to be had, in the words of a container status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageError {
    /// `ErrImagePull`, `ErrImageNeverPull`, `InvalidImageName`.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What is asked for.
pub(crate) struct Request {
    pub(crate) image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub(crate) policy: String,
    pub(crate) secrets: Vec<Arc<Secret>>,
    /// The runtime of the pod's RuntimeClass, by position.
    pub(crate) chosen: Option<usize>,
}

/// What became of it, with what the events tell.
#[derive(Debug)]
pub(crate) enum Found {
    /// It was there.
    Present(ReadyImage),
    /// It was pulled now.
    Pulled(ReadyImage),
}

/// The node's images, as far as containers asked for them.
pub(crate) struct Images {
    runtimes: Vec<Arc<dyn Runtime>>,
    node_name: String,
    plain_http: Vec<String>,
    known: Mutex<BTreeMap<String, Image>>,
}

impl Images {
    pub(crate) fn new(config: &crate::Config) -> Self {
        Self {
            runtimes: config.runtimes.clone(),
            node_name: config.node_name.clone(),
            plain_http: config.plain_http_registries.clone(),
            known: Mutex::default(),
        }
    }

    /// Finds the image as the policy wants it. `pulling` is called once, right before a registry is asked for content.
    pub(crate) async fn find(&self, request: &Request, pulling: impl FnOnce() + Send) -> Result<Found, ImageError> {
        let Request { image, policy, .. } = request;
        reference::check(image).map_err(|why| invalid_name(image, &why))?;
        if policy != "Always"
            && let Some(present) = self.present(image, request.chosen).await
        {
            return Ok(Found::Present(present));
        }
        if policy == "Never" {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            return Err(ImageError { reason: "ErrImageNeverPull", message });
        }
        let pull = self.pull(request);
        pulling();
        let runtime = self.choose(&pull, request.chosen).await?;
        let pulled = self.runtimes[runtime].pull(&pull).await.map_err(pull_error)?;
        Ok(Found::Pulled(self.ready(runtime, pulled)))
    }

    /// Who is to run the image, as far as can be told without pulling it.
    pub(crate) async fn runtime(&self, request: &Request) -> Option<usize> {
        if let Some(present) = self.present(&request.image, request.chosen).await {
            return Some(present.runtime);
        }
        if request.policy == "Never" || reference::check(&request.image).is_err() {
            return None;
        }
        self.choose(&self.pull(request), request.chosen).await.ok()
    }

    fn pull(&self, request: &Request) -> ImagePull {
        let credentials = credentials::for_image(&request.image, &request.secrets);
        ImagePull { reference: request.image.clone(), credentials, plain_http: self.plain_http.clone() }
    }

    async fn present(&self, image: &str, chosen: Option<usize>) -> Option<ReadyImage> {
        for (position, runtime) in self.candidates(chosen) {
            if let Ok(Some(found)) = runtime.image(image).await {
                return Some(self.ready(position, found));
            }
        }
        None
    }

    fn candidates(&self, chosen: Option<usize>) -> impl Iterator<Item = (usize, &Arc<dyn Runtime>)> {
        self.runtimes.iter().enumerate().filter(move |(position, _)| chosen.is_none_or(|chosen| chosen == *position))
    }

    /// The first runtime that takes the image. One that cannot tell ends the search: the next might take what is not for it.
    async fn choose(&self, pull: &ImagePull, chosen: Option<usize>) -> Result<usize, ImageError> {
        for (position, runtime) in self.candidates(chosen) {
            if runtime.accepts(pull).await.map_err(pull_error)? {
                return Ok(position);
            }
        }
        Err(self.nobody_accepts(&pull.reference, chosen))
    }

    fn nobody_accepts(&self, image: &str, chosen: Option<usize>) -> ImageError {
        let handlers: Vec<&str> = self.candidates(chosen).map(|(_, runtime)| runtime.handler()).collect();
        let node = &self.node_name;
        let message = format!(
            "image {image} is a container image and node {node} has no container runtime; it runs: {}. Use an image that holds a Wasm component, \
             or a node with a container runtime",
            handlers.join(", ")
        );
        ImageError { reason: "ErrImagePull", message }
    }

    fn ready(&self, runtime: usize, image: Image) -> ReadyImage {
        self.known.lock().insert(image.digest.clone(), image.clone());
        ReadyImage { runtime, image }
    }

    /// Images seen since the agent started, the largest first, for the Node's status.
    pub(crate) fn known(&self) -> Vec<Image> {
        let mut images: Vec<Image> = self.known.lock().values().cloned().collect();
        images.sort_by(|one, other| other.size.cmp(&one.size).then_with(|| one.digest.cmp(&other.digest)));
        images
    }
}

fn invalid_name(image: &str, why: &str) -> ImageError {
    let message =
        format!("Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {why}");
    ImageError { reason: "InvalidImageName", message }
}

fn pull_error(error: Error) -> ImageError {
    ImageError { reason: "ErrImagePull", message: error.to_string() }
}

/// `name@sha256:…` for `imageID`: the reference without its tag.
pub(crate) fn image_id(reference: &str, digest: &str) -> String {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    let slash = name.rfind('/').map_or(0, |position| position + 1);
    let name = name[slash..].rfind(':').map_or(name, |colon| &name[..slash + colon]);
    format!("{name}@{digest}")
}

#[cfg(test)]
mod tests;
