//! How what is ours is found again among what the runtime has: labels to select by, annotations to read.

use std::collections::BTreeMap;

/// Whose an object is: several nodes may share one containerd.
const OWNER: &str = "sampan.dev/owner";
/// The id the node gave the sandbox.
const SANDBOX: &str = "sampan.dev/sandbox";
/// The id the node gave the container.
const CONTAINER: &str = "sampan.dev/container";

/// Of a sandbox: the configuration it was opened with, JSON.
pub(crate) const SANDBOX_CONFIG: &str = "sampan.dev/sandbox-config";
/// Of a container: the image as the node named it.
pub(crate) const IMAGE: &str = "sampan.dev/image";
/// Of a container: where its log goes and how it is bounded, JSON.
pub(crate) const LOG: &str = "sampan.dev/log";

pub(crate) type Labels = BTreeMap<String, String>;

/// The labels of one node's objects.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    owner: String,
}

impl Names {
    pub(crate) fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned() }
    }

    /// Selects all of this node's.
    pub(crate) fn all(&self) -> Labels {
        labels([(OWNER, self.owner.as_str())])
    }

    pub(crate) fn sandbox(&self, id: &str) -> Labels {
        labels([(OWNER, self.owner.as_str()), (SANDBOX, id)])
    }

    pub(crate) fn container(&self, id: &str) -> Labels {
        labels([(OWNER, self.owner.as_str()), (CONTAINER, id)])
    }

    pub(crate) fn container_of(&self, id: &str, sandbox: &str) -> Labels {
        labels([(OWNER, self.owner.as_str()), (CONTAINER, id), (SANDBOX, sandbox)])
    }

    pub(crate) fn is_ours(&self, labels: &Labels) -> bool {
        labels.get(OWNER) == Some(&self.owner)
    }
}

pub(crate) fn sandbox_id(labels: &Labels) -> &str {
    labels.get(SANDBOX).map_or("", String::as_str)
}

pub(crate) fn container_id(labels: &Labels) -> &str {
    labels.get(CONTAINER).map_or("", String::as_str)
}

fn labels<const N: usize>(labels: [(&str, &str); N]) -> Labels {
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
