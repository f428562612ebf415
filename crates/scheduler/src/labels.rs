//! Node selector terms against a node.

use std::collections::BTreeMap;

use sampan_api::k8s::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

/// Whether any term matches: the terms of a node selector are alternatives, and one without any requirement matches nothing.
pub(crate) fn selector_matches(selector: &NodeSelector, name: &str, labels: &BTreeMap<String, String>) -> bool {
    selector.node_selector_terms.iter().any(|term| term_matches(term, name, labels))
}

pub(crate) fn term_matches(term: &NodeSelectorTerm, name: &str, labels: &BTreeMap<String, String>) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let named = |key: &str| (key == "metadata.name").then_some(name);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|requirement| holds(requirement, labels.get(&requirement.key).map(String::as_str)))
        && fields.iter().all(|requirement| holds(requirement, named(&requirement.key)))
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = || value.is_some_and(|value| values.iter().any(|candidate| candidate == value));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(value, values).is_some_and(|(value, bound)| value > bound),
        "Lt" => compare(value, values).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

fn compare(value: Option<&str>, values: &[String]) -> Option<(i64, i64)> {
    Some((value?.parse().ok()?, values.first()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(terms: serde_json::Value, expected: bool) {
        let selector: NodeSelector = serde_json::from_value(json!({"nodeSelectorTerms": terms})).unwrap();
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned()), ("cores".to_owned(), "8".to_owned())]);
        assert_eq!(selector_matches(&selector, "n1", &labels), expected, "{terms}");
    }

    #[test]
    fn terms_are_alternatives_and_requirements_add_up() {
        check(json!([{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b", "a"]}]}]), true);
        check(
            json!([{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}, {"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]),
            true,
        );
        check(
            json!([{"matchExpressions": [
            {"key": "zone", "operator": "Exists"}, {"key": "gpu", "operator": "Exists"}]}]),
            false,
        );
    }

    #[test]
    fn every_operator_means_what_it_says() {
        let one = |operator: &str, key: &str, values: &[&str]| json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]);
        check(one("NotIn", "zone", &["b"]), true);
        check(one("NotIn", "gpu", &["b"]), true);
        check(one("DoesNotExist", "zone", &[]), false);
        check(one("Gt", "cores", &["4"]), true);
        check(one("Lt", "cores", &["4"]), false);
        check(one("Gt", "zone", &["4"]), false);
        check(one("Like", "zone", &["a"]), false);
    }

    #[test]
    fn an_empty_term_matches_nothing() {
        check(json!([{}]), false);
        check(json!([]), false);
    }
}
