//! Label selectors, read once from their API form, comparable and hashable so that equal ones share an index.

use std::collections::BTreeSet;

use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::LabelSelector;

pub use sampan_api::node_choice::Labels;

/// Requirements on labels that must all hold. Equal whatever the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(Option<BTreeSet<Requirement>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Requirement {
    key: String,
    operator: Operator,
    values: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Selects nothing: what an absent selector means.
    pub fn nothing() -> Self {
        Self(None)
    }

    /// Reads the API form. An absent selector selects nothing, an empty one everything, one that cannot be understood nothing.
    pub fn new(selector: Option<&LabelSelector>) -> Self {
        let Some(selector) = selector else { return Self::nothing() };
        let mut requirements = equalities(selector.match_labels.iter().flatten());
        for expression in selector.match_expressions.iter().flatten() {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return Self::nothing(),
            };
            let values = expression.values.iter().flatten().cloned().collect();
            requirements.insert(Requirement { key: expression.key.clone(), operator, values });
        }
        Self(Some(requirements))
    }

    /// Selects what has all of `labels`.
    pub fn having(labels: &Labels) -> Self {
        Self(Some(equalities(labels.iter())))
    }

    /// Narrowed to objects whose label `key` is `value`.
    #[must_use]
    pub fn and_is(self, key: &str, value: &str) -> Self {
        self.and(key, Operator::In, value)
    }

    /// Narrowed to objects whose label `key` is not `value`.
    #[must_use]
    pub fn and_is_not(self, key: &str, value: &str) -> Self {
        self.and(key, Operator::NotIn, value)
    }

    /// Narrowed to what `other` selects as well.
    #[must_use]
    pub fn and_all(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(mut mine), Some(theirs)) => {
                mine.extend(theirs);
                Self(Some(mine))
            }
            _ => Self::nothing(),
        }
    }

    /// Whether `labels` satisfy every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.as_ref().is_some_and(|requirements| requirements.iter().all(|requirement| requirement.holds(labels)))
    }

    /// Whether everything is selected.
    pub fn is_everything(&self) -> bool {
        self.0.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Whether nothing can be selected.
    pub fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// A label, key and value, that everything selected has: where an index may file the selector.
    pub fn anchor(&self) -> Option<(&str, &str)> {
        let requirements = self.0.as_ref()?;
        let single = |requirement: &&Requirement| requirement.operator == Operator::In && requirement.values.len() == 1;
        let requirement = requirements.iter().find(single)?;
        Some((&requirement.key, requirement.values.first()?))
    }

    fn and(mut self, key: &str, operator: Operator, value: &str) -> Self {
        if let Some(requirements) = &mut self.0 {
            requirements.insert(Requirement {
                key: key.to_owned(),
                operator,
                values: BTreeSet::from([value.to_owned()]),
            });
        }
        self
    }
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

fn equalities<'a>(labels: impl Iterator<Item = (&'a String, &'a String)>) -> BTreeSet<Requirement> {
    let equal = |(key, value): (&String, &String)| Requirement {
        key: key.clone(),
        operator: Operator::In,
        values: BTreeSet::from([value.clone()]),
    };
    labels.map(equal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn selector(value: Value) -> Selector {
        Selector::new(serde_json::from_value::<Option<LabelSelector>>(value).unwrap().as_ref())
    }

    fn check(given: Value, expected: bool) {
        let labels = Labels::from([("app".into(), "web".into()), ("tier".into(), "front".into())]);
        assert_eq!(selector(given.clone()).matches(&labels), expected, "{given}");
    }

    #[test]
    fn an_absent_selector_selects_nothing_and_an_empty_one_everything() {
        check(Value::Null, false);
        check(json!({}), true);
    }

    #[test]
    fn every_operator_means_what_it_says() {
        let one = |operator: &str, key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        check(json!({"matchLabels": {"app": "web"}}), true);
        check(json!({"matchLabels": {"app": "web", "tier": "back"}}), false);
        check(one("In", "app", &["web", "api"]), true);
        check(one("In", "gone", &["web"]), false);
        check(one("NotIn", "app", &["api"]), true);
        check(one("NotIn", "gone", &["api"]), true);
        check(one("Exists", "app", &[]), true);
        check(one("DoesNotExist", "app", &[]), false);
        check(one("Like", "app", &["web"]), false);
    }

    #[test]
    fn the_order_of_requirements_does_not_matter_and_repeats_are_one() {
        let first = json!({"matchExpressions": [
            {"key": "a", "operator": "Exists"}, {"key": "app", "operator": "In", "values": ["web"]}]});
        let second = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]});
        assert_eq!(selector(first), selector(second).and_is("app", "web"));
    }

    #[test]
    fn a_selector_is_filed_under_a_label_all_it_selects_has() {
        assert_eq!(selector(json!({"matchLabels": {"app": "web"}})).anchor(), Some(("app", "web")));
        let loose = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector(loose).anchor(), None);
        assert_eq!(Selector::nothing().anchor(), None);
    }
}
