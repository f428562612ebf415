//! What a namespace says while it goes. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Namespace, NamespaceCondition, NamespaceStatus};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;
use sampan_client::{ApiResource, DynamicObject, PartialObjectMeta, ResourceExt};

/// What an attempt to delete everything left behind.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Report {
    pub(super) discovery_failures: Vec<String>,
    pub(super) content_failures: Vec<String>,
    pub(super) remaining: Vec<Remaining>,
}

/// Objects of one resource that are still there.
#[derive(Debug, PartialEq)]
pub(super) struct Remaining {
    pub(super) resource: String,
    pub(super) count: usize,
    pub(super) finalizers: BTreeMap<String, usize>,
}

impl Remaining {
    pub(super) fn new(resource: &ApiResource, items: &[PartialObjectMeta<DynamicObject>]) -> Self {
        let mut finalizers = BTreeMap::new();
        for finalizer in items.iter().flat_map(|item| item.finalizers()) {
            *finalizers.entry(finalizer.clone()).or_insert(0) += 1;
        }
        Self { resource: format!("{}.{}", resource.plural, resource.group), count: items.len(), finalizers }
    }
}

impl Report {
    /// Everything is gone, and that is certain.
    pub(super) fn is_empty(&self) -> bool {
        self.discovery_failures.is_empty() && self.content_failures.is_empty() && self.remaining.is_empty()
    }
}

/// The status that says that the namespace is going, if it does not say so yet.
pub(super) fn terminating(namespace: &Namespace) -> Option<NamespaceStatus> {
    let mut status = namespace.status.clone().unwrap_or_default();
    let known = status.phase.replace("Terminating".to_owned());
    (known.as_deref() != Some("Terminating")).then_some(status)
}

/// The status with what the report says, if that is anything new. A namespace that went without trouble never had conditions.
pub(super) fn status(namespace: &Namespace, report: &Report, now: Timestamp) -> Option<NamespaceStatus> {
    let mut status = namespace.status.clone().unwrap_or_default();
    if report.is_empty() && status.conditions.as_ref().is_none_or(Vec::is_empty) {
        return None;
    }
    for condition in conditions(report, now) {
        set(status.conditions.get_or_insert_default(), condition);
    }
    (namespace.status.as_ref() != Some(&status)).then_some(status)
}

fn set(conditions: &mut Vec<NamespaceCondition>, mut condition: NamespaceCondition) {
    let known = conditions.iter_mut().find(|known| known.type_ == condition.type_);
    match known {
        None => conditions.push(condition),
        Some(known) => {
            if known.status == condition.status {
                condition.last_transition_time.clone_from(&known.last_transition_time);
            }
            *known = condition;
        }
    }
}

/// Reasons and messages as upstream's `status_condition_utils.go`.
fn conditions(report: &Report, now: Timestamp) -> Vec<NamespaceCondition> {
    let Report { discovery_failures, content_failures, remaining } = report;
    let condition = |type_: &str, failed: bool, good: (&str, &str), bad: (&str, String)| NamespaceCondition {
        type_: type_.to_owned(),
        status: if failed { "True" } else { "False" }.to_owned(),
        reason: Some(if failed { bad.0 } else { good.0 }.to_owned()),
        message: Some(if failed { bad.1 } else { good.1.to_owned() }),
        last_transition_time: Some(Time(now)),
    };
    let mut finalizers: BTreeMap<&str, usize> = BTreeMap::new();
    for (finalizer, count) in remaining.iter().flat_map(|remaining| &remaining.finalizers) {
        *finalizers.entry(finalizer).or_insert(0) += count;
    }
    let counted =
        |remaining: &super::Remaining| format!("{} has {} resource instances", remaining.resource, remaining.count);
    let objects: Vec<String> = remaining.iter().map(counted).collect();
    let waiting: Vec<String> =
        finalizers.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
    vec![
        condition(
            "NamespaceDeletionDiscoveryFailure",
            !discovery_failures.is_empty(),
            ("ResourcesDiscovered", "All resources successfully discovered"),
            (
                "DiscoveryFailed",
                format!(
                    "Discovery failed for some groups, {} failing: {}",
                    discovery_failures.len(),
                    discovery_failures.join(", ")
                ),
            ),
        ),
        condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
            ("GroupVersionParsingFailed", String::new()),
        ),
        condition(
            "NamespaceDeletionContentFailure",
            !content_failures.is_empty(),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            (
                "ContentDeletionFailed",
                format!(
                    "Failed to delete all resource types, {} remaining: {}",
                    content_failures.len(),
                    content_failures.join(", ")
                ),
            ),
        ),
        condition(
            "NamespaceContentRemaining",
            !objects.is_empty(),
            ("ContentRemoved", "All content successfully removed"),
            ("SomeResourcesRemain", format!("Some resources are remaining: {}", objects.join(", "))),
        ),
        condition(
            "NamespaceFinalizersRemaining",
            !waiting.is_empty(),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            (
                "SomeFinalizersRemain",
                format!("Some content in the namespace has finalizers remaining: {}", waiting.join(", ")),
            ),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{now, object};
    use expect_test::expect;
    use serde_json::json;

    fn namespace() -> Namespace {
        object(json!({ "metadata": { "name": "shop" }, "status": { "phase": "Terminating" } }))
    }

    fn stuck() -> Report {
        let finalizers = BTreeMap::from([("example.test/keep".to_owned(), 2)]);
        Report {
            remaining: vec![Remaining { resource: "pods.".to_owned(), count: 3, finalizers }],
            ..Report::default()
        }
    }

    #[test]
    fn what_remains_is_said_once() {
        let mut namespace = namespace();
        namespace.status = status(&namespace, &stuck(), now());
        let lines: Vec<String> = namespace
            .status
            .iter()
            .flat_map(|status| status.conditions.iter().flatten())
            .map(|condition| {
                format!("{}={} {}", condition.type_, condition.status, condition.message.as_deref().unwrap_or_default())
            })
            .collect();
        expect![[r#"
            NamespaceDeletionDiscoveryFailure=False All resources successfully discovered
            NamespaceDeletionGroupVersionParsingFailure=False All legacy kube types successfully parsed
            NamespaceDeletionContentFailure=False All content successfully deleted, may be waiting on finalization
            NamespaceContentRemaining=True Some resources are remaining: pods. has 3 resource instances
            NamespaceFinalizersRemaining=True Some content in the namespace has finalizers remaining: example.test/keep in 2 resource instances"#]]
        .assert_eq(&lines.join("\n"));
        let later = now() + jiff::SignedDuration::from_secs(60);
        assert!(status(&namespace, &stuck(), later).is_none(), "nothing new, nothing written");
        assert!(status(&namespace, &Report::default(), later).is_some(), "the good news is said too");
    }

    #[test]
    fn a_namespace_that_goes_without_trouble_gets_no_conditions() {
        assert!(status(&namespace(), &Report::default(), now()).is_none());
        assert!(terminating(&namespace()).is_none());
    }

    #[test]
    fn a_failed_discovery_keeps_the_namespace() {
        let report = Report { discovery_failures: vec!["apiserver is away".to_owned()], ..Report::default() };
        assert!(!report.is_empty());
        assert!(status(&namespace(), &report, now()).is_some());
    }
}
