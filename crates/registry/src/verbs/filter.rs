//! Label and field selectors of one list or watch, made ready.

use sampan_meta::Status;
use sampan_meta::selector::{FieldOperator, FieldSelector, LabelSelector};

use crate::apiextensions::SelectedField;
use crate::object::Object;
use crate::resource::Resource;

/// What an object has to be to be listed or watched.
pub(crate) struct Filter {
    labels: Option<LabelSelector>,
    fields: Vec<FieldRequirement>,
    /// Only this namespace can match.
    pub(crate) namespace: Option<String>,
    /// Only this name can match.
    pub(crate) name: Option<String>,
    /// Only objects the cache has indexed under this value can match.
    pub(crate) index: Option<String>,
}

struct FieldRequirement {
    field: String,
    equal: bool,
    value: String,
    /// Where a field of a custom kind is: the cache does not take those out.
    custom: Option<SelectedField>,
}

impl Filter {
    /// `namespace` and `name` are those of the request's path; empty ones restrict nothing.
    ///
    /// # Errors
    /// 400 for a field the kind cannot be selected by.
    pub(crate) fn new(
        resource: &Resource,
        namespace: &str,
        name: &str,
        labels: Option<&LabelSelector>,
        fields: Option<&FieldSelector>,
    ) -> Result<Self, Status> {
        let mut filter = Self {
            labels: labels.filter(|labels| !labels.is_empty()).cloned(),
            fields: Vec::new(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: (!name.is_empty()).then(|| name.to_owned()),
            index: None,
        };
        for requirement in fields.iter().flat_map(|fields| &fields.requirements) {
            let stored = resource.stored_field(&requirement.field);
            let field = stored.ok_or_else(|| unsupported(&requirement.field))?.to_owned();
            let equal = requirement.operator == FieldOperator::Equals;
            let custom = resource
                .as_custom()
                .and_then(|kind| kind.selectable().iter().find(|selectable| selectable.name == field).cloned());
            filter.require(resource, FieldRequirement { field, equal, value: requirement.value.clone(), custom });
        }
        Ok(filter)
    }

    /// Narrows the range to look at where a requirement allows it; whatever does not narrow it is compared with each object.
    fn require(&mut self, resource: &Resource, requirement: FieldRequirement) {
        let FieldRequirement { field, equal, value, .. } = &requirement;
        let narrowed = match field.as_str() {
            "metadata.name" if *equal => Some(&mut self.name),
            "metadata.namespace" if *equal && resource.namespaced => Some(&mut self.namespace),
            field if *equal && !value.is_empty() && resource.strategy.index() == Some(field) => Some(&mut self.index),
            _ => None,
        };
        if let Some(range) = narrowed.filter(|range| range.is_none()) {
            *range = Some(value.clone());
            return;
        }
        self.fields.push(requirement);
    }

    /// Whether nothing but the range restricts, so that what is left of a list can be counted.
    pub(crate) fn selects_all(&self) -> bool {
        self.labels.is_none() && self.fields.is_empty() && self.name.is_none() && self.index.is_none()
    }

    /// Whether what a webhook makes of an object decides.
    pub(crate) fn selects(&self) -> bool {
        self.labels.is_some() || !self.fields.is_empty()
    }

    /// Whether an object of any range matches.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        let in_range = self.namespace.as_deref().is_none_or(|namespace| object.namespace() == namespace)
            && self.name.as_deref().is_none_or(|name| object.name() == name)
            && self.index.as_deref().is_none_or(|index| object.index_value() == Some(index));
        in_range && self.fields_match(object) && self.labels_match(object)
    }

    fn fields_match(&self, object: &Object) -> bool {
        self.fields.iter().all(|requirement| {
            let equal = match &requirement.custom {
                Some(field) => custom_field(object, field) == requirement.value,
                None => object.field(&requirement.field).unwrap_or_default() == requirement.value,
            };
            equal == requirement.equal
        })
    }

    fn labels_match(&self, object: &Object) -> bool {
        self.labels.as_ref().is_none_or(|labels| labels.matches(|key| object.label(key)))
    }
}

/// The text of a field of a custom object; an absent one is empty.
fn custom_field(object: &Object, field: &SelectedField) -> String {
    match field.path.first(&object.value()) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn unsupported(field: &str) -> Status {
    Status::bad_request(format!("field label not supported: {field}"))
}
