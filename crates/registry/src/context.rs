//! Who asks, through which admission, and how: what every verb is given besides the object.

use sampan_api::request::{Admission, Attributes, Operation, Warnings};

/// What becomes of fields the schema does not know (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Dropped without a word.
    Ignore,
    /// Dropped with a warning; the default.
    #[default]
    Warn,
    /// An error.
    Strict,
}

/// One request on its way through the registry.
pub struct RequestContext<'a> {
    /// Who asks for what. `namespace`, `name` and `subresource` say which object is meant.
    pub attributes: &'a Attributes,
    /// Called to change and then to allow every object before it is written.
    pub admission: &'a dyn Admission,
    /// Runs the whole chain and writes nothing.
    pub dry_run: bool,
    /// Who the fields that are written belong to: the `fieldManager` parameter, or what the client calls itself.
    pub field_manager: Option<String>,
    /// What becomes of unknown fields in a patch; whole objects come checked.
    pub field_validation: FieldValidation,
    warnings: Warnings,
}

impl<'a> RequestContext<'a> {
    /// A request that writes for real.
    pub fn new(attributes: &'a Attributes, admission: &'a dyn Admission) -> Self {
        Self {
            attributes,
            admission,
            dry_run: false,
            field_manager: None,
            field_validation: FieldValidation::default(),
            warnings: Warnings::default(),
        }
    }

    /// The same request as a rehearsal: nothing is written.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Names who owns the fields this request sets.
    #[must_use]
    pub fn field_manager(mut self, manager: Option<String>) -> Self {
        self.field_manager = manager;
        self
    }

    /// Says what becomes of unknown fields in a patch.
    #[must_use]
    pub fn field_validation(mut self, validation: FieldValidation) -> Self {
        self.field_validation = validation;
        self
    }

    /// Who owns what this request writes. Upstream: `buildManagerInfo`.
    pub(crate) fn manager(&self) -> &str {
        self.field_manager.as_deref().filter(|manager| !manager.is_empty()).unwrap_or("unknown")
    }

    /// Adds a warning for the client (`Warning: 299` header), once.
    pub fn warn(&self, warning: impl Into<String>) {
        self.warnings.add(warning);
    }

    /// The warnings so far, taken away.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// What the audit log is to be told, taken away.
    pub fn take_annotations(&self) -> std::collections::BTreeMap<String, String> {
        self.warnings.take_annotations()
    }

    /// The same context asked about another object or operation, as admission wants to see it.
    pub(crate) fn admission_request<'b>(
        &'b self,
        operation: Operation,
        old: Option<&'b serde_json::Value>,
    ) -> sampan_api::request::AdmissionRequest<'b> {
        let Self { attributes, dry_run, warnings, .. } = self;
        sampan_api::request::AdmissionRequest { attributes, operation, old, dry_run: *dry_run, warnings }
    }
}
