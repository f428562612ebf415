//! Schemas that become known at run time: those of custom kinds. Upstream: what `typed.ToSchema` makes of a structural schema.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::schema::{Schema, Type};

/// A place as a schema of run time describes it.
#[derive(Debug)]
pub struct Described {
    /// What may be there.
    pub form: Form,
    /// Owned as a whole.
    pub atomic: bool,
    /// What an absent value counts as.
    pub default: Option<Value>,
}

/// What may be at a place.
#[derive(Debug)]
pub enum Form {
    Number,
    String,
    Boolean,
    IntOrString,
    /// Declared fields, and what any other member is; without that there are no others.
    Object {
        fields: BTreeMap<String, Described>,
        others: Option<Box<Described>>,
    },
    List {
        item: Box<Described>,
        items: Items,
    },
    /// Anything: objects are owned field by field, lists as a whole.
    Deduced,
    /// A type of the schema table: the metadata.
    Table(&'static Schema, &'static Type),
}

/// How the elements of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// They are not: the list is owned as a whole.
    Atomic,
    /// By value.
    Set,
    /// By the values of these fields.
    Map(Vec<String>),
}

impl Described {
    /// A place that is owned part by part and has no default.
    pub fn new(form: Form) -> Self {
        Self { form, atomic: false, default: None }
    }

    pub(super) fn declares(&self, name: &str) -> bool {
        matches!(&self.form, Form::Object { fields, .. } if fields.contains_key(name))
    }

    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Form::Object { fields, others } = &self.form else { return None };
        fields.get(name).or(others.as_deref())
    }

    pub(super) fn default_of(&self, name: &str) -> Option<&Value> {
        self.member(name)?.default.as_ref()
    }

    pub(super) fn item(&self) -> Option<&Self> {
        match &self.form {
            Form::List { item, .. } => Some(item),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &Items {
        match &self.form {
            Form::List { items, .. } => items,
            _ => &Items::Atomic,
        }
    }
}
