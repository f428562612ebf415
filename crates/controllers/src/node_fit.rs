//! Whether a pod fits a node by what both say of labels and taints. The scheduler asks the same of a node with pods on it; here it is
//! asked of nodes a DaemonSet may want.

use std::collections::BTreeMap;

use sampan_api::k8s::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec};
use sampan_api::k8s::api::core::v1::{Taint, Toleration};

/// Whether the node has the labels of `nodeSelector` and matches the required node affinity. Upstream: `GetRequiredNodeAffinity`.
pub(crate) fn matches_affinity(spec: &PodSpec, node: &Node) -> bool {
    let no_labels = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&no_labels);
    let mut wanted = spec.node_selector.iter().flatten();
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    wanted.all(|(key, value)| labels.get(key) == Some(value))
        && required.is_none_or(|selector| matches(selector, node.metadata.name.as_deref(), labels))
}

/// The terms of a node selector are alternatives; one without any requirement matches nothing.
pub(crate) fn matches(selector: &NodeSelector, name: Option<&str>, labels: &BTreeMap<String, String>) -> bool {
    selector.node_selector_terms.iter().any(|term| term_matches(term, name, labels))
}

fn term_matches(term: &NodeSelectorTerm, name: Option<&str>, labels: &BTreeMap<String, String>) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let field = |key: &str| name.filter(|_| key == "metadata.name");
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|requirement| holds(requirement, labels.get(&requirement.key).map(String::as_str)))
        && fields.iter().all(|requirement| holds(requirement, field(&requirement.key)))
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = || value.is_some_and(|value| values.iter().any(|candidate| candidate == value));
    let compared = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared().is_some_and(|(value, bound)| value > bound),
        "Lt" => compared().is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

/// Whether the pod tolerates all taints of the node with one of these effects.
pub(crate) fn tolerates_all(spec: &PodSpec, node: &Node, effects: &[&str]) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let counting = taints.iter().filter(|taint| effects.contains(&taint.effect.as_str()));
    counting.into_iter().all(|taint| tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

/// An empty key with `Exists` tolerates everything, an empty effect every effect. Upstream: `Toleration.ToleratesTaint`.
pub(crate) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    if (!effect.is_empty() && effect != taint.effect) || (!key.is_empty() && key != taint.key) {
        return false;
    }
    match toleration.operator.as_deref() {
        Some("Exists") => true,
        None | Some("" | "Equal") => {
            !key.is_empty()
                && toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
        }
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::object;

    #[test]
    fn selectors_and_affinity_both_have_to_match() {
        let node: Node = object(json!({ "metadata": { "name": "n1", "labels": { "zone": "a", "cores": "8" } } }));
        let fits = |spec: Value| {
            let mut spec = spec;
            spec["containers"] = json!([]);
            matches_affinity(&object(spec), &node)
        };
        let required = |terms: Value| json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } } });
        let expression = |key: &str, operator: &str, values: &[&str]| json!([{ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }]);
        assert!(fits(json!({})));
        assert!(fits(json!({ "nodeSelector": { "zone": "a" } })) && !fits(json!({ "nodeSelector": { "zone": "b" } })));
        for (key, operator, values, expected) in [
            ("zone", "In", &["b", "a"][..], true),
            ("zone", "NotIn", &["a"], false),
            ("gpu", "NotIn", &["a"], true),
            ("gpu", "Exists", &[], false),
            ("gpu", "DoesNotExist", &[], true),
            ("cores", "Gt", &["4"], true),
            ("cores", "Lt", &["4"], false),
            ("zone", "Gt", &["4"], false),
        ] {
            assert_eq!(fits(required(expression(key, operator, values))), expected, "{key} {operator}");
        }
        let named =
            |name: &str| json!([{ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [name] }] }]);
        assert!(fits(required(named("n1"))) && !fits(required(named("n2"))));
        assert!(!fits(required(json!([{}]))), "an empty term matches nothing");
    }
}
