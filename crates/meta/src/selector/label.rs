//! Label selectors: `app=web,tier in (a,b),!canary`, or `{matchLabels, matchExpressions}`.

mod parse;

use super::SelectorError;
use crate::validation::{label_value, qualified_name};
use serde_json::{Map, Value};
use std::fmt;

/// A set of requirements on labels, all of which must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    /// `None` selects nothing.
    requirements: Option<Vec<LabelRequirement>>,
}

/// What one label must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRequirement {
    pub key: String,
    pub operator: Operator,
    /// Sorted, without repeats.
    pub values: Vec<String>,
}

/// How a label is compared. `=` is `In` of one value and `!=` is `NotIn` of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self { requirements: Some(Vec::new()) }
    }

    /// Selects no object.
    pub fn nothing() -> Self {
        Self { requirements: None }
    }

    /// Reads the text form, as in the query parameter `labelSelector`. An empty text selects everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let requirements =
            parse::requirements(text).map_err(|why| SelectorError(format!("unable to parse requirement: {why}")))?;
        Ok(Self { requirements: Some(requirements) })
    }

    /// Reads the JSON form of `meta.v1.LabelSelector`. Null or absent selects nothing, `{}` everything.
    pub fn from_json(selector: &Value) -> Result<Self, SelectorError> {
        if selector.is_null() {
            return Ok(Self::nothing());
        }
        let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let mut requirements = labels
            .map(|(key, value)| equals(key, value.as_str().unwrap_or_default()))
            .collect::<Result<Vec<_>, _>>()?;
        let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
        for expression in expressions {
            requirements.push(LabelRequirement::from_json(expression)?);
        }
        Ok(Self { requirements: Some(requirements) })
    }

    /// Reads a plain map of labels, as in a Service's `spec.selector`. An absent or empty map selects nothing there, but that is the caller's to know:
    /// here an empty map selects everything and `None` nothing.
    pub fn from_map(labels: Option<&Map<String, Value>>) -> Self {
        let equal = |(key, value): (&String, &Value)| LabelRequirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.as_str().unwrap_or_default().to_owned()],
        };
        Self { requirements: labels.map(|labels| labels.iter().map(equal).collect()) }
    }

    /// Whether every object is selected.
    pub fn is_empty(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether no object can be selected.
    pub fn is_nothing(&self) -> bool {
        self.requirements.is_none()
    }

    /// The requirements; empty for [`Self::nothing`] as well.
    pub fn requirements(&self) -> &[LabelRequirement] {
        self.requirements.as_deref().unwrap_or_default()
    }

    /// Whether labels looked up by `label` satisfy every requirement.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        let Some(requirements) = &self.requirements else { return false };
        requirements.iter().all(|requirement| requirement.matches(label(&requirement.key)))
    }

    /// Whether these labels satisfy every requirement.
    pub fn matches_map(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches(|key| labels?.get(key)?.as_str())
    }
}

impl LabelRequirement {
    /// Checks the key, the values and their number against the operator.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Self, SelectorError> {
        let fail = |why: String| Err(SelectorError(why));
        if let Some(wrong) = qualified_name(key).first() {
            return fail(format!("key: Invalid value: {key:?}: {wrong}"));
        }
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                return fail(
                    "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned(),
                );
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                return fail(
                    "values: Invalid value: values set must be empty for exists and does not exist".to_owned(),
                );
            }
            Operator::GreaterThan | Operator::LessThan if !matches!(&values[..], [one] if one.parse::<i64>().is_ok()) =>
            {
                return fail(
                    "values[0]: Invalid value: for 'Gt', 'Lt' operators, the value must be an integer".to_owned(),
                );
            }
            _ => {}
        }
        for value in &values {
            if let Some(wrong) = label_value(value).first() {
                return fail(format!("values[0][{key}]: Invalid value: {value:?}: {wrong}"));
            }
        }
        let mut values = values;
        values.sort();
        values.dedup();
        Ok(Self { key: key.to_owned(), operator, values })
    }

    fn from_json(expression: &Value) -> Result<Self, SelectorError> {
        let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
        let operator = match text("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(SelectorError(format!("{other:?} is not a valid label selector operator"))),
        };
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.map(|value| value.as_str().unwrap_or_default().to_owned()).collect();
        Self::new(text("key"), operator, values)
    }

    /// Whether the value of the label (`None`: it is not there) satisfies the requirement.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = || value.is_some_and(|value| self.values.iter().any(|listed| listed == value));
        let compare = |ordering| {
            let number = value.and_then(|value| value.parse::<i64>().ok());
            let bound = self.values.first().and_then(|bound| bound.parse::<i64>().ok());
            number.zip(bound).is_some_and(|(number, bound)| number.cmp(&bound) == ordering)
        };
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => compare(std::cmp::Ordering::Greater),
            Operator::LessThan => compare(std::cmp::Ordering::Less),
        }
    }
}

fn equals(key: &str, value: &str) -> Result<LabelRequirement, SelectorError> {
    LabelRequirement::new(key, Operator::In, vec![value.to_owned()])
}

impl fmt::Display for LabelSelector {
    /// The text form, which [`LabelSelector::parse`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements().iter().enumerate() {
            write!(f, "{}{requirement}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for LabelRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        let values = values.join(",");
        match (operator, self.values.len()) {
            (Operator::In, 1) => write!(f, "{key}={values}"),
            (Operator::NotIn, 1) => write!(f, "{key}!={values}"),
            (Operator::In, _) => write!(f, "{key} in ({values})"),
            (Operator::NotIn, _) => write!(f, "{key} notin ({values})"),
            (Operator::Exists, _) => f.write_str(key),
            (Operator::DoesNotExist, _) => write!(f, "!{key}"),
            (Operator::GreaterThan, _) => write!(f, "{key}>{values}"),
            (Operator::LessThan, _) => write!(f, "{key}<{values}"),
        }
    }
}
