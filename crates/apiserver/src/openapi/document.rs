//! What documents are made of: paths, and the schemas they speak of.

use std::collections::BTreeSet;

use sampan_api::openapi::{self, Descriptions};
use serde_json::{Map, Value, json};

use super::operations::{self, Place};
use crate::discovery::{Group, Version};

/// What every document speaks of beside its own kinds.
const COMMON: [&str; 3] = ["apis.meta.v1.DeleteOptions", "apis.meta.v1.Status", "apis.meta.v1.Patch"];

/// The paths of one or more group versions, and the types they name.
pub(super) struct Parts {
    pub(super) paths: Map<String, Value>,
    types: BTreeSet<String>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self { paths: Map::new(), types: COMMON.iter().map(|name| (*name).to_owned()).collect() }
    }

    /// Adds the resources of a group version, which are below `path` (`apis/apps/v1`).
    pub(super) fn add(&mut self, path: &str, group: &Group, version: &Version) {
        for served in &version.resources {
            let place = Place { path, group: group.name, version: version.name, served };
            self.types.insert(served.type_name.to_owned());
            self.types.extend(place.list_type());
            self.types.extend(served.subresources.iter().map(|subresource| place.type_of(subresource.kind)));
            operations::add(&mut self.paths, &place);
        }
    }

    /// The schemas of all types, by component name, in the form of v3.
    pub(super) fn components(&self, descriptions: &Descriptions) -> Map<String, Value> {
        let schema = sampan_api::schema();
        let known = self.types.iter().map(String::as_str).filter(|name| schema.get(name).is_some());
        openapi::components(known, descriptions)
    }
}

/// The v3 document of these parts.
pub(super) fn v3(parts: Parts, descriptions: &Descriptions, server_version: &str) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": server_version },
        "components": {
            "schemas": parts.components(descriptions),
            "securitySchemes": {
                "BearerToken": { "type": "apiKey", "in": "header", "name": "authorization", "description": "Bearer token" },
            },
        },
        "paths": parts.paths,
    })
}
