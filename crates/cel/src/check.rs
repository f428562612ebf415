//! Whether names are declared and types fit, as far as they are known. What a call can mean is settled here.

mod calls;

use std::sync::Arc;

use crate::ast::{Each, Expr, Literal, Loop, Node};
use crate::error::Issue;
use crate::types::Type;

/// The names of types that can be said.
pub(crate) const TYPE_NAMES: [&str; 19] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "optional_type",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "net.IP",
    "net.CIDR",
    "kubernetes.Quantity",
    "kubernetes.URL",
    "kubernetes.Semver",
    "kubernetes.NamedFormat",
];

/// What may be built: `Object{}`, `Object.spec{}` and so on, and `JSONPatch{}` with its fields.
pub(crate) const OBJECT: &str = "Object";
pub(crate) const JSON_PATCH: &str = "JSONPatch";
const JSON_PATCH_FIELDS: [(&str, Type); 4] =
    [("op", Type::String), ("path", Type::String), ("from", Type::String), ("value", Type::Dyn)];

pub(crate) struct Checker<'e> {
    pub(crate) source: &'e str,
    /// Declared variables, then those of loops, the innermost last.
    pub(crate) variables: Vec<(Arc<str>, Type)>,
    /// Whether objects may be built.
    pub(crate) builds: bool,
    pub(crate) issues: Vec<Issue>,
    /// Of every node that was checked, by its number.
    pub(crate) types: Vec<Type>,
}

impl Checker<'_> {
    fn issue(&mut self, at: usize, message: impl Into<String>) -> Type {
        let issue = Issue::new(self.source, at, message);
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
        Type::Dyn
    }

    fn variable(&self, name: &str) -> Option<&Type> {
        self.variables.iter().rev().find(|(own, _)| **own == *name).map(|(_, type_)| type_)
    }

    /// The type of an expression, which is kept for it.
    pub(crate) fn check(&mut self, expr: &mut Expr) -> Type {
        let found = self.found(expr);
        expr.type_ = u32::try_from(self.types.len()).unwrap_or(u32::MAX);
        self.types.push(found.clone());
        found
    }

    /// What is done for each kind of node is a function of its own, so that the frames below each other are small.
    fn found(&mut self, expr: &mut Expr) -> Type {
        let at = expr.at;
        if let Some(name) = self.type_named(expr) {
            expr.node = Node::Ident(name);
            return Type::Type;
        }
        match &mut expr.node {
            Node::Literal(literal) => of_literal(literal),
            Node::Ident(name) => self.ident(at, name),
            Node::Select { operand, field, optional } => self.select(at, operand, field, *optional),
            Node::Has { operand, field } => self.has(at, operand, field),
            Node::Index { operand, index, optional } => self.index(at, operand, index, *optional),
            Node::And(terms) => self.logical("_&&_", terms),
            Node::Or(terms) => self.logical("_||_", terms),
            Node::Conditional(parts) => self.conditional(at, parts),
            Node::Call(call) => self.call(at, call),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Struct { name, fields } => self.message(at, &Arc::clone(name), fields),
            Node::Loop(each) => self.each(at, each),
            Node::WithOptional { operand, name, body, flat } => self.with_optional(at, operand, name, body, *flat),
        }
    }

    #[inline(never)]
    fn ident(&mut self, at: usize, name: &str) -> Type {
        match self.variable(name).cloned() {
            Some(type_) => type_,
            None => self.issue(at, format!("undeclared reference to '{name}' (in container '')")),
        }
    }

    #[inline(never)]
    fn select(&mut self, at: usize, operand: &mut Expr, field: &str, optional: bool) -> Type {
        let operand = self.check(operand);
        let found = self.field(at, operand, field);
        maybe(found, optional)
    }

    #[inline(never)]
    fn has(&mut self, at: usize, operand: &mut Expr, field: &str) -> Type {
        let operand = self.check(operand);
        self.field(at, operand, field);
        Type::Bool
    }

    #[inline(never)]
    fn index(&mut self, at: usize, operand: &mut Expr, index: &mut Expr, optional: bool) -> Type {
        let (operand, index) = (self.check(operand), self.check(index));
        let found = self.indexed(at, &operand, &index);
        maybe(found, optional)
    }

    #[inline(never)]
    fn conditional(&mut self, at: usize, parts: &mut [Expr; 3]) -> Type {
        let [condition, then, otherwise] = parts;
        let (condition, then, otherwise) = (self.check(condition), self.check(then), self.check(otherwise));
        if !condition.goes_with(&Type::Bool) || !then.goes_with(&otherwise) {
            let why = format!("found no matching overload for '_?_:_' applied to '({condition}, {then}, {otherwise})'");
            return self.issue(at, why);
        }
        then.joined(&otherwise)
    }

    #[inline(never)]
    fn list(&mut self, items: &mut [(Expr, bool)]) -> Type {
        let mut item = None;
        for (expr, optional) in items {
            let at = expr.at;
            let found = self.check(expr);
            let found = if *optional { self.inner(at, found) } else { found };
            self.same(at, &mut item, found);
        }
        Type::list(item.unwrap_or_default())
    }

    #[inline(never)]
    fn map(&mut self, entries: &mut [(Expr, Expr, bool)]) -> Type {
        let (mut key, mut value) = (None, None);
        for (key_expr, value_expr, optional) in entries {
            let (key_at, value_at) = (key_expr.at, value_expr.at);
            let found = self.check(key_expr);
            self.same(key_at, &mut key, found);
            let found = self.check(value_expr);
            let found = if *optional { self.inner(value_at, found) } else { found };
            self.same(value_at, &mut value, found);
        }
        Type::Map((key.unwrap_or_default(), value.unwrap_or_default()).into())
    }

    #[inline(never)]
    fn with_optional(&mut self, at: usize, operand: &mut Expr, name: &Arc<str>, body: &mut Expr, flat: bool) -> Type {
        let operand_type = self.check(operand);
        let inner = self.inner(at, operand_type);
        let result = self.within(&[(Arc::clone(name), inner)], body);
        if flat { result } else { Type::optional(result) }
    }

    /// A type's name, unless a variable is called so.
    fn type_named(&self, expr: &Expr) -> Option<Arc<str>> {
        if !matches!(expr.node, Node::Ident(_) | Node::Select { .. }) {
            return None;
        }
        let path = expr.path()?;
        let root = path.split('.').next().unwrap_or_default();
        (TYPE_NAMES.contains(&path.as_str()) && self.variable(root).is_none()).then(|| path.into())
    }

    /// Items of a literal are of one type.
    fn same(&mut self, at: usize, known: &mut Option<Type>, found: Type) {
        match known {
            None | Some(Type::Dyn) => *known = Some(found),
            Some(known) if known.goes_with(&found) => (),
            Some(known) => {
                let message = format!("expected type '{known}' but found '{found}'");
                self.issue(at, message);
            }
        }
    }

    fn inner(&mut self, at: usize, optional: Type) -> Type {
        match optional {
            Type::Optional(inner) => (*inner).clone(),
            Type::Dyn => Type::Dyn,
            other => self.issue(at, format!("expected type 'optional_type(dyn)' but found '{other}'")),
        }
    }

    fn field(&mut self, at: usize, operand: Type, field: &str) -> Type {
        match operand {
            Type::Dyn => Type::Dyn,
            Type::Map(map) => map.1.clone(),
            Type::Optional(inner) => Type::optional(self.field(at, (*inner).clone(), field)),
            Type::Object(object) => match object.fields.get(field) {
                Some(field) => field.type_.clone(),
                None => self.issue(at, format!("undefined field '{field}'")),
            },
            crate::authorizer::AUTHORIZER if field == "requestResource" => crate::authorizer::RESOURCE_CHECK,
            other => self.issue(at, format!("type '{other}' does not support field selection")),
        }
    }

    fn indexed(&mut self, at: usize, operand: &Type, index: &Type) -> Type {
        let fits = match operand {
            Type::Dyn => return Type::Dyn,
            Type::List(_) => index.goes_with(&Type::Int) || matches!(index, Type::Uint | Type::Double),
            Type::Map(map) => index.goes_with(&map.0),
            Type::Optional(inner) => return Type::optional(self.indexed(at, &inner.clone(), index)),
            _ => false,
        };
        match operand.element().filter(|_| fits) {
            Some(element) => element,
            None => self.issue(at, format!("found no matching overload for '_[_]' applied to '({operand}, {index})'")),
        }
    }

    fn logical(&mut self, name: &str, terms: &mut [Expr]) -> Type {
        for term in terms {
            let at = term.at;
            let found = self.check(term);
            if !found.goes_with(&Type::Bool) {
                self.issue(at, format!("found no matching overload for '{name}' applied to '({found})'"));
            }
        }
        Type::Bool
    }

    fn within(&mut self, names: &[(Arc<str>, Type)], body: &mut Expr) -> Type {
        let before = self.variables.len();
        self.variables.extend(names.iter().cloned());
        let type_ = self.check(body);
        self.variables.truncate(before);
        type_
    }

    fn each(&mut self, at: usize, each: &mut Loop) -> Type {
        let Loop { each, range, names, filter, body } = each;
        let range_type = self.check(range);
        let (first, second) = match &range_type {
            Type::Dyn => (Type::Dyn, Type::Dyn),
            Type::List(list) if names.len() == 1 => (list.item.clone(), Type::Dyn),
            Type::List(list) => (Type::Int, list.item.clone()),
            Type::Map(map) => (map.0.clone(), map.1.clone()),
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.issue(at, message);
                (Type::Dyn, Type::Dyn)
            }
        };
        let names: Vec<_> = names.iter().cloned().zip([first.clone(), second]).collect();
        if let Some(filter) = filter {
            let at = filter.at;
            let found = self.within(&names, filter);
            self.expect(at, &Type::Bool, &found);
        }
        let body_at = body.at;
        let result = self.within(&names, body);
        match each {
            Each::All | Each::Exists | Each::ExistsOne => {
                self.expect(body_at, &Type::Bool, &result);
                Type::Bool
            }
            Each::Filter => {
                self.expect(body_at, &Type::Bool, &result);
                Type::list(first)
            }
            Each::Map | Each::TransformList => Type::list(result),
            Each::TransformMap => match range_type {
                Type::Map(map) => Type::Map((map.0.clone(), result).into()),
                Type::List(_) => Type::Map((Type::Int, result).into()),
                _ => Type::Map((Type::Dyn, result).into()),
            },
            Each::TransformMapEntry => result,
            Each::SortBy => range_type,
        }
    }

    fn expect(&mut self, at: usize, wanted: &Type, found: &Type) {
        if !found.goes_with(wanted) {
            self.issue(at, format!("expected type '{wanted}' but found '{found}'"));
        }
    }

    fn message(&mut self, at: usize, name: &str, fields: &mut [(Arc<str>, Expr, bool)]) -> Type {
        let is_object = name == OBJECT || name.starts_with("Object.");
        if !self.builds || !is_object && name != JSON_PATCH {
            return self.issue(at, format!("undeclared reference to '{name}' (in container '')"));
        }
        for (field, value, optional) in fields {
            let (at, found) = (value.at, self.check(value));
            let found = if *optional { self.inner(at, found) } else { found };
            match JSON_PATCH_FIELDS.iter().find(|(own, _)| **own == **field) {
                _ if is_object => self.check_nested(at, &format!("{name}.{field}"), &found),
                Some((_, wanted)) => self.expect(at, wanted, &found),
                None => drop(self.issue(at, format!("undefined field '{field}'"))),
            }
        }
        opaque_object(name)
    }

    /// An object built for a field is called after it.
    fn check_nested(&mut self, at: usize, wanted: &str, found: &Type) {
        if let Type::Object(object) = found
            && object.name.starts_with(OBJECT)
            && object.name != wanted
        {
            self.issue(at, format!("unexpected type name \"{}\", expected \"{wanted}\", which matches field name path from root Object type", object.name));
        }
    }
}

/// What `.?` and `[?]` find may not be there.
fn maybe(found: Type, optional: bool) -> Type {
    match (optional, &found) {
        (true, Type::Optional(_)) | (false, _) => found,
        (true, _) => Type::optional(found),
    }
}

/// A type of an object that is built, known by its name only.
fn opaque_object(name: &str) -> Type {
    Type::Object(Arc::new(crate::types::ObjectType { name: name.to_owned(), ..Default::default() }))
}

fn of_literal(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}
