//! Volume mounts. Upstream: `ValidateVolumeMounts`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

pub(super) fn validate(errors: &mut ErrorList, container: &Value, volumes: &BTreeSet<&str>, path: &Path) {
    let mut mounted = BTreeSet::new();
    for (index, mount) in object::list_at(container, "/volumeMounts").iter().enumerate() {
        let path = path.index(index);
        match object::str_at(mount, "/name") {
            None => errors.push(field::required(&path.child("name"), "")),
            Some(name) if !volumes.contains(name) => errors.push(field::not_found(&path.child("name"), name)),
            Some(_) => (),
        }
        match object::str_at(mount, "/mountPath") {
            None => errors.push(field::required(&path.child("mountPath"), "")),
            Some(place) if !mounted.insert(place) => {
                errors.push(field::invalid(&path.child("mountPath"), place, "must be unique"));
            }
            Some(_) => (),
        }
        validate_sub_path(errors, mount, "subPath", &path);
        validate_sub_path(errors, mount, "subPathExpr", &path);
        if object::str_at(mount, "/subPath").is_some() && object::str_at(mount, "/subPathExpr").is_some() {
            let given = object::str_at(mount, "/subPathExpr").unwrap_or_default();
            errors.push(field::invalid(
                &path.child("subPathExpr"),
                given,
                "subPathExpr and subPath are mutually exclusive",
            ));
        }
    }
}

/// A relative path that does not climb. Upstream: `validateLocalDescendingPath`.
fn validate_sub_path(errors: &mut ErrorList, mount: &Value, name: &str, path: &Path) {
    let Some(given) = object::str_at(mount, &format!("/{name}")) else { return };
    if given.starts_with('/') {
        errors.push(field::invalid(&path.child(name), given, "must be a relative path"));
    }
    if given.split('/').any(|part| part == "..") {
        errors.push(field::invalid(&path.child(name), given, "must not contain '..'"));
    }
}
