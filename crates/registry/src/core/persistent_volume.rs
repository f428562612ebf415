//! PersistentVolumes. Upstream: `pkg/registry/core/persistentvolume`, `ValidatePersistentVolume`, `printPersistentVolume`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::{Value, json};

use super::persistent_volume_claim::{access_modes, phase};
use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::{immutable, persistent_volume, volume_affinity};

/// The class as it was written before there was a field.
pub(super) const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const MOUNT_OPTIONS_ANNOTATION: &str = "volume.beta.kubernetes.io/mount-options";
pub(super) const UNSET: &str = "<unset>";

/// Sources nobody serves any more: how they are called, since when they are on the way out, since when they are out.
const RETIRED: [(&str, &str, &str, &str); 6] = [
    ("photonPersistentDisk", "photonPersistentDisk", "v1.11", "v1.16+"),
    ("scaleIO", "scaleIO", "v1.16", "v1.22+"),
    ("storageos", "storageOS", "v1.22", "v1.25+"),
    ("glusterfs", "glusterfs", "v1.25", "v1.26+"),
    ("cephfs", "cephfs", "v1.28", "v1.31+"),
    ("rbd", "rbd", "v1.28", "v1.31+"),
];

pub(crate) struct PersistentVolumeStrategy;

impl Strategy for PersistentVolumeStrategy {
    fn names(&self) -> Names {
        let kind = ("PersistentVolume", "PersistentVolumeList");
        let names = ("persistentvolumes", "persistentvolume");
        Names::new(("", "v1"), kind, names, "core.v1.PersistentVolume").short(&["pv"])
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn prepare_create(&self, object: &mut Value) {
        let created = object.pointer("/metadata/creationTimestamp").cloned().unwrap_or_default();
        object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": created});
    }

    fn record_time(&self, object: &mut Value, old: &Value, now: Timestamp) {
        let part = |value: &Value, name: &str| value.pointer(&format!("/status/{name}")).cloned();
        let moved = part(object, "phase") != part(old, "phase");
        if moved && part(object, "lastPhaseTransitionTime") == part(old, "lastPhaseTransitionTime") {
            object::set(object, &["status", "lastPhaseTransitionTime"], sampan_meta::time::format_time(now).into());
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let spec = object.get("spec").unwrap_or(&Value::Null);
        persistent_volume::validate(&mut errors, spec, object::name(object), &Path::new("spec"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        validate_source_kept(&mut errors, object, old);
        immutable(&mut errors, object, old, "/spec/volumeMode", &Path::new("volumeMode"));
        if old.pointer("/spec/nodeAffinity").is_some_and(Value::is_object) {
            validate_affinity_kept(&mut errors, object, old);
        }
        let class = "/spec/volumeAttributesClassName";
        let given = |value: &Value| value.pointer(class).is_some_and(Value::is_string);
        if given(old) && !given(object) {
            let path = Path::new("spec").child("volumeAttributesClassName");
            errors.push(field::forbidden(&path, "update from non-nil value to nil is forbidden"));
        }
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        warnings(object)
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("Capacity", "How much it holds."),
            text("Access Modes", "Who may mount it at a time."),
            text("Reclaim Policy", "What becomes of it when its claim is gone."),
            text("Status", "Whether it is bound."),
            text("Claim", "The claim it is bound to."),
            text("StorageClass", "The class it belongs to."),
            text("VolumeAttributesClass", "The class of its attributes."),
            text("Reason", "Why it failed."),
            cell::age_column(),
            text("VolumeMode", "A file system or a bare device.").wide(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let claim = object.pointer("/spec/claimRef").filter(|claim| claim.is_object()).map(|claim| {
            let text = |name: &str| object::str_at(claim, name).unwrap_or_default();
            format!("{}/{}", text("/namespace"), text("/name"))
        });
        let class = object::annotation(object, CLASS_ANNOTATION);
        vec![
            cell::name(object),
            cell::text(object, "/spec/capacity/storage", "0"),
            access_modes(object, "/spec/accessModes").into(),
            cell::text(object, "/spec/persistentVolumeReclaimPolicy", ""),
            phase(object).into(),
            claim.unwrap_or_default().into(),
            class.map_or_else(|| cell::text(object, "/spec/storageClassName", ""), Cell::from),
            cell::text(object, "/spec/volumeAttributesClassName", UNSET),
            cell::text(object, "/status/reason", ""),
            cell::age(object, now),
            cell::text(object, "/spec/volumeMode", UNSET),
        ]
    }
}

/// A secret for growing may be added to a CSI source; nothing else of any source changes.
fn validate_source_kept(errors: &mut ErrorList, object: &Value, old: &Value) {
    let spec = |value: &Value| value.get("spec").cloned().unwrap_or_default();
    let (mut now, before) = (spec(object), spec(old));
    let secret = "/csi/controllerExpandSecretRef";
    if before.pointer(secret).is_none_or(Value::is_null) {
        object::remove(&mut now, &["csi", "controllerExpandSecretRef"]);
    }
    if persistent_volume::source_of(&now) != persistent_volume::source_of(&before) {
        let path = Path::new("spec").child("persistentvolumesource");
        errors.push(field::forbidden(&path, "spec.persistentvolumesource is immutable after creation"));
    }
}

/// Nodes may get the newer names of their labels. Upstream: `validatePvNodeAffinity`.
fn validate_affinity_kept(errors: &mut ErrorList, object: &Value, old: &Value) {
    let affinity = |value: &Value| value.pointer("/spec/nodeAffinity").cloned().unwrap_or_default();
    let (now, mut before) = (affinity(object), affinity(old));
    if now == before {
        return;
    }
    rename_labels(&mut before);
    if now != before {
        let why = "field is immutable, except for updating from beta label to GA";
        errors.push(field::invalid(&Path::new("nodeAffinity"), now, why));
    }
}

fn rename_labels(affinity: &mut Value) {
    let terms = affinity.pointer_mut("/required/nodeSelectorTerms").and_then(Value::as_array_mut);
    let lists = terms.into_iter().flatten().filter_map(|term| term.get_mut("matchExpressions")?.as_array_mut());
    for requirement in lists.flatten() {
        let newer = match object::str_at(requirement, "/key") {
            Some("failure-domain.beta.kubernetes.io/region") => "topology.kubernetes.io/region",
            Some("failure-domain.beta.kubernetes.io/zone") => "topology.kubernetes.io/zone",
            Some("beta.kubernetes.io/instance-type") => "node.kubernetes.io/instance-type",
            _ => continue,
        };
        requirement["key"] = newer.into();
    }
}

/// Upstream: `pkg/api/persistentvolume/util.go`.
fn warnings(object: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for (annotation, what) in [
        (CLASS_ANNOTATION, "deprecated since v1.8; use \"storageClassName\" attribute instead"),
        (MOUNT_OPTIONS_ANNOTATION, "deprecated since v1.31; use \"mountOptions\" attribute instead"),
    ] {
        if object::annotation(object, annotation).is_some() {
            let path = Path::new("metadata").child("annotations").key(annotation);
            warnings.push(format!("{path}: {what}"));
        }
    }
    if object::str_at(object, "/spec/persistentVolumeReclaimPolicy") == Some("Recycle") {
        let what = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.";
        warnings.push(format!("spec.persistentVolumeReclaimPolicy: {what}"));
    }
    if let Some(required) = object.pointer("/spec/nodeAffinity/required") {
        let path = Path::new("spec").child("nodeAffinity").child("required");
        warnings.extend(volume_affinity::warnings(required, &path));
    }
    for (source, name, since, out) in RETIRED {
        if object.pointer(&format!("/spec/{source}")).is_some_and(Value::is_object) {
            warnings.push(format!("spec.{name}: deprecated in {since}, non-functional in {out}"));
        }
    }
    warnings
}
