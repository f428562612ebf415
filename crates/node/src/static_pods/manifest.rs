//! Manifests in a directory, made into pods of this node.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_meta::GroupVersionKind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{HASH, SOURCE};

/// A manifest larger than this is no pod's.
const MOST_BYTES: u64 = 10 << 20;

/// All pods of the directory, by UID. A file that is no pod is told and left out; its neighbours run.
pub(super) fn read_all(directory: &Path, node: &str) -> BTreeMap<String, Arc<Pod>> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_manifest(path)).collect();
    paths.sort();
    let mut pods = BTreeMap::new();
    for path in paths {
        match read(&path, node) {
            Ok(pod) => drop(pods.insert(pod.metadata.uid.clone().unwrap_or_default(), Arc::new(pod))),
            Err(why) => tracing::error!(path = %path.display(), why, "a static pod's manifest cannot be used"),
        }
    }
    pods
}

fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let kind = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(kind, Some("yaml" | "yml" | "json")) && path.is_file()
}

fn read(path: &Path, node: &str) -> Result<Pod, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MOST_BYTES {
        return Err(format!("it has {size} bytes; at most {MOST_BYTES} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text, node)
}

/// A pod of a manifest: named after the node, its UID made from its content, with the apiserver's defaults.
pub(super) fn parse(text: &str, node: &str) -> Result<Pod, String> {
    let mut pod: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if pod["kind"] != "Pod" || pod["apiVersion"] != "v1" {
        return Err(format!("it is a {} of {}, not a Pod of v1", pod["kind"], pod["apiVersion"]));
    }
    let name =
        pod["metadata"]["name"].as_str().filter(|name| !name.is_empty()).ok_or("metadata.name is missing")?.to_owned();
    let hash: String =
        Sha256::digest(format!("{node}\n{text}")).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let metadata = pod["metadata"].as_object_mut().ok_or("metadata is not an object")?;
    metadata.insert("name".to_owned(), json!(format!("{name}-{node}")));
    metadata.insert("uid".to_owned(), json!(hash));
    metadata.entry("namespace").or_insert_with(|| json!("default"));
    let annotations = metadata
        .entry("annotations")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .ok_or("annotations are not an object")?;
    annotations.insert(SOURCE.to_owned(), json!("file"));
    annotations.insert(HASH.to_owned(), json!(hash));
    let spec = pod["spec"].as_object_mut().ok_or("spec is missing")?;
    spec.insert("nodeName".to_owned(), json!(node));
    let kind = GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "Pod".to_owned() };
    sampan_api::default_object(&kind, &mut pod);
    serde_json::from_value(pod).map_err(|error| error.to_string())
}
