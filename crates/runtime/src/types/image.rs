//! Images: how one is asked for, and what is known of it.

use serde::{Deserialize, Serialize};

/// Which image to get and how.
#[derive(Clone, Debug, Default)]
pub struct ImagePull {
    /// As written in the pod: `host/name:tag` or `host/name@sha256:…`.
    pub reference: String,
    /// Tried in order, then anonymously.
    pub credentials: Vec<Credentials>,
    /// Registries (host or host:port) that speak plain HTTP.
    pub plain_http: Vec<String>,
}

/// A user name and password for one registry host.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Host or host:port the credentials are for.
    pub registry: String,
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}@{})", self.username, self.registry)
    }
}

/// An image on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Names it is known by.
    pub references: Vec<String>,
    /// `sha256:…` of the manifest: what `imageID` shows after the name.
    pub digest: String,
    /// Bytes on disk.
    pub size: u64,
    /// Entry point and command of the image's own configuration, when it has one.
    pub command: Vec<String>,
    /// The image serves requests (`wasi:http/incoming-handler`) and does not end by itself.
    pub serves: bool,
}
