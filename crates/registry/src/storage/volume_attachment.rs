//! VolumeAttachments: a volume is to be at a node. Upstream: `pkg/registry/storage/volumeattachment`,
//! `ValidateVolumeAttachment`, `printVolumeAttachment`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::dns1123_subdomain;
use serde_json::Value;

use super::GROUP;
use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::volume_source::validate_driver_name;
use crate::validation::{immutable, invalid_all, persistent_volume};

/// Bytes of what the driver says of an attachment.
const MAX_METADATA: usize = 256 * 1024;
const MAX_MESSAGE: usize = 1024;

pub(crate) struct VolumeAttachmentStrategy;

impl Strategy for VolumeAttachmentStrategy {
    fn names(&self) -> Names {
        let kind = ("VolumeAttachment", "VolumeAttachmentList");
        Names::new(GROUP, kind, ("volumeattachments", "volumeattachment"), "storage.v1.VolumeAttachment")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = validate_all(object);
        let path = Path::new("spec");
        let attacher = object::str_at(object, "/spec/attacher").unwrap_or_default();
        validate_driver_name(&mut errors, attacher, &path.child("attacher"));
        if let Some(name) = object::str_at(object, "/spec/source/persistentVolumeName") {
            let path = path.child("source").child("persistentVolumeName");
            invalid_all(&mut errors, &path, name, dns1123_subdomain(name));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = validate_all(object);
        immutable(&mut errors, object, old, "/spec", &Path::new("spec"));
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        validate_all(object)
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("Attacher", "The driver that attaches."),
            text("PV", "The volume."),
            text("Node", "The node it is to be at."),
            Column::new("Attached", "boolean", "Whether it is there."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            cell::text(object, "/spec/attacher", ""),
            cell::text(object, "/spec/source/persistentVolumeName", ""),
            cell::text(object, "/spec/nodeName", ""),
            object::bool_at(object, "/status/attached").unwrap_or(false).into(),
            cell::age(object, now),
        ]
    }
}

fn validate_all(object: &Value) -> ErrorList {
    let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
    if object::str_at(object, "/spec/attacher").is_none() {
        errors.push(field::required(&path.child("attacher"), ""));
    }
    validate_source(&mut errors, object, &path.child("source"));
    let node = object::str_at(object, "/spec/nodeName").unwrap_or_default();
    invalid_all(&mut errors, &path.child("nodeName"), node, dns1123_subdomain(node));
    validate_status(&mut errors, object, &Path::new("status"));
    errors
}

fn validate_source(errors: &mut ErrorList, object: &Value, path: &Path) {
    let given = |name: &str| object.pointer(&format!("/spec/source/{name}")).filter(|source| !source.is_null());
    let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (given("inlineVolumeSpec"), given("persistentVolumeName")) {
        (None, None) => errors.push(field::required(path, why)),
        (Some(_), Some(_)) => errors.push(field::forbidden(path, why)),
        (None, Some(name)) if name.as_str() == Some("") => {
            let path = path.child("persistentVolumeName");
            errors.push(field::required(&path, "must specify non empty persistentVolumeName"));
        }
        (Some(spec), None) => persistent_volume::validate_inline(errors, spec, &path.child("inlineVolumeSpec")),
        (None, Some(_)) => (),
    }
}

fn validate_status(errors: &mut ErrorList, object: &Value, path: &Path) {
    let metadata = object.pointer("/status/attachmentMetadata").and_then(Value::as_object).into_iter().flatten();
    let size: usize = metadata.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > MAX_METADATA {
        errors.push(field::too_long(&path.child("attachmentMetadata"), MAX_METADATA));
    }
    for name in ["attachError", "detachError"] {
        let message = object::str_at(object, &format!("/status/{name}/message"));
        if message.is_some_and(|message| message.len() > MAX_MESSAGE) {
            // Upstream names the other limit here.
            errors.push(field::too_long(&path.child(name).child("message"), MAX_METADATA));
        }
        let code = object::i64_at(object, &format!("/status/{name}/errorCode"));
        if let Some(code) = code.filter(|code| *code < 0) {
            let why = "must be between 0 and 2147483647, inclusive";
            errors.push(field::invalid(&path.child(name).child("errorCode"), code, why));
        }
    }
}
