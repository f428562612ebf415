//! A kind as it is served: its names, its verbs and its subresources.

use std::sync::Arc;

use sampan_meta::decode::{self, DecodeError};
use sampan_meta::field::ErrorList;
use sampan_meta::{GroupResource, GroupVersionKind, GroupVersionResource, Status, object};
use serde_json::Value;

use crate::apiextensions::CustomKind;
use crate::object::Object;
use crate::strategy::{Names, Scope, Strategy};
use crate::view::View;

/// A subresource as discovery lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// `status`, `scale`, `log`, ..
    pub name: &'static str,
    /// The kind it takes and answers; group and version empty mean the parent's own.
    pub kind: (&'static str, &'static str, &'static str),
    /// The verbs it has, sorted.
    pub verbs: &'static [&'static str],
    /// Served by the registry's verbs; others (`log`, `exec`, `proxy`, `token`, ..) are only declared and are the apiserver's.
    pub stored: bool,
}

impl Subresource {
    /// A subresource of the parent's own kind that is read and written whole.
    pub(crate) const fn of_parent(name: &'static str) -> Self {
        Self { name, kind: ("", "", ""), verbs: &["get", "patch", "update"], stored: true }
    }

    /// `scale`.
    pub(crate) const SCALE: Self =
        Self { name: "scale", kind: ("autoscaling", "v1", "Scale"), verbs: &["get", "patch", "update"], stored: true };

    /// `status`.
    pub(crate) const STATUS: Self = Self::of_parent("status");

    /// A subresource that is posted to.
    pub(crate) const fn posted(name: &'static str, kind: (&'static str, &'static str, &'static str)) -> Self {
        Self { name, kind, verbs: &["create"], stored: true }
    }

    /// A subresource of which the registry knows but the name.
    pub(crate) const fn declared(name: &'static str, kind: &'static str, verbs: &'static [&'static str]) -> Self {
        Self { name, kind: ("", "v1", kind), verbs, stored: false }
    }

    /// A subresource that passes on any request.
    pub(crate) const fn proxy(kind: &'static str) -> Self {
        Self::declared("proxy", kind, &["create", "delete", "get", "patch", "update"])
    }
}

/// What is special about a kind, known from the start or since its definition is there.
#[derive(Clone)]
pub(crate) enum Kind {
    Builtin(&'static dyn Strategy),
    Custom(Arc<CustomKind>),
}

impl std::ops::Deref for Kind {
    type Target = dyn Strategy;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Builtin(strategy) => *strategy,
            Self::Custom(kind) => &**kind,
        }
    }
}

/// One served resource of one group and version.
pub struct Resource {
    /// Group, version, plural, kind and so on.
    pub names: Names,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// The verbs of the main resource, sorted.
    pub verbs: &'static [&'static str],
    /// Sorted by name.
    pub subresources: &'static [Subresource],
    /// The type in the schema table: `core.v1.Pod`. Kinds that only create (`Binding`) have one too.
    pub type_name: &'static str,
    /// The resource part of the store's keys: `/pods`, `apps/deployments`. Two resources may share one storage.
    pub storage: Arc<str>,
    pub(crate) strategy: Kind,
    /// Set when the served version is not the stored one (`events.k8s.io/v1`, `autoscaling/v1`).
    pub(crate) view: Option<&'static dyn View>,
    stored_kind: GroupVersionKind,
}

impl Resource {
    pub(crate) fn new(strategy: &'static dyn Strategy) -> Self {
        let names = strategy.names();
        Self {
            namespaced: strategy.scope() == Scope::Namespaced,
            verbs: strategy.verbs(),
            subresources: strategy.subresources(),
            type_name: names.type_name,
            storage: storage_of(&names),
            stored_kind: GroupVersionKind::new(names.group, names.version, names.kind),
            names,
            strategy: Kind::Builtin(strategy),
            view: None,
        }
    }

    /// A version of a custom kind. Its objects lie in the store in the version their definition names, and all versions share them. Objects
    /// that a webhook converts are worked on in the version of the request.
    pub(crate) fn custom(kind: Arc<CustomKind>) -> Self {
        let names = kind.names();
        Self {
            namespaced: kind.scope() == Scope::Namespaced,
            verbs: kind.verbs(),
            subresources: kind.subresources(),
            type_name: names.type_name,
            storage: storage_of(&names),
            stored_kind: GroupVersionKind::from_api_version(&kind.working_api_version(), names.kind),
            names,
            strategy: Kind::Custom(kind),
            view: None,
        }
    }

    pub(crate) fn as_custom(&self) -> Option<&CustomKind> {
        match &self.strategy {
            Kind::Builtin(_) => None,
            Kind::Custom(kind) => Some(kind),
        }
    }

    /// Whether the kind is known by a definition: its objects have no protobuf form and no strategic merge patch.
    pub fn is_custom(&self) -> bool {
        self.as_custom().is_some()
    }

    /// The OpenAPI schema a custom kind was defined with.
    pub fn published_schema(&self) -> Option<&Value> {
        self.as_custom().map(CustomKind::published)
    }

    /// What clients of a deprecated version are told.
    pub fn deprecation(&self) -> Option<&str> {
        self.as_custom()?.deprecation()
    }

    /// Ends once a custom kind is served otherwise, or no more. Built-in kinds stay.
    pub fn retired(&self) -> Option<futures::future::BoxFuture<'static, ()>> {
        Some(Box::pin(self.as_custom()?.retired()))
    }

    /// Brings an object a client sent into the shape of its kind; answers the fields that the kind does not have and which are taken out.
    ///
    /// # Errors
    /// When it is not of the kind.
    pub fn conform(&self, object: &mut Value) -> Result<Vec<String>, DecodeError> {
        if let Some(kind) = self.as_custom() {
            return kind.prune(object);
        }
        let schema = sampan_api::schema();
        let type_ = schema.get(self.type_name).expect("every built-in kind is in the schema, as a test shows");
        decode::conform(schema, type_, object)
    }

    /// The object as the verbs begin with it.
    ///
    /// # Errors
    /// 500 when what lies in the store is not of the kind.
    pub(crate) fn state(&self, object: &Object) -> Result<Value, Status> {
        match self.as_custom() {
            Some(kind) => kind.complete(object.value()),
            None => Ok(object.value()),
        }
    }

    /// Whether a custom kind's objects are stored in this version.
    pub(crate) fn is_storage_version(&self) -> bool {
        self.as_custom().is_some_and(|kind| kind.storage_api_version() == kind.api_version())
    }

    /// Whether the object lies in the store in another version than it would if it were written now.
    pub(crate) fn is_outdated(&self, object: &Object) -> bool {
        self.as_custom().is_some_and(|kind| kind.is_outdated(object))
    }

    /// The same objects in another version.
    pub(crate) fn viewed(strategy: &'static dyn Strategy, view: &'static dyn View) -> Self {
        let stored = Self::new(strategy);
        let names = view.names();
        Self { names, type_name: names.type_name, view: Some(view), ..stored }
    }

    /// Group and version with the kind.
    pub fn group_version_kind(&self) -> GroupVersionKind {
        GroupVersionKind::new(self.names.group, self.names.version, self.names.kind)
    }

    /// Group and version with the plural.
    pub fn group_version_resource(&self) -> GroupVersionResource {
        GroupVersionResource::new(self.names.group, self.names.version, self.names.plural)
    }

    /// Group and plural, as errors name a resource.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.names.group, self.names.plural)
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        match self.names.group {
            "" => self.names.version.to_owned(),
            group => format!("{group}/{}", self.names.version),
        }
    }

    /// The subresource of that name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// Sets what a client may leave out.
    pub(crate) fn default(&self, object: &mut Value) {
        match self.as_custom() {
            Some(kind) => kind.default(object),
            None => sampan_api::default_object(&self.stored_kind, object),
        }
    }

    /// # Errors
    /// 400 when the object says it is of another kind or version. Saying nothing is fine: the path has said it.
    pub(crate) fn check_kind(&self, object: &Value) -> Result<(), Status> {
        let (version, kind) = (object::api_version(object), object::kind(object));
        let stored = &self.stored_kind;
        let version_fits = version.is_empty() || version == self.api_version() || version == stored.api_version();
        let kind_fits = kind.is_empty() || kind == self.names.kind;
        if version_fits && kind_fits {
            return Ok(());
        }
        let (given, wanted) = (GroupVersionKind::from_api_version(version, kind), self.group_version_kind());
        Err(Status::bad_request(format!("the object provided is unrecognized as {wanted}: it is {given}")))
    }

    /// What a client sent, as it is stored.
    pub(crate) fn stored_form(&self, sent: Value) -> Result<Value, Status> {
        if !sent.is_object() {
            return Err(Status::bad_request(format!("a {} must be an object", self.names.kind)));
        }
        self.check_kind(&sent)?;
        let mut object = match self.view {
            Some(view) => view.stored(sent),
            None => sent,
        };
        object["apiVersion"] = self.stored_kind.api_version().into();
        object["kind"] = self.stored_kind.kind.clone().into();
        Ok(object)
    }

    /// What is stored, as this resource's clients know it.
    pub(crate) fn served_form(&self, stored: Value) -> Result<Value, Status> {
        match (self.view, self.as_custom()) {
            (Some(view), _) => Ok(view.served(stored)),
            (None, Some(kind)) => kind.served(stored),
            (None, None) => Ok(stored),
        }
    }

    /// A stored object as this resource's clients know it.
    pub(crate) fn present(&self, object: Arc<Object>) -> Result<Arc<Object>, Status> {
        let (value, shape) = match (self.view, self.as_custom()) {
            (Some(view), _) => (view.served(object.value()), view.shape()),
            (None, Some(kind)) => (kind.served(object.value())?, kind.shape()),
            (None, None) => return Ok(object),
        };
        let served = Object::from_value(object.key().clone(), object.revision(), &value, shape);
        served.map(Arc::new).map_err(Status::internal)
    }

    /// The name a selectable field has in the stored version.
    pub(crate) fn stored_field<'a>(&'a self, field: &'a str) -> Option<&'a str> {
        let stored = match self.view {
            Some(view) => view.stored_field(field),
            None => field,
        };
        let common = matches!(stored, "metadata.name") || (stored == "metadata.namespace" && self.namespaced);
        let own = || match self.as_custom() {
            Some(kind) => kind.selectable().iter().any(|selectable| selectable.name == stored),
            None => self.strategy.selectable_fields().iter().any(|selectable| selectable.name == stored),
        };
        (common || own()).then_some(stored)
    }

    /// What is wrong with a new object, by the rules of the kind and of the version it came in.
    pub(crate) fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = self.strategy.validate(object);
        errors.extend(self.view.map(|view| view.validate(object)).unwrap_or_default());
        errors
    }

    /// What is wrong with a change, likewise.
    pub(crate) fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.strategy.validate_update(object, old);
        errors.extend(self.view.map(|view| view.validate_update(object, old)).unwrap_or_default());
        errors
    }

    /// # Errors
    /// 422 with the findings, if there are any.
    pub(crate) fn refuse(&self, object: &Value, errors: ErrorList) -> Result<(), Status> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(Status::invalid(self.names.group, self.names.kind, object::name(object), errors))
    }

    /// What is special about the kind.
    pub fn strategy(&self) -> &dyn Strategy {
        &*self.strategy
    }
}

/// Resources keep their key in the store whatever version serves them.
pub(crate) fn storage_of(names: &Names) -> Arc<str> {
    format!("{}/{}", names.group, names.plural).into()
}
