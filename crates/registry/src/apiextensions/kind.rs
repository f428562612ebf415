//! One version of a custom kind, as the registry's verbs see it.

use std::sync::Arc;

use jiff::Timestamp;
use sampan_meta::apply::Described;
use sampan_meta::decode::DecodeError;
use sampan_meta::field::{ErrorList, Path};
use sampan_meta::table::{Cell, Column};
use sampan_meta::{Status, object};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::columns::{self, PrinterColumn};
use super::conversion::Conversion;
use super::converter::Converted;
use super::json_path::JsonPath;
use super::schema::Schema;
use super::{check, content, intern, ownership, rules};
use crate::resource::Subresource;
use crate::shape::Shape;
use crate::strategy::{Names, Scope, Strategy};

mod versions;

/// What an established definition says, compiled.
pub(crate) struct Definition {
    /// With an empty version: those of [`CustomKind::names`] say theirs.
    names: Names,
    scope: Scope,
    versions: Vec<Arc<Version>>,
    storage: String,
    conversion: Option<Conversion>,
    converted: Converted,
    /// Told once another definition has taken the place of this one, or none.
    pub(super) retired: watch::Sender<bool>,
}

/// One version, compiled.
pub(super) struct Version {
    pub(super) name: String,
    pub(super) served: bool,
    api_version: String,
    schema: Schema,
    ownership: Described,
    columns: Vec<PrinterColumn>,
    selectable: Vec<SelectedField>,
    scale: Option<ScalePaths>,
    status: bool,
    deprecation: Option<String>,
    published: Value,
    shape: &'static Shape,
}

/// A field that selectors may name.
#[derive(Clone, Debug)]
pub(crate) struct SelectedField {
    pub(crate) name: String,
    pub(crate) path: JsonPath,
}

/// Where `scale` reads and writes.
#[derive(Clone, Debug)]
pub(crate) struct ScalePaths {
    pub(crate) spec_replicas: Vec<String>,
    pub(crate) status_replicas: Vec<String>,
    pub(crate) label_selector: Option<Vec<String>>,
}

/// A version of a custom kind.
pub(crate) struct CustomKind {
    definition: Arc<Definition>,
    version: Arc<Version>,
    names: Names,
    /// Instances are being deleted, no new ones may come.
    pub(crate) terminating: bool,
}

impl Definition {
    /// Compiles a definition whose names are accepted.
    pub(super) fn compile(object: &Value) -> Self {
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let text = |pointer: &str| intern::text(object::str_at(object, pointer).unwrap_or_default());
        let list = |pointer: &str| intern::list(object::list_at(object, pointer).iter().filter_map(Value::as_str));
        let names = Names {
            group: text("/spec/group"),
            version: "",
            kind: text("/status/acceptedNames/kind"),
            plural: text("/status/acceptedNames/plural"),
            singular: text("/status/acceptedNames/singular"),
            list_kind: text("/status/acceptedNames/listKind"),
            short_names: list("/status/acceptedNames/shortNames"),
            categories: list("/status/acceptedNames/categories"),
            type_name: intern::METADATA_ONLY,
        };
        let versions = object::list_at(spec, "/versions");
        let storage = versions.iter().find(|version| version["storage"] == true);
        Self {
            names,
            scope: if text("/spec/scope") == "Cluster" { Scope::Cluster } else { Scope::Namespaced },
            versions: versions.iter().map(|version| Arc::new(Version::compile(&names, version))).collect(),
            storage: storage.and_then(|version| object::str_at(version, "/name")).unwrap_or_default().to_owned(),
            conversion: Conversion::compile(spec),
            converted: Converted::default(),
            retired: watch::Sender::new(false),
        }
    }

    /// The served versions as kinds.
    pub(super) fn kinds(self: &Arc<Self>, terminating: bool) -> impl Iterator<Item = CustomKind> {
        self.versions.iter().filter(|version| version.served).map(move |version| CustomKind {
            names: Names { version: intern::text(&version.name), ..self.names },
            definition: Arc::clone(self),
            version: Arc::clone(version),
            terminating,
        })
    }
}

impl Version {
    fn compile(names: &Names, version: &Value) -> Self {
        let name = object::str_at(version, "/name").unwrap_or_default();
        let api_version = format!("{}/{name}", names.group);
        let published =
            version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        let schema = Schema::compile_root(&published);
        Self {
            name: name.to_owned(),
            served: version["served"] == true,
            ownership: ownership::root(&schema),
            schema,
            columns: columns::compile(version),
            selectable: selectable(version),
            scale: version.pointer("/subresources/scale").and_then(ScalePaths::compile),
            status: version.pointer("/subresources/status").is_some(),
            deprecation: deprecation(names, version, &api_version),
            shape: intern::shape(&api_version, names.kind),
            published,
            api_version,
        }
    }
}

fn deprecation(names: &Names, version: &Value, api_version: &str) -> Option<String> {
    (version["deprecated"] == true).then(|| match object::str_at(version, "/deprecationWarning") {
        Some(warning) => warning.to_owned(),
        None => format!("{api_version} {} is deprecated", names.kind),
    })
}

fn selectable(version: &Value) -> Vec<SelectedField> {
    let paths =
        object::list_at(version, "/selectableFields").iter().filter_map(|field| object::str_at(field, "/jsonPath"));
    let field = |path: &str| {
        Some(SelectedField { name: path.trim_start_matches('.').to_owned(), path: JsonPath::parse(path).ok()? })
    };
    paths.filter_map(field).collect()
}

impl ScalePaths {
    fn compile(scale: &Value) -> Option<Self> {
        let names = |pointer: &str| JsonPath::parse(object::str_at(scale, pointer)?).ok()?.names();
        Some(Self {
            spec_replicas: names("/specReplicasPath")?,
            status_replicas: names("/statusReplicasPath")?,
            label_selector: names("/labelSelectorPath"),
        })
    }
}

impl CustomKind {
    /// The version objects are stored in, whichever they are written in.
    pub(crate) fn storage_api_version(&self) -> String {
        format!("{}/{}", self.names.group, self.definition.storage)
    }

    /// The version of the kind.
    pub(crate) fn api_version(&self) -> &str {
        &self.version.api_version
    }

    /// The version the verbs work in: where a webhook converts, that of the request, as upstream's; else all are the same but for the name.
    pub(crate) fn working_api_version(&self) -> String {
        match &self.definition.conversion {
            Some(_) => self.version.api_version.clone(),
            None => self.storage_api_version(),
        }
    }

    /// How objects of this version look to selectors and encoders.
    pub(crate) fn shape(&self) -> &'static Shape {
        self.version.shape
    }

    /// Who may own what, in each version that is there.
    pub(crate) fn ownership(&self, api_version: &str) -> Option<&Described> {
        let version = self.definition.versions.iter().find(|version| version.api_version == api_version)?;
        Some(&version.ownership)
    }

    /// Takes out of an object what this version does not declare, and answers where it was.
    ///
    /// # Errors
    /// When its metadata is malformed.
    pub(crate) fn prune(&self, object: &mut Value) -> Result<Vec<String>, DecodeError> {
        content::prune(&self.version.schema, object)
    }

    /// Completes an object.
    pub(crate) fn default(&self, object: &mut Value) {
        content::default(&self.version.schema, object);
    }

    /// A stored object complete, and without what this version does not know. Upstream does so at every read, so that a default that is
    /// added later holds for all objects.
    ///
    /// # Errors
    /// When its metadata is malformed.
    pub(crate) fn complete(&self, mut stored: Value) -> Result<Value, Status> {
        self.prune(&mut stored).map_err(Status::internal)?;
        self.default(&mut stored);
        Ok(stored)
    }

    /// A stored object as clients of this version know it.
    ///
    /// # Errors
    /// As [`CustomKind::complete`].
    pub(crate) fn served(&self, stored: Value) -> Result<Value, Status> {
        let mut object = self.complete(stored)?;
        object["apiVersion"] = self.version.api_version.as_str().into();
        Ok(object)
    }

    /// The selectable fields of this version.
    pub(crate) fn selectable(&self) -> &[SelectedField] {
        &self.version.selectable
    }

    /// Where `scale` reads and writes.
    pub(crate) fn scale(&self) -> Option<&ScalePaths> {
        self.version.scale.as_ref()
    }

    /// What clients of a deprecated version are told.
    pub(crate) fn deprecation(&self) -> Option<&str> {
        self.version.deprecation.as_deref()
    }

    /// `openAPIV3Schema` as it was given.
    pub(crate) fn published(&self) -> &Value {
        &self.version.published
    }

    /// Ends once the definition has changed or gone.
    pub(crate) fn retired(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut retired = self.definition.retired.subscribe();
        async move {
            let _ = retired.wait_for(|retired| *retired).await;
        }
    }

    fn check(&self, object: &Value, old: Option<&Value>) -> ErrorList {
        let mut errors = check::check(&self.version.schema, object, old, &Path::default());
        // Rules rely on the types: upstream does not run them over objects that have others either.
        if errors.is_empty() {
            errors.extend(rules::check(&self.version.schema, object, old));
        }
        errors
    }
}

impl Strategy for CustomKind {
    fn names(&self) -> Names {
        self.names
    }

    fn scope(&self) -> Scope {
        self.definition.scope
    }

    fn subresources(&self) -> &'static [Subresource] {
        match (self.version.scale.is_some(), self.version.status) {
            (false, false) => &[],
            (true, false) => const { &[Subresource::SCALE] },
            (false, true) => const { &[Subresource::STATUS] },
            (true, true) => const { &[Subresource::SCALE, Subresource::STATUS] },
        }
    }

    fn reset_fields(&self, subresource: &str) -> Vec<&'static [&'static str]> {
        match subresource {
            "" if self.version.status => vec![&["status"]],
            "status" => vec![&["metadata"], &["spec"]],
            _ => Vec::new(),
        }
    }

    /// Whatever is neither metadata nor status is asked for.
    fn spec_changed(&self, object: &Value, old: &Value) -> bool {
        let asked =
            |name: &str| name != "metadata" && name != "apiVersion" && !(self.version.status && name == "status");
        let members = |object: &Value| -> Vec<(String, Value)> {
            let members = object.as_object().into_iter().flatten().filter(|(name, _)| asked(name));
            members.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        members(object) != members(old)
    }

    /// The status path changes of the metadata nothing but who owns what.
    fn prepare_status_update(&self, _: &str, object: &mut Value, old: &Value) {
        let managed = object::remove(object, &["metadata", "managedFields"]);
        crate::verbs::update::keep(object, old, "metadata");
        match managed {
            Some(managed) => object::set(object, &["metadata", "managedFields"], managed),
            None => drop(object::remove(object, &["metadata", "managedFields"])),
        }
        object::remove(object, &["metadata", "resourceVersion"]);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        self.check(object, None)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        self.check(object, Some(old))
    }

    fn validate_status_update(&self, _: &str, object: &Value, old: &Value) -> ErrorList {
        self.check(object, Some(old))
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn columns(&self) -> Vec<Column> {
        columns::definitions(&self.version.columns)
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        columns::row(&self.version.columns, object, now)
    }
}
