//! Volumes. Upstream: `ValidateVolumes`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_label;
use serde_json::Value;

use super::invalid_all;

/// Checks the volumes of a pod spec and answers their names.
pub(crate) fn validate_all<'a>(errors: &mut ErrorList, spec: &'a Value, path: &Path) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in object::list_at(spec, "/volumes").iter().enumerate() {
        let path = path.index(index);
        validate_source(errors, volume, &path);
        match object::str_at(volume, "/name") {
            None => errors.push(field::required(&path.child("name"), "")),
            Some(name) => {
                invalid_all(errors, &path.child("name"), name, dns1123_label(name));
                if !names.insert(name) {
                    errors.push(field::duplicate(&path.child("name"), name));
                }
            }
        }
    }
    names
}

fn validate_source(errors: &mut ErrorList, volume: &Value, path: &Path) {
    let members = volume.as_object().into_iter().flatten();
    let sources: Vec<(&String, &Value)> =
        members.filter(|(name, value)| *name != "name" && value.is_object()).collect();
    if sources.is_empty() {
        errors.push(field::required(path, "must specify a volume type"));
    }
    for (extra, _) in sources.iter().skip(1) {
        errors.push(field::forbidden(&path.child(extra), "may not specify more than 1 volume type"));
    }
    let Some((kind, source)) = sources.first() else { return };
    validate_kind(errors, kind, source, &path.child(kind));
}

fn validate_kind(errors: &mut ErrorList, kind: &str, source: &Value, path: &Path) {
    let required = match kind {
        "secret" => "secretName",
        "configMap" => "name",
        "hostPath" => "path",
        "persistentVolumeClaim" => "claimName",
        "projected" => return validate_projected(errors, source, path),
        _ => return,
    };
    if object::str_at(source, &format!("/{required}")).is_none() {
        errors.push(field::required(&path.child(required), ""));
    }
    validate_items(errors, source, path);
}

fn validate_items(errors: &mut ErrorList, source: &Value, path: &Path) {
    if let Some(mode) = object::i64_at(source, "/defaultMode").filter(|mode| !(0..=0o777).contains(mode)) {
        errors.push(field::invalid(
            &path.child("defaultMode"),
            mode,
            "must be a number between 0 and 0777 (octal), both inclusive",
        ));
    }
    for (index, item) in object::list_at(source, "/items").iter().enumerate() {
        let path = path.child("items").index(index);
        let downward = item.get("fieldRef").or_else(|| item.get("resourceFieldRef")).is_some();
        if !downward && object::str_at(item, "/key").is_none() {
            errors.push(field::required(&path.child("key"), ""));
        }
        match object::str_at(item, "/path") {
            None => errors.push(field::required(&path.child("path"), "")),
            Some(given) => validate_relative(errors, given, &path.child("path")),
        }
    }
}

fn validate_relative(errors: &mut ErrorList, given: &str, path: &Path) {
    if given.starts_with('/') {
        errors.push(field::invalid(path, given, "must be a relative path"));
    }
    if given.split('/').any(|part| part == "..") {
        errors.push(field::invalid(path, given, "must not contain '..'"));
    }
    if given.starts_with("..") && !given.starts_with("../") {
        errors.push(field::invalid(path, given, "must not start with '..'"));
    }
}

fn validate_projected(errors: &mut ErrorList, projected: &Value, path: &Path) {
    for (index, source) in object::list_at(projected, "/sources").iter().enumerate() {
        let path = path.child("sources").index(index);
        let members = source.as_object().into_iter().flatten().filter(|(_, value)| value.is_object());
        let given: Vec<(&String, &Value)> = members.collect();
        for (extra, _) in given.iter().skip(1) {
            errors.push(field::forbidden(&path.child(extra), "may not specify more than 1 volume type"));
        }
        let Some((kind, source)) = given.first() else { continue };
        let path = path.child(kind);
        let named = matches!(kind.as_str(), "secret" | "configMap");
        if named && object::str_at(source, "/name").is_none() {
            errors.push(field::required(&path.child("name"), ""));
        }
        if kind.as_str() == "serviceAccountToken" && object::str_at(source, "/path").is_none() {
            errors.push(field::required(&path.child("path"), ""));
        }
        validate_items(errors, source, &path);
    }
}
