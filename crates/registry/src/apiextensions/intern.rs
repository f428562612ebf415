//! Names of custom kinds, which live as long as the process: each costs its length once, however often its definition comes and goes.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use parking_lot::Mutex;

use crate::shape::Shape;

/// What the type of the schema table is called by which custom objects show their metadata.
pub(crate) const METADATA_ONLY: &str = "apis.meta.v1.PartialObjectMetadata";

/// The text for the rest of the process.
pub(crate) fn text(text: &str) -> &'static str {
    static KNOWN: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock();
    if let Some(found) = known.get(text) {
        return found;
    }
    let kept: &'static str = Box::leak(text.into());
    known.insert(kept);
    kept
}

/// The texts for the rest of the process.
pub(crate) fn list<'a>(texts: impl Iterator<Item = &'a str>) -> &'static [&'static str] {
    static KNOWN: LazyLock<Mutex<HashSet<&'static [&'static str]>>> = LazyLock::new(Mutex::default);
    let texts: Vec<&'static str> = texts.map(text).collect();
    let mut known = KNOWN.lock();
    if let Some(found) = known.get(texts.as_slice()) {
        return found;
    }
    let kept: &'static [&'static str] = Box::leak(texts.into_boxed_slice());
    known.insert(kept);
    kept
}

/// What objects of a version and kind look like. Field selectors of custom kinds read the objects themselves.
pub(crate) fn shape(api_version: &str, kind: &'static str) -> &'static Shape {
    static KNOWN: LazyLock<Mutex<HashMap<(String, &'static str), &'static Shape>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock();
    known
        .entry((api_version.to_owned(), kind))
        .or_insert_with(|| Box::leak(Box::new(Shape::bare(api_version.to_owned(), kind, METADATA_ONLY))))
}
