//! Which nodes a pod or a volume is for, by name and labels: read once from their API form, asked of many nodes. Upstream:
//! `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`.

use std::collections::BTreeMap;

use crate::k8s::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Which nodes a pod may run on: `nodeSelector` and required node affinity. Upstream: `GetRequiredNodeAffinity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeChoice {
    /// Labels the node must have.
    pub selector: Labels,
    /// Terms one of which must match.
    pub required: Option<NodeTerms>,
}

impl NodeChoice {
    /// Reads what a pod asks for.
    #[must_use]
    pub fn new(spec: &PodSpec) -> Self {
        let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required =
            affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        Self { selector: spec.node_selector.clone().unwrap_or_default(), required: required.map(NodeTerms::new) }
    }

    /// Whether any node will do.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.selector.is_empty() && self.required.is_none()
    }

    /// The only nodes it can be, when terms name them: a daemon's pod is for one node.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&str>> {
        self.required.as_ref().and_then(NodeTerms::names)
    }

    /// Whether the node of that name and labels is one of them.
    #[must_use]
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.required.as_ref().is_none_or(|terms| terms.match_node(name, labels))
    }
}

/// Alternatives: a node matches when one term does. Without any term nothing matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeTerms(Vec<NodeTerm>);

/// Requirements that must all hold; a term without any matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NodeTerm {
    labels: Vec<Requirement>,
    names: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
    /// Not an operator: holds for nothing.
    Unknown,
}

impl NodeTerms {
    /// Reads a node selector.
    #[must_use]
    pub fn new(selector: &NodeSelector) -> Self {
        Self(selector.node_selector_terms.iter().map(NodeTerm::new).collect())
    }

    /// Whether any term matches the node of that name and labels.
    #[must_use]
    pub fn match_node(&self, name: &str, labels: &Labels) -> bool {
        self.0.iter().any(|term| term.matches(name, labels))
    }

    /// The only nodes that can match, when every term names them in `matchFields` (what DaemonSets do). Matches what upstream's
    /// `NodeAffinity.PreFilter` narrows the search to.
    #[must_use]
    pub fn names(&self) -> Option<Vec<&str>> {
        let mut all = Vec::new();
        for term in &self.0 {
            all.extend(term.named()?);
        }
        all.sort_unstable();
        all.dedup();
        Some(all)
    }
}

impl NodeTerm {
    /// Reads one term.
    #[must_use]
    pub fn new(term: &NodeSelectorTerm) -> Self {
        let read = |requirements: &Option<Vec<NodeSelectorRequirement>>| {
            requirements.iter().flatten().map(Requirement::new).collect()
        };
        Self { labels: read(&term.match_expressions), names: read(&term.match_fields) }
    }

    /// Whether the node of that name and labels matches.
    #[must_use]
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        let named = |key: &str| (key == "metadata.name").then_some(name);
        !(self.labels.is_empty() && self.names.is_empty())
            && self.labels.iter().all(|requirement| requirement.holds(labels.get(&requirement.key).map(String::as_str)))
            && self.names.iter().all(|requirement| requirement.holds(named(&requirement.key)))
    }

    fn named(&self) -> Option<Vec<&str>> {
        let lists = |requirement: &&Requirement| {
            requirement.key == "metadata.name" && matches!(requirement.operator, Operator::In)
        };
        let requirement = self.names.iter().find(lists)?;
        Some(requirement.values.iter().map(String::as_str).collect())
    }
}

impl Requirement {
    fn new(requirement: &NodeSelectorRequirement) -> Self {
        let operator = match requirement.operator.as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt,
            "Lt" => Operator::Lt,
            _ => Operator::Unknown,
        };
        Self { key: requirement.key.clone(), operator, values: requirement.values.clone().unwrap_or_default() }
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let listed = || value.is_some_and(|value| self.values.iter().any(|candidate| candidate == value));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compare(value, &self.values).is_some_and(|(value, bound)| value > bound),
            Operator::Lt => compare(value, &self.values).is_some_and(|(value, bound)| value < bound),
            Operator::Unknown => false,
        }
    }
}

fn compare(value: Option<&str>, values: &[String]) -> Option<(i64, i64)> {
    Some((value?.parse().ok()?, values.first()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn terms(terms: &serde_json::Value) -> NodeTerms {
        NodeTerms::new(&serde_json::from_value(json!({"nodeSelectorTerms": terms})).unwrap())
    }

    fn check(given: serde_json::Value, expected: bool) {
        let labels = Labels::from([("zone".to_owned(), "a".to_owned()), ("cores".to_owned(), "8".to_owned())]);
        assert_eq!(terms(&given).match_node("n1", &labels), expected, "{given}");
    }

    #[test]
    fn a_node_must_have_the_labels_of_the_selector_and_match_required_affinity() {
        let fits = |given: serde_json::Value| {
            let spec: PodSpec = serde_json::from_value(given).unwrap();
            NodeChoice::new(&spec).matches("n1", &Labels::from([("zone".to_owned(), "a".to_owned())]))
        };
        let named = |node: &str| {
            json!({"containers": [], "nodeSelector": {"zone": "a"}, "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [
                {"key": "metadata.name", "operator": "In", "values": [node]}]}]}}}})
        };
        assert!(fits(json!({"containers": []})) && fits(named("n1")) && !fits(named("n2")));
        assert!(!fits(json!({"containers": [], "nodeSelector": {"zone": "b"}})));
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

    #[test]
    fn terms_that_all_name_nodes_say_which() {
        let named =
            |names: &[&str]| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": names}]});
        assert_eq!(terms(&json!([named(&["n2"]), named(&["n1", "n2"])])).names(), Some(vec!["n1", "n2"]));
        assert_eq!(
            terms(&json!([named(&["n2"]), {"matchExpressions": [{"key": "a", "operator": "Exists"}]}])).names(),
            None
        );
    }
}
