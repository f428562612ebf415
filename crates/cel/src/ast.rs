//! What an expression is made of.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::functions::Overload;

/// How deep an expression may be nested: what walks it is recursive, and a stack has an end.
pub(crate) const MAX_HEIGHT: u16 = 100;

/// One node, with where it begins in the text (counted in characters) and how many nodes lie below each other from here.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) height: u16,
    /// Where the checker keeps the type of what it comes to: a number, since the parser's frames hold many of these.
    pub(crate) type_: u32,
    pub(crate) node: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
}

#[derive(Debug)]
pub(crate) enum Node {
    Literal(Literal),
    Ident(Arc<str>),
    /// `operand.field`, `operand.?field`.
    Select {
        operand: Box<Expr>,
        field: Arc<str>,
        optional: bool,
    },
    /// `has(operand.field)`.
    Has {
        operand: Box<Expr>,
        field: Arc<str>,
    },
    /// `operand[index]`, `operand[?index]`.
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Conditional(Box<[Expr; 3]>),
    Call(Box<Call>),
    /// Items; those marked are left out when they are none.
    List(Vec<(Expr, bool)>),
    Map(Vec<(Expr, Expr, bool)>),
    Struct {
        name: Arc<str>,
        fields: Vec<(Arc<str>, Expr, bool)>,
    },
    Loop(Box<Loop>),
    /// `operand.optMap(name, body)`, `operand.optFlatMap(name, body)`.
    WithOptional {
        operand: Box<Expr>,
        name: Arc<str>,
        body: Box<Expr>,
        flat: bool,
    },
}

/// A function with its arguments; those of a method begin with what it is called on.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: Arc<str>,
    pub(crate) method: bool,
    pub(crate) args: Vec<Expr>,
    /// What the name can mean; settled when the expression is checked.
    pub(crate) overloads: Vec<&'static Overload>,
}

/// What is done with each element of a list or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Each {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    TransformList,
    TransformMap,
    TransformMapEntry,
    SortBy,
}

/// A macro that goes over a list or map.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) each: Each,
    pub(crate) range: Expr,
    /// One name (element or key), or two (index or key, element).
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) filter: Option<Expr>,
    pub(crate) body: Expr,
}

impl Node {
    /// The nodes directly below.
    fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Literal(_) | Self::Ident(_) => Vec::new(),
            Self::Select { operand, .. } | Self::Has { operand, .. } => vec![operand],
            Self::Index { operand, index, .. } => vec![operand, index],
            Self::And(terms) | Self::Or(terms) => terms.iter().collect(),
            Self::Conditional(parts) => parts.iter().collect(),
            Self::Call(call) => call.args.iter().collect(),
            Self::List(items) => items.iter().map(|(item, _)| item).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, value, _)| [key, value]).collect(),
            Self::Struct { fields, .. } => fields.iter().map(|(_, value, _)| value).collect(),
            Self::Loop(each) => [&each.range, &each.body].into_iter().chain(&each.filter).collect(),
            Self::WithOptional { operand, body, .. } => vec![operand, body],
        }
    }
}

impl Expr {
    /// A node over others; `None` when that makes it too deep.
    pub(crate) fn new(at: usize, node: Node) -> Option<Self> {
        let below = node.children().into_iter().map(|child| child.height).max().unwrap_or(0);
        (below < MAX_HEIGHT).then(|| Self { at, height: below + 1, type_: 0, node })
    }

    /// `a.b.c` as its names, if it is nothing else.
    pub(crate) fn path(&self) -> Option<String> {
        match &self.node {
            Node::Ident(name) => Some(name.to_string()),
            Node::Select { operand, field, optional: false } => Some(format!("{}.{field}", operand.path()?)),
            _ => None,
        }
    }

    /// The names of all variables it mentions, those of its own loops included.
    pub(crate) fn names<'e>(&'e self, names: &mut BTreeSet<&'e str>) {
        if let Node::Ident(name) = &self.node {
            names.insert(name);
        }
        for child in self.node.children() {
            child.names(names);
        }
    }
}
