//! Which nodes a pod, a volume or an index is for: node selector terms, read once from their API form.

use sampan_api::k8s::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};

use crate::selector::Labels;

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
    pub fn new(selector: &NodeSelector) -> Self {
        Self(selector.node_selector_terms.iter().map(NodeTerm::new).collect())
    }

    /// Whether any term matches the node of that name and labels.
    pub fn match_node(&self, name: &str, labels: &Labels) -> bool {
        self.0.iter().any(|term| term.matches(name, labels))
    }

    /// The only nodes that can match, when every term names them in `matchFields` (what DaemonSets do). Matches what upstream's
    /// `NodeAffinity.PreFilter` narrows the search to.
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
    pub fn new(term: &NodeSelectorTerm) -> Self {
        let read = |requirements: &Option<Vec<NodeSelectorRequirement>>| {
            requirements.iter().flatten().map(Requirement::new).collect()
        };
        Self { labels: read(&term.match_expressions), names: read(&term.match_fields) }
    }

    /// Whether the node of that name and labels matches.
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
