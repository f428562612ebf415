//! One group version's document: its paths and the schemas they speak of.

use std::collections::BTreeSet;

use sampan_api::openapi;
use serde_json::{Map, Value, json};

use super::operations::{self, Place};
use crate::discovery::Served;

/// What every document speaks of beside its own kinds.
const COMMON: [&str; 3] = ["apis.meta.v1.DeleteOptions", "apis.meta.v1.Status", "apis.meta.v1.Patch"];

/// The document of the resources below `path` (`apis/apps/v1`).
pub(super) fn of<'a>(
    path: &str,
    group: &str,
    version: &str,
    resources: impl Iterator<Item = &'a Served>,
    server_version: &str,
) -> Value {
    let mut paths = Map::new();
    let mut types: BTreeSet<String> = COMMON.iter().map(|name| (*name).to_owned()).collect();
    for served in resources {
        let place = Place { path, group, version, served };
        types.insert(served.type_name.to_owned());
        types.extend(place.list_type());
        types.extend(served.subresources.iter().map(|subresource| place.type_of(subresource.kind)));
        operations::add(&mut paths, &place);
    }
    let schema = sampan_api::schema();
    let known = types.iter().map(String::as_str).filter(|name| schema.get(name).is_some());
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": server_version },
        "paths": paths,
        "components": {
            "schemas": openapi::components(known),
            "securitySchemes": {
                "BearerToken": { "type": "apiKey", "in": "header", "name": "authorization", "description": "Bearer token" },
            },
        },
    })
}
