//! From a method and a path to what is asked for.

use http::Method;

use crate::auth::Action;
use crate::error::{Code, Error};
use crate::name::{Digest, Reference, Repository};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/v2/`
    Registry,
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest(Repository, Reference),
    /// `/v2/NAME/blobs/DIGEST`
    Blob(Repository, Digest),
    /// `/v2/NAME/blobs/uploads/`
    Uploads(Repository),
    /// `/v2/NAME/blobs/uploads/ID`
    Upload(Repository, String),
    /// `/v2/NAME/tags/list`
    Tags(Repository),
    /// `/v2/NAME/referrers/DIGEST`
    Referrers(Repository, Digest),
}

impl Target {
    /// Parses what follows `/v2/`, decoded.
    pub(crate) fn parse(path: &str) -> Result<Self, Error> {
        if path.is_empty() {
            return Ok(Self::Registry);
        }
        // From the end, because a repository may have parts that are called like these.
        let parts: Vec<&str> = path.split('/').collect();
        let name = |parts: &[&str]| parts.join("/").parse::<Repository>();
        match parts.as_slice() {
            [repository @ .., "blobs", "uploads"] | [repository @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads(name(repository)?))
            }
            [repository @ .., "blobs", "uploads", id] => Ok(Self::Upload(name(repository)?, (*id).to_owned())),
            [repository @ .., "manifests", reference] => Ok(Self::Manifest(name(repository)?, reference.parse()?)),
            [repository @ .., "blobs", digest] => Ok(Self::Blob(name(repository)?, digest.parse()?)),
            [repository @ .., "referrers", digest] => Ok(Self::Referrers(name(repository)?, digest.parse()?)),
            [repository @ .., "tags", "list"] => Ok(Self::Tags(name(repository)?)),
            _ => Err(Error::new(Code::NameUnknown, format!("there is nothing at /v2/{}", parts.join("/")))),
        }
    }

    pub(crate) fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Registry => None,
            Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Tags(name)
            | Self::Referrers(name, _) => Some(name),
        }
    }

    /// What one must be allowed to ask for this by this method.
    pub(crate) fn action(&self, method: &Method) -> Action {
        match (self, method.as_str()) {
            // Giving up an upload is part of pushing.
            (Self::Uploads(_) | Self::Upload(..), _) => Action::Push,
            (_, "GET" | "HEAD") => Action::Pull,
            (_, "DELETE") => Action::Delete,
            _ => Action::Push,
        }
    }
}
