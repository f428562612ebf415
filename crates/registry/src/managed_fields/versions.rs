//! The versions in which managers may name the fields of one object.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_meta::apply::{FieldSet, Typed, Versions};
use sampan_meta::schema::Type;
use serde_json::Value;

use crate::apiextensions::CustomKind;
use crate::resource::{Kind, Resource};
use crate::strategy::Names;
use crate::view::View;

pub(crate) struct ObjectVersions {
    /// The stored one first. Of a custom kind only that: its definition knows the others.
    known: Vec<Version>,
    custom: Option<Arc<CustomKind>>,
    conversions: Mutex<Conversions>,
    ignored: FieldSet<'static>,
}

/// What a webhook has made of objects, and what it has yet to be asked: sets of fields are settled without waiting for anybody, again
/// and again until nothing is missing.
#[derive(Default)]
struct Conversions {
    /// Objects, versions, and the objects in these versions.
    known: Vec<(Value, String, Value)>,
    missing: Vec<(Value, String)>,
}

struct Version {
    api_version: String,
    type_: Option<&'static Type>,
    /// How it differs from the stored one.
    view: Option<&'static dyn View>,
}

impl ObjectVersions {
    /// The versions of a kind, written through the main resource or a subresource.
    pub(super) fn of(resource: &Resource, subresource: &str) -> Self {
        if let Kind::Custom(kind) = &resource.strategy {
            return Self::of_custom(kind, subresource);
        }
        let stored = resource.strategy.names();
        let mut versions = Self::alone(&api_version(stored), stored.type_name);
        for view in resource.strategy.views() {
            versions.add(&api_version(view.names()), view.names().type_name, Some(*view));
        }
        versions.ignored = FieldSet::of_fields(&resource.strategy.reset_fields(subresource));
        versions
    }

    /// All versions of a custom kind hold the same fields under the same names, unless a webhook converts them.
    fn of_custom(kind: &Arc<CustomKind>, subresource: &str) -> Self {
        let stored = Version { api_version: kind.working_api_version(), type_: None, view: None };
        let ignored = FieldSet::of_fields(&crate::Strategy::reset_fields(&**kind, subresource));
        Self { known: vec![stored], custom: Some(Arc::clone(kind)), conversions: Mutex::default(), ignored }
    }

    /// The custom kind, if it is one.
    pub(super) fn custom(&self) -> Option<&CustomKind> {
        self.custom.as_deref()
    }

    /// A kind of one version.
    pub(super) fn alone(api_version: &str, type_name: &str) -> Self {
        let (conversions, ignored) = (Mutex::default(), FieldSet::new());
        let mut versions = Self { known: Vec::with_capacity(1), custom: None, conversions, ignored };
        versions.add(api_version, type_name, None);
        versions
    }

    fn add(&mut self, api_version: &str, type_name: &str, view: Option<&'static dyn View>) {
        let type_ = sampan_api::schema().get(type_name);
        self.known.push(Version { api_version: api_version.to_owned(), type_, view });
    }

    /// The version objects are stored in.
    pub(super) fn stored(&self) -> &str {
        &self.known[0].api_version
    }

    /// The type of the root in a version.
    pub(super) fn type_of(&self, api_version: &str) -> Option<&'static Type> {
        self.find(api_version)?.type_
    }

    pub(super) fn is_incomplete(&self) -> bool {
        !self.conversions.lock().missing.is_empty()
    }

    /// Takes away what a webhook has to be asked before this can be relied on.
    pub(super) fn take_missing(&self) -> Vec<(Value, String)> {
        std::mem::take(&mut self.conversions.lock().missing)
    }

    /// Keeps how an object looks in a version.
    pub(super) fn learn(&self, object: Value, api_version: String, converted: Value) {
        self.conversions.lock().known.push((object, api_version, converted));
    }

    fn converted<'v>(&self, object: &'v Value, to: &str) -> Cow<'v, Value> {
        let mut conversions = self.conversions.lock();
        let known = conversions.known.iter().find(|(known, version, _)| version == to && known == object);
        if let Some((_, _, converted)) = known {
            return Cow::Owned(converted.clone());
        }
        conversions.missing.push((object.clone(), to.to_owned()));
        Cow::Borrowed(object)
    }

    fn find(&self, api_version: &str) -> Option<&Version> {
        self.known.iter().find(|version| version.api_version == api_version)
    }
}

impl Versions for ObjectVersions {
    fn typed(&self, api_version: &str) -> Option<Typed<'_>> {
        if let Some(kind) = &self.custom {
            return kind.ownership(api_version).map(Typed::described);
        }
        let type_ = self.find(api_version)?.type_?;
        Some(Typed::of(sampan_api::schema(), type_))
    }

    fn convert<'v>(&self, object: &'v Value, from: &str, to: &str) -> Cow<'v, Value> {
        if from == to {
            return Cow::Borrowed(object);
        }
        if let Some(kind) = &self.custom {
            return if kind.is_converted() { self.converted(object, to) } else { Cow::Borrowed(object) };
        }
        let view = |api_version| self.find(api_version).and_then(|version| version.view);
        let stored = match view(from) {
            Some(view) => view.stored(object.clone()),
            None => object.clone(),
        };
        Cow::Owned(match view(to) {
            Some(view) => view.served(stored),
            None => stored,
        })
    }

    fn ignored(&self, _: &str) -> &FieldSet<'static> {
        &self.ignored
    }
}

fn api_version(Names { group, version, .. }: Names) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}
