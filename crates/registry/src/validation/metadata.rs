//! `metadata`. Upstream: `apimachinery/pkg/api/validation/objectmeta.go`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::{dns1123_label, qualified_name};
use serde_json::Value;

use super::{NameRule, invalid_all, labels};

/// Letters that are added to a generated name.
const SUFFIX_PLACEHOLDER: &str = "a";

/// Upstream: `ValidateObjectMeta`.
pub(crate) fn validate(object: &Value, namespaced: bool, rule: NameRule) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("metadata");
    validate_name(&mut errors, object, rule, &path);
    let namespace = object::namespace(object);
    if namespaced {
        if namespace.is_empty() {
            errors.push(field::required(&path.child("namespace"), ""));
        } else {
            invalid_all(&mut errors, &path.child("namespace"), namespace, dns1123_label(namespace));
        }
    }
    validate_maps(&mut errors, object, &path);
    validate_owners(&mut errors, object, &path.child("ownerReferences"));
    for (index, finalizer) in object::finalizers(object).enumerate() {
        validate_finalizer(&mut errors, finalizer, &path.child("finalizers").index(index));
    }
    errors
}

fn validate_name(errors: &mut ErrorList, object: &Value, rule: NameRule, path: &Path) {
    let (name, base) = (object::name(object), object::generate_name(object));
    if !base.is_empty() {
        // The server adds letters: a trailing dash is fine.
        let sample = format!("{base}{SUFFIX_PLACEHOLDER}");
        invalid_all(errors, &path.child("generateName"), base, rule.check(&sample));
    }
    if name.is_empty() {
        errors.push(field::required(&path.child("name"), "name or generateName is required"));
    } else {
        invalid_all(errors, &path.child("name"), name, rule.check(name));
    }
}

fn validate_maps(errors: &mut ErrorList, object: &Value, path: &Path) {
    labels::validate(errors, object::labels(object), &path.child("labels"));
    labels::validate_annotations(errors, object::annotations(object), &path.child("annotations"));
}

fn validate_owners(errors: &mut ErrorList, object: &Value, path: &Path) {
    let mut controller: Option<String> = None;
    for (index, owner) in object::list_at(object, "/metadata/ownerReferences").iter().enumerate() {
        let path = path.index(index);
        for name in ["apiVersion", "kind", "name", "uid"] {
            if object::str_at(owner, &format!("/{name}")).is_none() {
                let why = if name == "apiVersion" { "version must not be empty" } else { "must not be empty" };
                errors.push(field::invalid(&path.child(name), "", why));
            }
        }
        if object::bool_at(owner, "/controller") != Some(true) {
            continue;
        }
        let name = object::str_at(owner, "/name").unwrap_or_default();
        if let Some(first) = &controller {
            let why = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
            );
            errors.push(field::invalid(&path, owner.clone(), why));
        }
        controller = Some(name.to_owned());
    }
}

fn validate_finalizer(errors: &mut ErrorList, finalizer: &str, path: &Path) {
    invalid_all(errors, path, finalizer, qualified_name(finalizer));
    let standard = matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion");
    if !finalizer.contains('/') && !standard {
        let why = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(field::invalid(path, finalizer, why));
    }
}

/// Upstream: `ValidateObjectMetaUpdate`.
pub(crate) fn validate_update(object: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("metadata");
    for name in ["name", "namespace", "uid", "creationTimestamp"] {
        super::immutable(&mut errors, object, old, &format!("/metadata/{name}"), &path.child(name));
    }
    validate_maps(&mut errors, object, &path);
    validate_owners(&mut errors, object, &path.child("ownerReferences"));
    for (index, finalizer) in object::finalizers(object).enumerate() {
        let path = path.child("finalizers").index(index);
        if !object::finalizers(old).any(|before| before == finalizer) {
            validate_finalizer(&mut errors, finalizer, &path);
        }
    }
    validate_added_finalizers(&mut errors, object, old, &path.child("finalizers"));
    errors
}

fn validate_added_finalizers(errors: &mut ErrorList, object: &Value, old: &Value, path: &Path) {
    if object::deletion_timestamp(old).is_none() {
        return;
    }
    let known = |name: &&str| object::finalizers(old).any(|before| before == *name);
    let added: Vec<String> =
        object::finalizers(object).filter(|name| !known(name)).map(|name| format!("{name:?}")).collect();
    if !added.is_empty() {
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        errors.push(field::forbidden(path, why));
    }
}
