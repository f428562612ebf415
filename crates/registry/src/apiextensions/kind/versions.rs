//! The versions objects of a custom kind are in, where a webhook converts between them.

use sampan_meta::{Status, object};
use serde_json::Value;

use super::{CustomKind, Version};
use crate::apiextensions::content;
use crate::apiextensions::conversion::{Conversion, failure};
use crate::apiextensions::converter::Converted;
use crate::object::Object;

impl CustomKind {
    /// Who converts objects between versions; `None`: they differ by their name alone.
    pub(in crate::apiextensions) fn conversion(&self) -> Option<&Conversion> {
        self.definition.conversion.as_ref()
    }

    /// Whether a webhook converts objects between versions.
    pub(crate) fn is_converted(&self) -> bool {
        self.definition.conversion.is_some()
    }

    pub(in crate::apiextensions) fn converted(&self) -> &Converted {
        &self.definition.converted
    }

    /// Whether the object lies in the store in another version than it would if it were written now.
    pub(crate) fn is_outdated(&self, stored: &Object) -> bool {
        self.definition.conversion.is_some() && object::api_version(&stored.value()) != self.storage_api_version()
    }

    fn version_of(&self, object: &Value) -> Option<&Version> {
        let api_version = object::api_version(object);
        self.definition.versions.iter().find(|version| version.api_version == api_version).map(|version| &**version)
    }

    /// # Errors
    /// When the object is in a version that the definition does not have, or no more.
    pub(in crate::apiextensions) fn check_version(&self, object: &Value) -> Result<(), Status> {
        if self.version_of(object).is_some() {
            return Ok(());
        }
        let version = object::api_version(object);
        Err(failure(format!("request to convert CR from an invalid group/version: {version}")))
    }

    /// As [`CustomKind::complete`], by the schema of the version the object is in.
    ///
    /// # Errors
    /// When its metadata is malformed.
    pub(in crate::apiextensions) fn complete_as_stored(&self, object: &mut Value) -> Result<(), Status> {
        let Some(version) = self.version_of(object) else { return Ok(()) };
        content::prune(&version.schema, object).map_err(Status::internal)?;
        content::default(&version.schema, object);
        Ok(())
    }

    /// Takes out of a converted object what its version does not declare.
    ///
    /// # Errors
    /// When its metadata is malformed.
    pub(in crate::apiextensions) fn prune_as_is(&self, object: &mut Value) -> Result<(), Status> {
        let Some(version) = self.version_of(object) else { return Ok(()) };
        content::prune(&version.schema, object).map(drop).map_err(Status::internal)
    }
}
