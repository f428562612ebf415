//! The templates a StatefulSet or DaemonSet has had, as ControllerRevisions. As upstream's `pkg/controller/history`.

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_api::k8s::api::apps::v1::ControllerRevision;
use sampan_api::k8s::api::core::v1::PodTemplateSpec;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_api::k8s::apimachinery::pkg::runtime::RawExtension;
use sampan_client::{Api, DeleteParams, PostParams, Resource, ResourceExt, error};
use serde_json::{Value, json};

use crate::controller::Failure;
use crate::ownership::{self, controller_reference};
use crate::time::or_min;

/// The label of a pod that names its revision, and of a DaemonSet's revision that holds its hash.
pub(crate) const REVISION: &str = "controller-revision-hash";

/// How long the name of the owner may be within the name of a revision, in bytes.
const PREFIX: usize = 223;

/// The revision of a template that is wanted.
#[derive(Debug)]
pub(crate) enum Newest {
    /// It is the newest there is.
    Known(Arc<ControllerRevision>),
    /// An older one comes back, with a new number.
    Renumbered(Box<ControllerRevision>),
    /// There is none yet.
    Missing(Box<ControllerRevision>),
}

/// The state a revision keeps: a patch that puts the template back. Upstream: `getPatch`.
pub(crate) fn snapshot(template: &PodTemplateSpec) -> Value {
    let mut template = serde_json::to_value(template).unwrap_or_default();
    if let Some(members) = template.as_object_mut() {
        members.insert("$patch".to_owned(), "replace".into());
        members.entry("metadata").or_insert_with(|| json!({}));
    }
    json!({ "spec": { "template": template } })
}

/// The template a revision puts back; `None`: it keeps something else.
pub(crate) fn template_of(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let mut template = data(revision)?.pointer("/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    serde_json::from_value(template).ok()
}

pub(crate) fn data(revision: &ControllerRevision) -> Option<&Value> {
    revision.data.as_ref().map(|RawExtension(data)| data)
}

/// FNV-1 over the state and the name collisions so far, spelt without vowels. Upstream: `HashControllerRevision`.
pub(crate) fn hash(data: &Value, collisions: i32) -> String {
    let text = format!("{}{collisions}", as_go_writes(data));
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte));
    let alphabet = sampan_meta::SUFFIX_ALPHABET;
    hash.to_string().bytes().map(|digit| char::from(alphabet[usize::from(digit) % alphabet.len()])).collect()
}

/// Go's JSON escapes what HTML could mistake; such letters stand in strings only.
fn as_go_writes(data: &Value) -> String {
    let mut text = String::new();
    for letter in data.to_string().chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            plain => text.push(plain),
        }
    }
    text
}

/// A revision of `owner` that keeps `template`. `hash_label`: where its hash is written.
pub(crate) fn new<O: Resource<DynamicType = ()>>(
    owner: &O,
    template: &PodTemplateSpec,
    hash_label: &str,
    number: i64,
    collisions: i32,
) -> ControllerRevision {
    let data = snapshot(template);
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let metadata = ObjectMeta {
        namespace: owner.meta().namespace.clone(),
        annotations: owner.meta().annotations.clone(),
        owner_references: Some(vec![controller_reference(owner)]),
        ..ObjectMeta::default()
    };
    let mut revision = ControllerRevision { metadata, data: Some(RawExtension(data)), revision: number };
    name(&mut revision, owner, labels, hash_label, collisions);
    revision
}

fn name<O: Resource>(
    revision: &mut ControllerRevision,
    owner: &O,
    mut labels: BTreeMap<String, String>,
    hash_label: &str,
    collisions: i32,
) {
    let hash = hash(data(revision).unwrap_or(&Value::Null), collisions);
    let prefix = owner.meta().name.as_deref().unwrap_or_default();
    // Names are ASCII, so that any byte is the beginning of a letter.
    revision.metadata.name = Some(format!("{}-{hash}", &prefix[..prefix.len().min(PREFIX)]));
    labels.insert(hash_label.to_owned(), hash);
    revision.metadata.labels = Some(labels);
}

/// Lowest number first; of equal numbers the oldest.
pub(crate) fn sort(revisions: &mut [Arc<ControllerRevision>]) {
    let key = |revision: &Arc<ControllerRevision>| {
        let created = or_min(revision.metadata.creation_timestamp.as_ref());
        (revision.revision, created, revision.metadata.name.clone())
    };
    revisions.sort_by_cached_key(key);
}

/// The number after the highest of sorted revisions.
pub(crate) fn next_number(revisions: &[Arc<ControllerRevision>]) -> i64 {
    revisions.last().map_or(1, |last| last.revision.saturating_add(1))
}

/// Where `wanted` stands among the sorted revisions there are.
pub(crate) fn newest(revisions: &[Arc<ControllerRevision>], wanted: ControllerRevision) -> Newest {
    let keeps_the_same = |revision: &&Arc<ControllerRevision>| data(revision) == data(&wanted);
    match revisions.iter().rfind(keeps_the_same) {
        None => Newest::Missing(Box::new(wanted)),
        Some(_) if revisions.last().as_ref().is_some_and(keeps_the_same) => {
            Newest::Known(revisions.last().expect("it was just looked at").clone())
        }
        Some(older) => {
            let number = wanted.revision;
            Newest::Renumbered(Box::new(ControllerRevision { revision: number, ..(**older).clone() }))
        }
    }
}

/// Makes the newest revision be there; returns it and the name collisions after that.
pub(crate) async fn realize<O: Resource<DynamicType = ()>>(
    api: &Api<ControllerRevision>,
    owner: &O,
    hash_label: &str,
    newest: Newest,
    mut collisions: i32,
) -> Result<(Arc<ControllerRevision>, i32), Failure> {
    let mut wanted = match newest {
        Newest::Known(revision) => return Ok((revision, collisions)),
        Newest::Renumbered(revision) => {
            let written = api.replace(&revision.name_any(), &PostParams::default(), &revision).await?;
            return Ok((Arc::new(written), collisions));
        }
        Newest::Missing(revision) => revision,
    };
    loop {
        match api.create(&PostParams::default(), &wanted).await {
            Ok(created) => return Ok((Arc::new(created), collisions)),
            Err(failure) if error::is_already_exists(&failure) => {}
            Err(failure) => return Err(failure.into()),
        }
        let existing = api.get(&wanted.name_any()).await?;
        let ours = ownership::controller_of(&existing.metadata)
            .is_some_and(|controller| Some(&controller.uid) == owner.meta().uid.as_ref());
        if ours && data(&existing) == data(&wanted) {
            return Ok((Arc::new(existing), collisions));
        }
        collisions = collisions.wrapping_add(1);
        let labels = wanted.metadata.labels.take().unwrap_or_default();
        name(&mut wanted, owner, labels, hash_label, collisions);
    }
}

/// The oldest of the sorted revisions that are not `live`, beyond `limit`. Upstream: `truncateHistory`.
pub(crate) fn surplus<'a>(
    revisions: &'a [Arc<ControllerRevision>],
    live: &dyn Fn(&ControllerRevision) -> bool,
    limit: i32,
) -> Vec<&'a Arc<ControllerRevision>> {
    let Ok(limit) = usize::try_from(limit) else { return Vec::new() };
    let mut dead: Vec<_> = revisions.iter().filter(|revision| !live(revision)).collect();
    dead.truncate(dead.len().saturating_sub(limit));
    dead
}

/// Deletes revisions; those that are gone already are fine.
pub(crate) async fn delete(
    api: &Api<ControllerRevision>,
    revisions: Vec<&Arc<ControllerRevision>>,
) -> Result<(), Failure> {
    for revision in revisions {
        match api.delete(&revision.name_any(), &DeleteParams::default()).await {
            Err(failure) if !error::is_not_found(&failure) => return Err(failure.into()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sampan_api::k8s::api::apps::v1::StatefulSet;

    use super::*;
    use crate::testing::object;

    fn set(image: &str) -> StatefulSet {
        object(json!({
            "metadata": { "name": "test", "uid": "u" },
            "spec": { "selector": { "matchLabels": { "app": "foo" } }, "template": {
                "metadata": { "annotations": { "test": "value" }, "labels": { "app": "foo" } },
                "spec": {
                    "containers": [{
                        "image": image, "imagePullPolicy": "Always", "name": "test", "resources": {},
                        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                    }],
                    "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
                    "securityContext": {}, "terminationGracePeriodSeconds": 30,
                },
            } },
        }))
    }

    fn revision(image: &str, number: i64) -> ControllerRevision {
        let set = set(image);
        new(&set, &set.spec.as_ref().unwrap().template, "controller.kubernetes.io/hash", number, 0)
    }

    /// The set and the name are those of `pkg/controller/statefulset/testdata/compatibility_*_1.34.0.json`.
    #[test]
    fn a_revision_has_the_name_upstream_gives_it() {
        let revision = revision("test", 1);
        assert_eq!(revision.metadata.name.as_deref(), Some("test-776999688b"));
        assert_eq!(revision.metadata.labels.as_ref().unwrap()["controller.kubernetes.io/hash"], "776999688b");
        assert_eq!(template_of(&revision), Some(set("test").spec.unwrap().template));
    }

    #[test]
    fn letters_that_html_could_mistake_are_hashed_as_go_writes_them() {
        assert_eq!(as_go_writes(&json!({ "a": "x<y>&\u{2028}é" })), r#"{"a":"x\u003cy\u003e\u0026\u2028é"}"#);
    }

    #[test]
    fn a_template_that_comes_back_is_renumbered_and_a_new_one_is_made() {
        let mut known: Vec<_> = [revision("two", 2), revision("one", 1)].map(Arc::new).into();
        sort(&mut known);
        let kind = |image: &str| match newest(&known, revision(image, next_number(&known))) {
            Newest::Known(revision) => format!("known {}", revision.revision),
            Newest::Renumbered(revision) => format!("renumbered {}", revision.revision),
            Newest::Missing(revision) => format!("missing {}", revision.revision),
        };
        assert_eq!([kind("two"), kind("one"), kind("three")], ["known 2", "renumbered 3", "missing 3"]);
    }

    #[test]
    fn the_oldest_that_nobody_uses_go_first() {
        let known: Vec<_> = (1..=5).map(|number| Arc::new(revision(&number.to_string(), number))).collect();
        let numbers = |limit| {
            let live = |revision: &ControllerRevision| revision.revision == 1 || revision.revision == 5;
            surplus(&known, &live, limit).iter().map(|revision| revision.revision).collect::<Vec<_>>()
        };
        assert_eq!((numbers(1), numbers(0), numbers(3)), (vec![2, 3], vec![2, 3, 4], vec![]));
    }
}
