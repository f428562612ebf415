//! What is known of a value before there is one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::words::is_word;

/// A type: of a variable, or of what an expression comes to. What is not known is [`Type::Dyn`] and goes with everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Type {
    #[default]
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    /// A type as a value.
    Type,
    List(Arc<ListType>),
    /// Keys and values.
    Map(Arc<(Type, Type)>),
    Optional(Arc<Type>),
    Object(Arc<ObjectType>),
    /// A type that only functions know: `kubernetes.Quantity`, `net.IP`.
    Opaque(&'static str),
}

/// A list as a schema has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListType {
    /// Of each item.
    pub item: Type,
    /// Whether order counts when lists are compared.
    pub order: Order,
}

/// What makes lists equal (`x-kubernetes-list-type`). Joining two with `+` keeps the promise.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Order {
    /// The same items in the same order.
    #[default]
    Atomic,
    /// The same items.
    Set,
    /// The same items by these members.
    Keyed(Vec<String>),
}

/// An object of known fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectType {
    /// Its name in messages.
    pub name: String,
    /// By their names in expressions, which are escaped where they are no words ([`escape`]).
    pub fields: BTreeMap<String, Field>,
}

/// A field of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Field {
    /// Its name in JSON.
    pub json: String,
    /// Of its value.
    pub type_: Type,
}

/// The type of what nothing is known of.
pub static DYN: Type = Type::Dyn;

impl Type {
    /// A list whose order counts.
    pub fn list(item: Type) -> Self {
        Self::List(Arc::new(ListType { item, order: Order::Atomic }))
    }

    /// A map by texts.
    pub fn map(value: Type) -> Self {
        Self::Map(Arc::new((Self::String, value)))
    }

    /// Something that may not be there.
    pub fn optional(inner: Type) -> Self {
        Self::Optional(Arc::new(inner))
    }

    /// An object with these fields, named in JSON as in expressions where they need no escaping.
    pub fn object<'a>(name: &str, fields: impl IntoIterator<Item = (&'a str, Type)>) -> Self {
        let field = |(json, type_): (&str, Type)| Some((escape(json)?, Field { json: json.to_owned(), type_ }));
        Self::Object(Arc::new(ObjectType {
            name: name.to_owned(),
            fields: fields.into_iter().filter_map(field).collect(),
        }))
    }

    /// Whether a value of this type may be one of the other.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn, _) | (_, Self::Dyn) => true,
            (Self::Null, other) | (other, Self::Null) => other.is_nullable(),
            (Self::List(one), Self::List(other)) => one.item.goes_with(&other.item),
            (Self::Map(one), Self::Map(other)) => one.0.goes_with(&other.0) && one.1.goes_with(&other.1),
            (Self::Optional(one), Self::Optional(other)) => one.goes_with(other),
            (Self::Object(one), Self::Object(other)) => one.name == other.name,
            _ => self == other,
        }
    }

    /// Whether there may be null in its place. Upstream: `isLegacyNullable` in cel-go's `checker/types.go`.
    fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Null | Self::Optional(_) | Self::Object(_) | Self::Opaque(_) | Self::Timestamp | Self::Duration
        )
    }

    /// What both are, else nothing known.
    pub(crate) fn joined(self, other: &Self) -> Self {
        if self == *other { self } else { Self::Dyn }
    }

    /// What indexing and loops find in it.
    pub(crate) fn element(&self) -> Option<Type> {
        match self {
            Self::Dyn => Some(Self::Dyn),
            Self::List(list) => Some(list.item.clone()),
            Self::Map(map) => Some(map.1.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => out.write_str("dyn"),
            Self::Null => out.write_str("null"),
            Self::Bool => out.write_str("bool"),
            Self::Int => out.write_str("int"),
            Self::Uint => out.write_str("uint"),
            Self::Double => out.write_str("double"),
            Self::String => out.write_str("string"),
            Self::Bytes => out.write_str("bytes"),
            Self::Timestamp => out.write_str("timestamp"),
            Self::Duration => out.write_str("duration"),
            Self::Type => out.write_str("type"),
            Self::List(list) => write!(out, "list({})", list.item),
            Self::Map(map) => write!(out, "map({}, {})", map.0, map.1),
            Self::Optional(inner) => write!(out, "optional_type({inner})"),
            Self::Object(object) => out.write_str(&object.name),
            Self::Opaque(name) => out.write_str(name),
        }
    }
}

/// The name of a JSON member in expressions: `my-field` is `my__dash__field`; `None` if it has none. Upstream: `apiserver/pkg/cel/escaping.go`.
pub fn escape(name: &str) -> Option<String> {
    let begins = name.chars().next()?;
    if begins.is_ascii_digit() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-/$".contains(letter))
    {
        return None;
    }
    if is_word(name) {
        return Some(format!("__{name}__"));
    }
    if name.contains('$') {
        return None;
    }
    let name = name.replace("__", "\u{0}").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__");
    Some(name.replace('\u{0}', "__underscores__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_words_are_escaped_as_upstream_does() {
        for (name, escaped) in [
            ("plain", Some("plain")),
            ("while", Some("__while__")),
            ("my-field", Some("my__dash__field")),
            ("a.b/c", Some("a__dot__b__slash__c")),
            ("a__b", Some("a__underscores__b")),
            ("namespace", Some("__namespace__")),
            ("0day", None),
            ("über", None),
            ("", None),
        ] {
            assert_eq!(escape(name).as_deref(), escaped, "{name}");
        }
    }
}
