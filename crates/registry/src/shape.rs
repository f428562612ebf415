//! What the cache has to know of a kind to take its objects apart: fixed at start, found by the key of the store.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::builtin::builtin;
use crate::strategy::{SelectableField, Strategy};

/// The identity of a served version and the fields to extract.
pub struct Shape {
    pub(crate) api_version: String,
    pub(crate) kind: &'static str,
    pub(crate) type_name: &'static str,
    pub(crate) selectable: &'static [SelectableField],
    /// The wanted paths as a tree, in the order of `selectable`.
    pub(crate) wanted: Wanted,
    /// Position in `selectable` of the field the cache indexes by.
    pub(crate) index: Option<usize>,
}

/// A node of the tree of wanted paths.
#[derive(Default)]
pub(crate) struct Wanted {
    /// Member name and what is wanted of it; few, so a list is quicker than a map.
    pub(crate) members: Vec<(&'static str, Wanted)>,
    /// Fields whose path ends here: position in `selectable`, and rank among that field's paths.
    pub(crate) fields: Vec<(usize, usize)>,
}

impl Wanted {
    fn add(&mut self, path: &'static str, field: usize, rank: usize) {
        let mut node = self;
        for segment in path.split('.') {
            let at = match node.members.iter().position(|(name, _)| *name == segment) {
                Some(at) => at,
                None => {
                    node.members.push((segment, Wanted::default()));
                    node.members.len() - 1
                }
            };
            node = &mut node.members[at].1;
        }
        node.fields.push((field, rank));
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Wanted> {
        self.members.iter().find(|(member, _)| *member == name).map(|(_, wanted)| wanted)
    }
}

impl Shape {
    /// The shape of what lies below this resource in the store. Records that are no objects have an empty one.
    pub(crate) fn of_storage(resource: &str) -> &'static Shape {
        static SHAPES: LazyLock<HashMap<String, Shape>> = LazyLock::new(|| {
            builtin()
                .iter()
                .map(|strategy| (crate::resource::storage_of(&strategy.names()).to_string(), Shape::of(*strategy)))
                .collect()
        });
        static NONE: LazyLock<Shape> = LazyLock::new(|| Shape::bare(String::new(), "", ""));
        SHAPES.get(resource).unwrap_or(&NONE)
    }

    pub(crate) fn of(strategy: &dyn Strategy) -> Shape {
        let names = strategy.names();
        let api_version = match names.group {
            "" => names.version.to_owned(),
            group => format!("{group}/{}", names.version),
        };
        let selectable = strategy.selectable_fields();
        let mut shape = Shape::bare(api_version, names.kind, names.type_name);
        for (position, field) in selectable.iter().enumerate() {
            for (rank, path) in field.paths.iter().enumerate() {
                shape.wanted.add(path, position, rank);
            }
        }
        shape.index = strategy.index().and_then(|name| selectable.iter().position(|field| field.name == name));
        shape.selectable = selectable;
        shape
    }

    pub(crate) fn bare(api_version: String, kind: &'static str, type_name: &'static str) -> Shape {
        Shape { api_version, kind, type_name, selectable: &[], wanted: Wanted::default(), index: None }
    }
}
