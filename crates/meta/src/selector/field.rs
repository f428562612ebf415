//! Field selectors: `metadata.name=web,status.phase!=Running`.

use super::SelectorError;
use std::fmt;

/// A set of requirements on fields, all of which must hold. Which fields a kind can be selected by is the registry's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    pub requirements: Vec<FieldRequirement>,
}

/// What one field must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The path of the field, for example `spec.nodeName`.
    pub field: String,
    pub operator: FieldOperator,
    pub value: String,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldOperator {
    Equals,
    NotEquals,
}

impl FieldSelector {
    /// Selects every object.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads the text form, as in the query parameter `fieldSelector`. In values `\,` `\=` and `\\` stand for the character itself.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for part in split_terms(text).into_iter().filter(|part| !part.is_empty()) {
            let requirement = parse_term(part)
                .ok_or_else(|| SelectorError(format!("invalid selector: '{text}'; can't understand '{part}'")))?;
            requirements.push(requirement?);
        }
        Ok(Self { requirements })
    }

    /// Whether every object is selected.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The value a field must equal, if the selector says so. For `metadata.name` and indexed fields.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let mut exact = self.requirements.iter().filter(|r| r.field == field && r.operator == FieldOperator::Equals);
        exact.next().map(|requirement| requirement.value.as_str())
    }

    /// Whether fields looked up by `field` satisfy every requirement. An absent field counts as empty, as upstream's does.
    pub fn matches<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let equal = field(&requirement.field).unwrap_or_default() == requirement.value;
            equal == (requirement.operator == FieldOperator::Equals)
        })
    }
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// `None`: no operator in it.
fn parse_term(term: &str) -> Option<Result<FieldRequirement, SelectorError>> {
    let position = term.find('=')?;
    let (field, operator, value) = match (term[..position].strip_suffix('!'), term[position + 1..].strip_prefix('=')) {
        (Some(field), _) => (field, FieldOperator::NotEquals, &term[position + 1..]),
        (None, Some(value)) => (&term[..position], FieldOperator::Equals, value),
        (None, None) => (&term[..position], FieldOperator::Equals, &term[position + 1..]),
    };
    Some(unescape(value).map(|value| FieldRequirement { field: field.to_owned(), operator, value }))
}

fn unescape(text: &str) -> Result<String, SelectorError> {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => value.push(escaped),
                other => {
                    let sequence: String = std::iter::once('\\').chain(other).collect();
                    return Err(SelectorError(format!("invalid field selector: invalid escape sequence: {sequence}")));
                }
            },
            ',' | '=' => {
                let why = format!("invalid field selector: unescaped character in value: {character}");
                return Err(SelectorError(why));
            }
            other => value.push(other),
        }
    }
    Ok(value)
}

impl fmt::Display for FieldSelector {
    /// The text form, which [`FieldSelector::parse`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, FieldRequirement { field, operator, value }) in self.requirements.iter().enumerate() {
            let operator = if *operator == FieldOperator::Equals { "=" } else { "!=" };
            let value = value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            write!(f, "{}{field}{operator}{value}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
