//! A set of fields, as a tree. Upstream: `fieldpath.Set`.

use std::cmp::Ordering;
use std::fmt;

use super::element::PathElement;

/// Fields of an object. A field and the fields below it are members independently of each other: owning `.spec` is not owning `.spec.replicas`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet<'a> {
    /// Sorted by element, each once; none is without meaning (neither a member nor with members below).
    pub(super) nodes: Vec<Node<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node<'a> {
    pub(super) element: PathElement<'a>,
    pub(super) member: bool,
    pub(super) children: FieldSet<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn leaf(element: PathElement<'a>) -> Self {
        Self { element, member: true, children: FieldSet::new() }
    }

    fn matters(&self) -> bool {
        self.member || !self.children.is_empty()
    }
}

impl<'a> FieldSet<'a> {
    /// Makes a set of nothing.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Makes a set of fields named by their paths from the root: `&["metadata", "labels"]`.
    pub fn of_fields(paths: &[&[&'a str]]) -> Self {
        let mut set = Self::new();
        for path in paths {
            let elements: Vec<_> = path.iter().map(|name| PathElement::field(*name)).collect();
            set.insert(&elements);
        }
        set
    }

    /// Adds a field. The empty path, the whole object, is owned by nobody.
    pub fn insert(&mut self, path: &[PathElement<'a>]) {
        let Some((first, rest)) = path.split_first() else { return };
        let at = match self.position(first) {
            Ok(at) => at,
            Err(at) => {
                self.nodes.insert(at, Node { element: first.clone(), member: false, children: Self::new() });
                at
            }
        };
        match rest {
            [] => self.nodes[at].member = true,
            rest => self.nodes[at].children.insert(rest),
        }
    }

    /// Adds what is found at an element that sorts behind all others, unless it is nothing.
    pub(super) fn push(&mut self, element: PathElement<'a>, member: bool, children: FieldSet<'a>) {
        let node = Node { element, member, children };
        if node.matters() {
            debug_assert!(self.nodes.last().is_none_or(|last| last.element < node.element), "elements come in order");
            self.nodes.push(node);
        }
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| usize::from(node.member) + node.children.len()).sum()
    }

    /// Whether the field is a member.
    pub fn has(&self, path: &[PathElement<'_>]) -> bool {
        match path {
            [] => false,
            [last] => self.node(last).is_some_and(|node| node.member),
            [first, rest @ ..] => self.node(first).is_some_and(|node| node.children.has(rest)),
        }
    }

    /// The members below an element, with paths that begin there.
    pub fn below(&self, element: &PathElement<'_>) -> Option<&Self> {
        self.node(element).map(|node| &node.children)
    }

    pub(super) fn node(&self, element: &PathElement<'_>) -> Option<&Node<'a>> {
        self.position(element).ok().map(|at| &self.nodes[at])
    }

    fn position(&self, element: &PathElement<'_>) -> Result<usize, usize> {
        self.nodes.binary_search_by(|node| node.element.cmp(element))
    }

    /// What is in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut nodes = Vec::with_capacity(self.nodes.len().max(other.nodes.len()));
        zip(&self.nodes, &other.nodes, |one, other| match (one, other) {
            (Some(one), Some(other)) => nodes.push(Node {
                element: one.element.clone(),
                member: one.member || other.member,
                children: one.children.union(&other.children),
            }),
            (one, other) => nodes.extend(one.or(other).cloned()),
        });
        Self { nodes }
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(&self, other: &FieldSet<'_>) -> Self {
        let mut out = Self::new();
        zip(&self.nodes, &other.nodes, |one, other| {
            if let (Some(one), Some(other)) = (one, other) {
                let children = one.children.intersection(&other.children);
                out.push(one.element.clone(), one.member && other.member, children);
            }
        });
        out
    }

    /// What is in this set and not in the other. Fields below a field of the other stay.
    #[must_use]
    pub fn difference(&self, other: &FieldSet<'_>) -> Self {
        self.without(other, false)
    }

    /// What is in this set and neither in the other nor below a field of the other.
    #[must_use]
    pub fn recursive_difference(&self, other: &FieldSet<'_>) -> Self {
        self.without(other, true)
    }

    fn without(&self, other: &FieldSet<'_>, recursive: bool) -> Self {
        let mut out = Self::new();
        zip(&self.nodes, &other.nodes, |one, other| match (one, other) {
            (Some(one), None) => out.nodes.push(one.clone()),
            (Some(one), Some(other)) if !(recursive && other.member) => {
                let children = one.children.without(&other.children, recursive);
                out.push(one.element.clone(), one.member && !other.member, children);
            }
            _ => (),
        });
        out
    }

    /// The members that have no members below them.
    #[must_use]
    pub fn leaves(&self) -> Self {
        let mut out = Self::new();
        for node in &self.nodes {
            out.push(node.element.clone(), node.member && node.children.is_empty(), node.children.leaves());
        }
        out
    }

    /// The same set, borrowing from nothing.
    pub fn into_owned(self) -> FieldSet<'static> {
        let owned = |node: Node<'a>| Node {
            element: node.element.into_owned(),
            member: node.member,
            children: node.children.into_owned(),
        };
        FieldSet { nodes: self.nodes.into_iter().map(owned).collect() }
    }

    /// Every member's path: of each object or list first its own members, then those below. Upstream: `Set.Iterate`.
    pub fn paths(&self) -> Vec<Vec<PathElement<'a>>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Vec<PathElement<'a>>, paths: &mut Vec<Vec<PathElement<'a>>>) {
        for node in self.nodes.iter().filter(|node| node.member) {
            paths.push([prefix.as_slice(), std::slice::from_ref(&node.element)].concat());
        }
        for node in &self.nodes {
            prefix.push(node.element.clone());
            node.children.collect(prefix, paths);
            prefix.pop();
        }
    }
}

/// Walks two sorted lists together, element by element.
fn zip<'n, 'm, 'a, 'b>(
    left: &'n [Node<'a>],
    right: &'m [Node<'b>],
    mut visit: impl FnMut(Option<&'n Node<'a>>, Option<&'m Node<'b>>),
) {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.element.cmp(&other.element),
        };
        let one = if order == Ordering::Greater { None } else { left.next() };
        let other = if order == Ordering::Less { None } else { right.next() };
        visit(one, other);
    }
}

impl fmt::Display for FieldSet<'_> {
    /// One path a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |path: &Vec<PathElement<'_>>| path.iter().map(ToString::to_string).collect::<String>();
        f.write_str(&self.paths().iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}
