//! Who owns which fields after a write. Upstream: `merge.Updater`.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::check::{Duplicates, InvalidFields, check};
use super::compare::{Comparison, compare};
use super::element::PathElement;
use super::equal::same;
use super::mentioned::mentioned;
use super::merge::merge;
use super::prune::prune;
use super::set::FieldSet;
use super::typed::Typed;

/// How a manager came to own its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// It said that it wants them so.
    Apply,
    /// It wrote them.
    Update,
}

/// Who owns fields: a name, and the way it wrote. The order is the one in which conflicts are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// What it calls itself.
    pub name: String,
    /// Which way it wrote.
    pub operation: Operation,
    /// The version in which its fields are named.
    pub api_version: String,
    /// The subresource it wrote through; empty for the main resource.
    pub subresource: String,
}

impl Manager {
    /// Whether both are one. Who applies is the same in every version; who updates is another in each.
    pub fn is(&self, other: &Self) -> bool {
        (&self.name, self.operation, &self.subresource) == (&other.name, other.operation, &other.subresource)
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }
}

impl fmt::Display for Manager {
    /// As conflicts name it: `"kubectl" with subresource "status" using apps/v1`. Upstream: `printManager`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Update => write!(f, " using {}", self.api_version),
            Operation::Apply => Ok(()),
        }
    }
}

/// A manager and what it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed<'a> {
    pub manager: Manager,
    pub fields: FieldSet<'a>,
    /// When it last changed something, RFC 3339.
    pub time: Option<String>,
}

/// The versions of one object.
pub trait Versions {
    /// The root in a version; `None` for one that is not served any more.
    fn typed(&self, api_version: &str) -> Option<Typed<'_>>;

    /// The object as another version has it. Called with versions [`Versions::typed`] knows.
    fn convert<'v>(&self, object: &'v Value, from: &str, to: &str) -> Cow<'v, Value>;

    /// Fields this way of writing cannot change, in a version: with all below them they are never owned through it.
    fn ignored(&self, api_version: &str) -> &FieldSet<'static>;
}

/// What a write is about.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    pub versions: &'r dyn Versions,
    /// The version the objects are in.
    pub api_version: &'r str,
}

/// A field somebody else owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub manager: Manager,
    /// For example `.spec.containers[name="c"].image`.
    pub field: String,
    pub path: Vec<PathElement<'static>>,
}

/// Why a configuration was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields with other values; nothing is applied unless it is forced.
    #[error("{} conflicts", .0.len())]
    Conflicts(Vec<Conflict>),
    /// The configuration is not of its type.
    #[error("{0}")]
    Config(InvalidFields),
    /// What is there cannot be merged with.
    #[error("failed to merge config: {0}")]
    Live(InvalidFields),
    /// The version is not served.
    #[error("no corresponding type for {0}")]
    Version(String),
}

/// A configuration applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied<'a> {
    /// What the object becomes; `None` when it is that already.
    pub object: Option<Value>,
    /// Who owns what from now on.
    pub managers: Vec<Managed<'a>>,
}

/// Takes from all managers what a write has changed, and answers what the writer owns by this write. Managers that own nothing any more,
/// or name their fields in a version nobody serves, are gone.
///
/// # Errors
/// When the states cannot be compared.
pub fn update<'a>(
    request: Request<'_>,
    old: &'a Value,
    new: &'a Value,
    managers: &mut Vec<Managed<'a>>,
) -> Result<FieldSet<'a>, InvalidFields> {
    let Some(typed) = request.versions.typed(request.api_version) else { return Ok(FieldSet::new()) };
    let change = compare(typed, old, new)?.excluding(request.versions.ignored(request.api_version));
    let loss = Losses::of(request, old, new, &change, managers, None)?;
    loss.take(managers);
    Ok(change.modified.union(&change.added))
}

/// Applies a configuration to the live object.
///
/// # Errors
/// See [`ApplyError`].
pub fn apply<'a>(
    request: Request<'_>,
    live: &'a Value,
    config: &'a Value,
    mut managers: Vec<Managed<'a>>,
    applier: Manager,
    force: bool,
) -> Result<Applied<'a>, ApplyError> {
    let Request { versions, api_version } = request;
    let typed = versions.typed(api_version).ok_or_else(|| ApplyError::Version(api_version.to_owned()))?;
    check(typed, config, Duplicates::Refused).map_err(ApplyError::Config)?;
    let merged = merge(typed, live, config).map_err(ApplyError::Live)?;
    let before = managers.iter().position(|managed| managed.manager.is(&applier)).map(|at| managers.remove(at));
    let time = before.as_ref().and_then(|before| before.time.clone());
    let fields = mentioned(typed, config).recursive_difference(versions.ignored(api_version));
    managers.push(Managed { manager: applier.clone(), fields, time });
    let object = match &before {
        Some(before) => prune(request, merged, before, &managers),
        None => merged,
    };
    let change = compare(typed, live, &object).map_err(ApplyError::Live)?.excluding(versions.ignored(api_version));
    let losses =
        Losses::of(request, live, &object, &change, &mut managers, Some(&applier)).map_err(ApplyError::Live)?;
    if !force {
        losses.conflicts(&managers)?;
    }
    losses.take(&mut managers);
    drop(change);
    Ok(Applied { object: (!same(live, &object)).then_some(object), managers })
}

/// What each manager loses.
struct Losses<'a>(Vec<Loss<'a>>);

#[derive(Default)]
struct Loss<'a> {
    /// Owned by it and set to something else: a conflict.
    taken: FieldSet<'a>,
    /// Owned by it and gone.
    removed: FieldSet<'a>,
}

impl<'a> Losses<'a> {
    fn of(
        request: Request<'_>,
        old: &Value,
        new: &Value,
        change: &Comparison<'_>,
        managers: &mut Vec<Managed<'a>>,
        writer: Option<&Manager>,
    ) -> Result<Self, InvalidFields> {
        let Request { versions, api_version } = request;
        managers.retain(|managed| versions.typed(&managed.manager.api_version).is_some());
        let mut losses = Vec::with_capacity(managers.len());
        for managed in &*managers {
            let theirs = &managed.manager.api_version;
            losses.push(if writer.is_some_and(|writer| managed.manager.is(writer)) {
                Loss::default()
            } else if theirs == api_version {
                Loss::of(&managed.fields, change)
            } else {
                let Some(typed) = versions.typed(theirs) else { continue };
                let (old, new) =
                    (versions.convert(old, api_version, theirs), versions.convert(new, api_version, theirs));
                let change = compare(typed, &old, &new)?.excluding(versions.ignored(theirs));
                Loss::of(&managed.fields, &change)
            });
        }
        Ok(Self(losses))
    }

    fn conflicts(&self, managers: &[Managed<'_>]) -> Result<(), ApplyError> {
        let mut conflicts = Vec::new();
        for (loss, managed) in self.0.iter().zip(managers) {
            for path in loss.taken.paths() {
                let field = path.iter().map(ToString::to_string).collect();
                let path = path.into_iter().map(PathElement::into_owned).collect();
                conflicts.push(Conflict { manager: managed.manager.clone(), field, path });
            }
        }
        if conflicts.is_empty() {
            return Ok(());
        }
        conflicts.sort_by(|one, other| one.manager.cmp(&other.manager));
        Err(ApplyError::Conflicts(conflicts))
    }

    fn take(&self, managers: &mut Vec<Managed<'a>>) {
        for (loss, managed) in self.0.iter().zip(managers.iter_mut()) {
            for lost in [&loss.taken, &loss.removed] {
                if !lost.is_empty() {
                    managed.fields = managed.fields.difference(lost);
                }
            }
        }
        managers.retain(|managed| !managed.fields.is_empty());
    }
}

impl<'a> Loss<'a> {
    fn of(fields: &FieldSet<'a>, change: &Comparison<'_>) -> Self {
        let within = |changed: &FieldSet<'_>| {
            if changed.is_empty() { FieldSet::new() } else { fields.intersection(changed) }
        };
        Self { taken: within(&change.modified).union(&within(&change.added)), removed: within(&change.removed) }
    }
}
