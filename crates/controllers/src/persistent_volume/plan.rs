//! What to do next about a claim or a volume: one write at a time, each of which brings both back.
//!
//! The binding is two pointers, `claimRef` of the volume and `volumeName` of the claim, and there is no transaction over both: whatever
//! is found half done is finished or undone. Upstream: `pkg/controller/volume/persistentvolume/pv_controller.go`.

mod bind;
mod claim;
mod matching;
#[cfg(test)]
mod tests;
mod volume;

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use sampan_api::k8s::api::storage::v1::StorageClass;
use sampan_client::EventType;

pub(crate) use bind::reference;
pub(crate) use claim::claim;
pub(crate) use volume::volume;

/// What is known about a claim's surroundings.
#[derive(Default)]
pub(crate) struct View<'a> {
    /// All volumes.
    pub(crate) volumes: &'a [Arc<PersistentVolume>],
    /// The class the claim asks for, if there is one of that name.
    pub(crate) class: Option<&'a StorageClass>,
    /// The name of the class for claims that ask for none.
    pub(crate) default_class: Option<&'a str>,
    /// The pods that use the claim and have no node yet.
    pub(crate) waiting_pods: &'a [String],
}

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// All is as it should be.
    Settled,
    Claim(Box<PersistentVolumeClaim>),
    ClaimStatus(Box<PersistentVolumeClaim>),
    Volume(Box<PersistentVolume>),
    VolumeStatus(Box<PersistentVolume>),
}

/// A word to the user about the object of the reconcile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Says {
    pub(crate) event_type: EventType,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What to do, and what to say about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) step: Step,
    pub(crate) says: Option<Says>,
}

impl Plan {
    fn normal(self, reason: &'static str, message: impl Into<String>) -> Self {
        Self { says: Some(Says { event_type: EventType::Normal, reason, message: message.into() }), ..self }
    }

    fn warning(self, reason: &'static str, message: impl Into<String>) -> Self {
        Self { says: Some(Says { event_type: EventType::Warning, reason, message: message.into() }), ..self }
    }
}

impl From<Step> for Plan {
    fn from(step: Step) -> Self {
        Self { step, says: None }
    }
}
