//! From client-side to server-side apply: the annotation in which kubectl keeps what it applied.
//! Upstream: `internal/lastappliedmanager.go`, `internal/lastappliedupdater.go`.

use sampan_meta::apply::{Duplicates, FieldSet, Versions as _, check, compare, mentioned};
use sampan_meta::object;
use serde_json::Value;

use super::Writer;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The most bytes all annotations of an object may have. Upstream: `TotalAnnotationSizeLimitB`.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

fn last_applied(object: &Value) -> Option<&str> {
    object::annotation(object, ANNOTATION).filter(|text| !text.is_empty())
}

/// The fields that are still as client-side apply left them, so that `kubectl` may take them over. `None` without (a usable) annotation.
pub(super) fn unchanged(writer: &Writer<'_>, live: &Value) -> Option<FieldSet<'static>> {
    let applied: Value = serde_json::from_str(last_applied(live)?).ok()?;
    if object::api_version(&applied) != writer.api_version {
        return None;
    }
    let typed = writer.versions.typed(&writer.api_version)?;
    check(typed, &applied, Duplicates::Refused).ok()?;
    let change = compare(typed, &applied, live).ok()?;
    let unchanged =
        mentioned(typed, &applied).difference(&change.modified).difference(&change.added).difference(&change.removed);
    Some(unchanged.into_owned())
}

/// Keeps the annotation true while it is there, so that client-side apply still works.
pub(super) fn refresh(object: &mut Value, config: &Value) {
    if last_applied(object).is_none() {
        return;
    }
    let mut config = config.clone();
    object::remove(&mut config, &["metadata", "annotations", ANNOTATION]);
    object::set_annotation(object, ANNOTATION, format!("{config}\n"));
    let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if object::annotations(object).into_iter().flatten().map(size).sum::<usize>() > ANNOTATIONS_LIMIT {
        object::remove(object, &["metadata", "annotations", ANNOTATION]);
    }
}
