//! From a tree and values to a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::{Call, Expr, Literal, Node};
use crate::budget::Budget;
use crate::check::TYPE_NAMES;
use crate::error::Error;
use crate::value::{Key, Text, Value};

/// What making a list, a map and a message costs (cel-go's `common/cost.go`).
const LIST: u64 = 10;
const MAP: u64 = 30;
const STRUCT: u64 = 40;

/// How deep evaluations may be in each other: a variable is evaluated within the expression that uses it.
const MAX_DEPTH: u16 = 150;

mod loops;

type Answer<'a> = Result<Value<'a>, Error>;

/// One evaluation.
pub(crate) struct Machine<'m, 'a> {
    pub(crate) variables: &'m [(Arc<str>, Value<'a>)],
    /// Variables of loops, the innermost last.
    pub(crate) scope: Vec<(Arc<str>, Value<'a>)>,
    pub(crate) budget: &'m mut Budget,
}

// Each kind of node has a function of its own, never inlined: what recurses must have a small frame.
impl<'a> Machine<'_, 'a> {
    pub(crate) fn eval(&mut self, expr: &Expr) -> Answer<'a> {
        if self.budget.depth >= MAX_DEPTH {
            return Err(Error::failed("variables are nested too deep"));
        }
        self.budget.depth += 1;
        let answer = self.node(expr);
        self.budget.depth -= 1;
        answer
    }

    fn node(&mut self, expr: &Expr) -> Answer<'a> {
        match &expr.node {
            Node::Literal(literal) => Ok(of_literal(literal)),
            Node::Ident(name) => self.variable(name),
            Node::Select { operand, field, optional } => self.select(operand, field, *optional),
            Node::Has { operand, field } => self.has(operand, field),
            Node::Index { operand, index, optional } => self.index(operand, index, *optional),
            Node::And(terms) => self.logical(terms, false),
            Node::Or(terms) => self.logical(terms, true),
            Node::Conditional(parts) => self.conditional(parts),
            Node::Call(call) => self.call(call),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Struct { name, fields } => self.message(name, fields),
            Node::Loop(each) => self.each(each),
            Node::WithOptional { operand, name, body, flat } => self.with_optional(operand, name, body, *flat),
        }
    }

    #[inline(never)]
    fn variable(&mut self, name: &Arc<str>) -> Answer<'a> {
        self.budget.charge(1)?;
        let named = |(own, _): &&(Arc<str>, Value<'a>)| own == name;
        if let Some((_, value)) = self.scope.iter().rev().find(named).or_else(|| self.variables.iter().find(named)) {
            return Ok(value.clone());
        }
        match TYPE_NAMES.contains(&&**name) {
            true => Ok(Value::Type(Arc::clone(name))),
            false => Err(Error::failed(format!("no such attribute(s): {name}"))),
        }
    }

    /// A field of a value, if it is there.
    fn field(&mut self, operand: &Value<'a>, field: &Arc<str>) -> Result<Option<Value<'a>>, Error> {
        match operand {
            Value::Host(host) => match host.select(field, self.budget) {
                Some(found) => found.map(Some),
                None => Ok(None),
            },
            Value::Map(_) | Value::JsonMap(..) | Value::Struct(_) => Ok(operand.entry(&Key::String(Arc::clone(field)))),
            _ => Err(Error::no_such_overload()),
        }
    }

    #[inline(never)]
    fn select(&mut self, operand: &Expr, field: &Arc<str>, optional: bool) -> Answer<'a> {
        let value = self.eval(operand)?;
        self.budget.charge(1)?;
        let (value, optional) = match &value {
            Value::Optional(None) => return Ok(value),
            Value::Optional(Some(inner)) => ((**inner).clone(), true),
            _ => (value, optional),
        };
        match (self.field(&value, field)?, optional) {
            (Some(found), true) => Ok(Value::some(found)),
            (Some(found), false) => Ok(found),
            (None, true) => Ok(Value::Optional(None)),
            (None, false) => Err(Error::no_such_key(field)),
        }
    }

    #[inline(never)]
    fn has(&mut self, operand: &Expr, field: &Arc<str>) -> Answer<'a> {
        let value = match self.eval(operand)? {
            Value::Optional(None) => return Ok(Value::Bool(false)),
            Value::Optional(Some(inner)) => (*inner).clone(),
            value => value,
        };
        Ok(Value::Bool(self.field(&value, field)?.is_some()))
    }

    #[inline(never)]
    fn index(&mut self, operand: &Expr, index: &Expr, optional: bool) -> Answer<'a> {
        let (value, index) = (self.eval(operand)?, self.eval(index)?);
        self.budget.charge(1)?;
        let (value, optional) = match &value {
            Value::Optional(None) => return Ok(value),
            Value::Optional(Some(inner)) => ((**inner).clone(), true),
            _ => (value, optional),
        };
        let found = match &value {
            Value::List(_) | Value::JsonList(..) => match Key::of(&index)? {
                Key::Int(index) => usize::try_from(index)
                    .ok()
                    .and_then(|index| value.item(index))
                    .ok_or_else(|| Error::failed(format!("index out of bounds: {index}"))),
                _ => Err(Error::no_such_overload()),
            },
            Value::Map(_) | Value::JsonMap(..) => {
                let key = Key::of(&index)?;
                value.entry(&key).ok_or_else(|| Error::no_such_key(key))
            }
            _ => return Err(Error::no_such_overload()),
        };
        match (found, optional) {
            (Ok(found), true) => Ok(Value::some(found)),
            (Err(Error::Failed(_)), true) => Ok(Value::Optional(None)),
            (found, _) => found,
        }
    }

    /// `||` ends with the first true, `&&` with the first false; neither minds what fails beside it.
    #[inline(never)]
    fn logical(&mut self, terms: &[Expr], ends: bool) -> Answer<'a> {
        let mut failure = None;
        for term in terms {
            match self.eval(term).and_then(|value| value.as_bool()) {
                Ok(value) if value == ends => return Ok(Value::Bool(ends)),
                Ok(_) => (),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!ends)), Err)
    }

    #[inline(never)]
    fn conditional(&mut self, parts: &[Expr; 3]) -> Answer<'a> {
        let [condition, then, otherwise] = parts;
        let chosen = if self.eval(condition)?.as_bool()? { then } else { otherwise };
        self.eval(chosen)
    }

    #[inline(never)]
    fn call(&mut self, call: &Call) -> Answer<'a> {
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.eval(arg)?);
        }
        self.budget.charge(1)?;
        if let (true, Some((Value::Host(host), rest))) = (call.method, args.split_first()) {
            return host.call(&call.name, rest, self.budget).unwrap_or_else(|| Err(Error::no_such_overload()));
        }
        let fits = |overload: &&&crate::functions::Overload| {
            overload.args.len() == args.len() && overload.args.iter().zip(&args).all(|(wanted, arg)| wanted.takes(arg))
        };
        let overload = call.overloads.iter().find(fits).ok_or_else(Error::no_such_overload)?;
        (overload.run)(self.budget, &args)
    }

    #[inline(never)]
    fn list(&mut self, items: &[(Expr, bool)]) -> Answer<'a> {
        self.budget.charge(LIST)?;
        let mut values = Vec::with_capacity(items.len());
        for (item, optional) in items {
            let value = self.eval(item)?;
            values.extend(if *optional { present(value)? } else { Some(value) });
        }
        Value::list(values)
    }

    #[inline(never)]
    fn map(&mut self, entries: &[(Expr, Expr, bool)]) -> Answer<'a> {
        self.budget.charge(MAP)?;
        let mut map = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = Key::of(&self.eval(key)?)?;
            let value = self.eval(value)?;
            let Some(value) = (if *optional { present(value)? } else { Some(value) }) else { continue };
            if map.contains_key(&key) {
                return Err(Error::failed(format!("insert failed: key {key} already exists")));
            }
            map.insert(key, value);
        }
        Value::map(map)
    }

    #[inline(never)]
    fn message(&mut self, name: &Arc<str>, fields: &[(Arc<str>, Expr, bool)]) -> Answer<'a> {
        self.budget.charge(STRUCT)?;
        let mut values = BTreeMap::new();
        for (field, value, optional) in fields {
            let value = self.eval(value)?;
            if let Some(value) = if *optional { present(value)? } else { Some(value) } {
                values.insert(Arc::clone(field), value);
            }
        }
        Value::message(Arc::clone(name), values)
    }

    #[inline(never)]
    fn with_optional(&mut self, operand: &Expr, name: &Arc<str>, body: &Expr, flat: bool) -> Answer<'a> {
        let Some(inner) = present(self.eval(operand)?)? else { return Ok(Value::Optional(None)) };
        let value = self.within([(Arc::clone(name), inner)], body)?;
        match (flat, &value) {
            (true, Value::Optional(_)) => Ok(value),
            (true, _) => Err(Error::no_such_overload()),
            (false, _) => Ok(Value::some(value)),
        }
    }

    fn within(&mut self, names: impl IntoIterator<Item = (Arc<str>, Value<'a>)>, body: &Expr) -> Answer<'a> {
        let before = self.scope.len();
        self.scope.extend(names);
        let answer = self.eval(body);
        self.scope.truncate(before);
        answer
    }
}

/// What an optional has.
fn present(value: Value<'_>) -> Result<Option<Value<'_>>, Error> {
    match value {
        Value::Optional(inner) => Ok(inner.map(|inner| (*inner).clone())),
        _ => Err(Error::no_such_overload()),
    }
}

fn of_literal<'a>(literal: &Literal) -> Value<'a> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::String(Text::Shared(Arc::clone(text))),
        Literal::Bytes(bytes) => Value::Bytes(Arc::clone(bytes)),
    }
}
