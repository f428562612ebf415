//! What an expression can cost at most, told before there is a value. Upstream: cel-go's `checker/cost.go`; its sums are what definitions are
//! refused by, so that they are done as it does them, to what it does not know.

mod calls;
mod size;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Each, Expr, Literal, Loop, Node};
use crate::types::{DYN, Type};
use size::Size;

const LIST: u64 = 10;
const MAP: u64 = 30;
const STRUCT: u64 = 40;

/// How much there can be at a place: elements of a list or map, bytes of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// At most so many.
    pub elements: u64,
    /// What a list's items or a map's values are like.
    pub items: Option<Box<Shape>>,
    /// What the fields of an object are like, by their names in expressions.
    pub fields: BTreeMap<String, Shape>,
}

impl Shape {
    /// Upstream: `sizeEstimator.EstimateSize`, which does not look at the first step.
    fn size_at(&self, path: &[Arc<str>]) -> Option<Size> {
        let (_, path) = path.split_first()?;
        let mut place = self;
        for (index, step) in path.iter().enumerate() {
            place = match &**step {
                "@items" | "@values" => place.items.as_deref()?,
                // Nothing is known of a map's keys, which upstream takes to be empty.
                "@keys" if index + 1 == path.len() && place.items.is_some() => return Some(Size::at_most(0)),
                field => place.fields.get(field)?,
            };
        }
        Some(Size::at_most(place.elements))
    }
}

/// What is known of an expression's value.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Where in an object it comes from; of computed values, what was selected from them.
    path: Vec<Arc<str>>,
    size: Option<Size>,
    /// Of the items or values of one that was computed, and which of the two.
    entry: Option<(Container, Size)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    List,
    Map,
}

impl Known {
    fn size(&self) -> Size {
        self.size.unwrap_or(Size::UNKNOWN)
    }

    fn with_size(size: Option<Size>) -> Self {
        Known { size, ..Known::default() }
    }
}

/// The most that evaluating may cost where `self` and `oldSelf` are of this shape.
pub(crate) fn worst(expr: &Expr, types: &[Type], shape: &Shape) -> u64 {
    Estimator { shape, types, scope: Vec::new() }.cost(expr).0
}

struct Estimator<'e> {
    shape: &'e Shape,
    types: &'e [Type],
    /// Variables of loops, the innermost last.
    scope: Vec<(Arc<str>, Known)>,
}

impl<'e> Estimator<'e> {
    fn type_of(&self, expr: &Expr) -> &'e Type {
        self.types.get(usize::try_from(expr.type_).unwrap_or(usize::MAX)).unwrap_or(&DYN)
    }

    fn cost(&mut self, expr: &Expr) -> (u64, Known) {
        let (cost, mut known) = self.node(expr);
        known.size = self.size(expr, &known);
        (cost, known)
    }

    /// What is told by the value itself, by its place, by its type, and else by where a variable got it from.
    fn size(&self, expr: &Expr, known: &Known) -> Option<Size> {
        let own = match &expr.node {
            Node::Literal(literal) => Some(Size::exactly(of_literal(literal))),
            Node::List(items) => Some(Size::exactly(count(items.len()))),
            Node::Map(entries) => Some(Size::exactly(count(entries.len()))),
            Node::Ident(_) => None,
            _ => known.size,
        };
        let scalar = || is_scalar(self.type_of(expr)).then(|| Size::exactly(1));
        own.or_else(|| self.shape.size_at(&known.path)).or_else(scalar).or(known.size)
    }

    fn node(&mut self, expr: &Expr) -> (u64, Known) {
        match &expr.node {
            Node::Literal(_) => (0, Known::default()),
            Node::Ident(name) => (1, self.variable(name)),
            Node::Select { operand, field, optional: false } => self.select(operand, field),
            Node::Select { operand, optional: true, .. } => (self.cost(operand).0.saturating_add(1), Known::default()),
            // To ask for a field costs nothing.
            Node::Has { operand, .. } => (self.cost(operand).0, Known::default()),
            Node::Index { operand, index, optional } => self.index(operand, index, *optional),
            Node::And(terms) | Node::Or(terms) => (self.all(terms), Known::default()),
            Node::Conditional(parts) => self.conditional(parts),
            Node::Call(call) => self.call(call),
            Node::List(items) => self.list(items.iter().map(|(item, _)| item)),
            Node::Map(entries) => self.map(entries),
            Node::Struct { fields, .. } => {
                let fields = fields.iter().map(|(_, value, _)| self.cost(value).0);
                (fields.fold(STRUCT, u64::saturating_add), Known::default())
            }
            Node::Loop(each) => self.each(each),
            Node::WithOptional { operand, name, body, flat } => self.with_optional(operand, name, body, *flat),
        }
    }

    fn all<'x>(&mut self, exprs: impl IntoIterator<Item = &'x Expr>) -> u64 {
        exprs.into_iter().fold(0, |sum: u64, expr| sum.saturating_add(self.cost(expr).0))
    }

    fn variable(&self, name: &Arc<str>) -> Known {
        let local = self.scope.iter().rev().find(|(own, _)| own == name);
        local.map_or_else(|| Known { path: vec![Arc::clone(name)], ..Known::default() }, |(_, known)| known.clone())
    }

    fn select(&mut self, operand: &Expr, field: &Arc<str>) -> (u64, Known) {
        let (cost, Known { mut path, .. }) = self.cost(operand);
        path.push(Arc::clone(field));
        let own = u64::from(matches!(self.type_of(operand), Type::Map(_) | Type::Object(_)));
        (cost.saturating_add(own), Known { path, ..Known::default() })
    }

    fn index(&mut self, operand: &Expr, index: &Expr, optional: bool) -> (u64, Known) {
        let (cost, Known { mut path, entry, .. }) = self.cost(operand);
        let cost = cost.saturating_add(self.cost(index).0).saturating_add(1);
        let step = match self.type_of(operand) {
            Type::List(_) if !optional => "@items",
            Type::Map(_) | Type::Dyn if !optional => "@values",
            _ => return (cost, Known::default()),
        };
        path.push(step.into());
        (cost, Known { path, size: entry.map(|(_, size)| size), entry: None })
    }

    fn conditional(&mut self, parts: &[Expr; 3]) -> (u64, Known) {
        let [condition, then, otherwise] = parts;
        let condition = self.cost(condition).0;
        let ((then, one), (otherwise, other)) = (self.cost(then), self.cost(otherwise));
        let known = Known { path: Vec::new(), size: Some(one.size().union(other.size())), entry: union(&one, &other) };
        (condition.saturating_add(then.max(otherwise)), known)
    }

    fn list<'x>(&mut self, items: impl Iterator<Item = &'x Expr>) -> (u64, Known) {
        let (mut cost, mut item) = (LIST, None::<Size>);
        for expr in items {
            let (own, known) = self.cost(expr);
            cost = cost.saturating_add(own);
            item = Some(item.map_or_else(|| known.size(), |item| item.union(known.size())));
        }
        (cost, Known { entry: Some((Container::List, item.unwrap_or_else(|| Size::exactly(0)))), ..Known::default() })
    }

    fn map(&mut self, entries: &[(Expr, Expr, bool)]) -> (u64, Known) {
        let (mut cost, mut item) = (MAP, None::<Size>);
        for (key, value, _) in entries {
            let (own, known) = self.cost(value);
            cost = cost.saturating_add(self.cost(key).0).saturating_add(own);
            item = Some(item.map_or_else(|| known.size(), |item| item.union(known.size())));
        }
        (cost, Known { entry: Some((Container::Map, item.unwrap_or_else(|| Size::exactly(0)))), ..Known::default() })
    }

    /// The sums are those of what cel-go's macros expand to: what a loop begins with, its condition, its step, its result.
    fn each(&mut self, each: &Loop) -> (u64, Known) {
        let (range_cost, range) = self.cost(&each.range);
        let before = self.scope.len();
        let names = each.names.iter().cloned().zip(self.elements(each, &range));
        self.scope.extend(names.collect::<Vec<_>>());
        let filter = each.filter.as_ref().map_or(0, |filter| self.cost(filter).0);
        let element = self.scope.last().map(|(name, _)| name.clone()).map(|name| self.variable(&name));
        let (body_cost, body) = self.cost(&each.body);
        self.scope.truncate(before);
        let (once, step) = match each.each {
            Each::All => (1, 3),
            Each::Exists => (1, 4),
            Each::ExistsOne => (2, 2),
            Each::Filter | Each::Map | Each::TransformList => {
                (LIST + 1, LIST + 2 + u64::from(each.each == Each::Filter))
            }
            Each::TransformMap | Each::TransformMapEntry => (MAP + 1, 3),
            Each::SortBy => (LIST + LIST + 4, LIST + 2),
        };
        let rounds = range.size();
        let round = body_cost.saturating_add(filter).saturating_add(step);
        let cost = range_cost.saturating_add(once).saturating_add(rounds.max.saturating_mul(round));
        let list_of = |known: Option<Known>| Known {
            path: Vec::new(),
            size: Some(rounds),
            entry: known.map(|known| (Container::List, Size::at_most(known.size().max))),
        };
        let known = match each.each {
            Each::All | Each::Exists | Each::ExistsOne => Known::with_size(Some(Size::exactly(1))),
            Each::Map | Each::TransformList => list_of(Some(body)),
            Each::Filter | Each::SortBy => {
                list_of(element.map(|known| Known { size: self.size_of_element(&known), ..known }))
            }
            Each::TransformMap | Each::TransformMapEntry => Known::with_size(Some(rounds)),
        };
        (cost, known)
    }

    fn size_of_element(&self, known: &Known) -> Option<Size> {
        self.shape.size_at(&known.path).or(known.size)
    }

    /// `o.hasValue() ? optional.of(body of o.value()) : optional.none()`.
    fn with_optional(&mut self, operand: &Expr, name: &Arc<str>, body: &Expr, flat: bool) -> (u64, Known) {
        let operand = self.cost(operand).0.saturating_add(1);
        self.scope.push((Arc::clone(name), Known::default()));
        let body = self.cost(body).0;
        self.scope.pop();
        let bound = operand.saturating_add(LIST).saturating_add(body).saturating_add(u64::from(!flat));
        (operand.saturating_add(bound), Known::default())
    }

    /// What is known of the variables of a loop.
    fn elements(&self, each: &Loop, range: &Known) -> [Known; 2] {
        let is_list = match range.entry {
            Some((container, _)) => container == Container::List,
            None => matches!(self.type_of(&each.range), Type::List(_)),
        };
        let step = |name: &str| range.path.iter().cloned().chain([name.into()]).collect();
        let element = |name: &str| Known { path: step(name), size: range.entry.map(|(_, size)| size), entry: None };
        let key = Known { path: step(if is_list { "@indices" } else { "@keys" }), ..Known::default() };
        match (each.names.len(), is_list) {
            (1, true) => [element("@items"), Known::default()],
            (1, false) => [key, Known::default()],
            (_, true) => [key, element("@items")],
            (_, false) => [key, element("@values")],
        }
    }
}

fn union(one: &Known, other: &Known) -> Option<(Container, Size)> {
    let ((container, one), (_, other)) = (one.entry?, other.entry?);
    Some((container, one.union(other)))
}

fn is_scalar(type_: &Type) -> bool {
    match type_ {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        Type::Optional(inner) => is_scalar(inner),
        _ => false,
    }
}

fn of_literal(literal: &Literal) -> u64 {
    match literal {
        Literal::String(text) => count(text.chars().count()),
        Literal::Bytes(bytes) => count(bytes.len()),
        _ => 1,
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
