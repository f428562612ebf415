//! What documents are made of: paths, and the schemas they speak of.

use std::collections::BTreeSet;

use sampan_api::openapi::{self, Descriptions};
use serde_json::{Map, Value, json};

use super::custom;
use super::operations::{self, Place};
use crate::discovery::{Group, Served, Version};

/// What every document speaks of beside its own kinds.
const COMMON: [&str; 3] = ["apis.meta.v1.DeleteOptions", "apis.meta.v1.Status", "apis.meta.v1.Patch"];

/// The paths of one or more group versions, and the types they name.
pub(super) struct Parts {
    pub(super) paths: Map<String, Value>,
    types: BTreeSet<String>,
    custom: Vec<(String, String, Served)>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self { paths: Map::new(), types: COMMON.iter().map(|name| (*name).to_owned()).collect(), custom: Vec::new() }
    }

    /// Adds the resources of a group version, which are below `path` (`apis/apps/v1`).
    pub(super) fn add(&mut self, path: &str, group: &Group, version: &Version) {
        for served in &version.resources {
            let place = Place { path, group: group.name, version: version.name, served };
            match served.custom {
                Some(_) => self.custom.push((group.name.to_owned(), version.name.to_owned(), served.clone())),
                None => {
                    self.types.insert(served.type_name.to_owned());
                    self.types.extend(place.list_type());
                }
            }
            self.types.extend(served.subresources.iter().map(|subresource| place.type_of(subresource.kind)));
            operations::add(&mut self.paths, &place);
        }
    }

    /// The schemas of all types, by component name, in the form of v3.
    pub(super) fn components(&self, descriptions: &Descriptions) -> Map<String, Value> {
        let schema = sampan_api::schema();
        let known = self.types.iter().map(String::as_str).filter(|name| schema.get(name).is_some());
        let metadata = ["apis.meta.v1.ObjectMeta", "apis.meta.v1.ListMeta"].into_iter();
        let mut components =
            openapi::components(known.chain(metadata.filter(|_| !self.custom.is_empty())), descriptions);
        for (group, version, served) in &self.custom {
            custom::add(&mut components, (group, version), served, descriptions);
        }
        components
    }

    /// The same without what v2 cannot say of custom kinds.
    pub(super) fn components_v2(&self, descriptions: &Descriptions) -> Map<String, Value> {
        let mut components = self.components(descriptions);
        for (group, version, served) in &self.custom {
            let name = custom::name(group, version, served.kind);
            if let Some(component) = components.get_mut(&name) {
                custom::simplified(component);
            }
        }
        components
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
