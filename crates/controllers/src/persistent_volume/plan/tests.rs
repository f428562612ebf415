//! Rows about single steps, by matter, and whole histories.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::testing::{ago, object};

mod claims;
mod finding;
mod histories;
mod volumes;

fn merge(into: &mut Value, more: &Value) {
    match more {
        Value::Object(more) => more.iter().for_each(|(name, value)| merge(&mut into[name.as_str()], value)),
        other => *into = other.clone(),
    }
}

fn pvc(more: Value) -> PersistentVolumeClaim {
    let mut claim = json!({
        "metadata": { "name": "data", "namespace": "default", "uid": "claim" },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": { "requests": { "storage": "1Gi" } } },
        "status": { "phase": "Pending" },
    });
    merge(&mut claim, &more);
    object(claim)
}

fn pv(name: &str, more: Value) -> Arc<PersistentVolume> {
    let mut volume = json!({
        "metadata": { "name": name },
        "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "capacity": { "storage": "1Gi" },
            "persistentVolumeReclaimPolicy": "Retain" },
        "status": { "phase": "Available" },
    });
    merge(&mut volume, &more);
    Arc::new(object(volume))
}

fn class(name: &str, provisioner: &str, mode: &str) -> StorageClass {
    object(json!({ "metadata": { "name": name }, "provisioner": provisioner, "volumeBindingMode": mode }))
}

/// What a plan says, in a few words.
fn shown(plan: &Plan) -> String {
    let claim = |claim: &PersistentVolumeClaim| {
        let spec = claim.spec.clone().unwrap_or_default();
        let marks: Vec<String> =
            claim.metadata.annotations.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
        format!(
            "volume {:?} class {:?} {marks:?}",
            spec.volume_name.unwrap_or_default(),
            spec.storage_class_name.unwrap_or_default()
        )
    };
    let step = match &plan.step {
        Step::Settled => "settled".to_owned(),
        Step::Claim(changed) => format!("claim: {}", claim(changed)),
        Step::ClaimStatus(changed) => {
            format!("claim status: {}", serde_json::to_string(&changed.status).expect("json"))
        }
        Step::Volume(changed) => {
            let reference = changed.spec.clone().unwrap_or_default().claim_ref;
            let name = changed.metadata.name.as_deref().unwrap_or_default();
            let reference = reference.map(|reference| {
                format!(
                    "{}/{} {}",
                    reference.namespace.unwrap_or_default(),
                    reference.name.unwrap_or_default(),
                    reference.uid.unwrap_or_default()
                )
            });
            let marks: Vec<&String> = changed.metadata.annotations.iter().flatten().map(|(name, _)| name).collect();
            format!("volume {name}: {reference:?} {marks:?}")
        }
        Step::VolumeStatus(changed) => {
            format!("volume status: {}", serde_json::to_string(&changed.status).expect("json"))
        }
    };
    let says =
        plan.says.as_ref().map(|says| format!("{} {}: {}\n", says.event_type.as_str(), says.reason, says.message));
    format!("{step}\n{}", says.unwrap_or_default())
}

fn check(claim: Value, view: &View<'_>, expected: Expect) {
    expected.assert_eq(&shown(&super::claim(&pvc(claim), view)));
}

fn check_volume(volume: Value, claim: Option<Value>, expected: Expect) {
    let claim = claim.map(pvc);
    expected.assert_eq(&shown(&super::volume(&pv("v", volume), claim.as_ref())));
}

fn bound() -> Value {
    json!({ "spec": { "claimRef": { "namespace": "default", "name": "data", "uid": "claim" } } })
}
