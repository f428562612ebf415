//! What can be called. A function is one row: its name, what it takes, what it gives, and how. Both the checker and the evaluator go by it.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::budget::Budget;
use crate::error::Error;
use crate::types::Type;
use crate::value::Value;

pub(crate) mod format;
mod json_patch;
mod lists;
mod net;
mod optionals;
mod quantity;
mod regex;
mod semver;
mod sets;
mod standard;
mod strings;
mod text_format;
pub(crate) mod time;
pub(crate) mod url;

pub(crate) use self::lists::sorted;
pub(crate) use self::regex::compile as compile_regex;

/// How a function comes to its value. The arguments are of the kinds its row says.
pub(crate) type Run = for<'a> fn(&mut Budget, &[Value<'a>]) -> Result<Value<'a>, Error>;

/// One way to call a function.
pub(crate) struct Overload {
    pub(crate) name: &'static str,
    /// Called on its first argument.
    pub(crate) method: bool,
    pub(crate) args: &'static [T],
    pub(crate) result: T,
    pub(crate) run: Run,
}

impl std::fmt::Debug for Overload {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}({:?})", self.name, self.args)
    }
}

/// A type in a row of the table; `A` and `B` stand for any, the same wherever they occur.
#[derive(Clone, Copy, Debug)]
pub(crate) enum T {
    A,
    B,
    Dyn,
    Bool,
    Int,
    Uint,
    Double,
    /// Any kind of number.
    Number,
    String,
    Bytes,
    Timestamp,
    Duration,
    Type,
    List(&'static T),
    Map(&'static T, &'static T),
    Optional(&'static T),
    Opaque(&'static str),
}

const fn function(name: &'static str, args: &'static [T], result: T, run: Run) -> Overload {
    Overload { name, method: false, args, result, run }
}

const fn method(name: &'static str, args: &'static [T], result: T, run: Run) -> Overload {
    Overload { name, method: true, args, result, run }
}

/// Functions and methods of a name.
type Table = HashMap<&'static str, [Vec<&'static Overload>; 2]>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::new();
    let libraries = [
        standard::OVERLOADS,
        standard::LESS,
        standard::LESS_OR_EQUAL,
        standard::GREATER,
        standard::GREATER_OR_EQUAL,
        time::OVERLOADS,
        strings::OVERLOADS,
        text_format::OVERLOADS,
        lists::OVERLOADS,
        sets::OVERLOADS,
        optionals::OVERLOADS,
        regex::OVERLOADS,
        url::OVERLOADS,
        net::OVERLOADS,
        quantity::OVERLOADS,
        semver::OVERLOADS,
        format::OVERLOADS,
        json_patch::OVERLOADS,
    ];
    for overload in libraries.into_iter().flatten() {
        table.entry(overload.name).or_default()[usize::from(overload.method)].push(overload);
    }
    table
});

/// The ways to call something of this name.
pub(crate) fn find(name: &str, method: bool) -> &'static [&'static Overload] {
    TABLE.get(name).map_or(&[], |both| both[usize::from(method)].as_slice())
}

/// What `A` and `B` stand for.
#[derive(Default)]
pub(crate) struct Bound([Option<Type>; 2]);

impl T {
    /// Whether a value of this type can be given here.
    pub(crate) fn accepts(&self, type_: &Type, bound: &mut Bound) -> bool {
        match (self, type_) {
            (Self::A, _) => bound.settle(0, type_),
            (Self::B, _) => bound.settle(1, type_),
            (Self::Dyn, _) | (_, Type::Dyn) => true,
            (Self::Bool, Type::Bool)
            | (Self::Int, Type::Int)
            | (Self::Uint, Type::Uint)
            | (Self::Double, Type::Double)
            | (Self::Number, Type::Int | Type::Uint | Type::Double)
            | (Self::String, Type::String)
            | (Self::Bytes, Type::Bytes)
            | (Self::Timestamp, Type::Timestamp)
            | (Self::Duration, Type::Duration)
            | (Self::Type, Type::Type) => true,
            (Self::List(item), Type::List(list)) => item.accepts(&list.item, bound),
            (Self::Map(key, value), Type::Map(map)) => key.accepts(&map.0, bound) && value.accepts(&map.1, bound),
            (Self::Optional(inner), Type::Optional(own)) => inner.accepts(own, bound),
            (Self::Opaque(name), Type::Opaque(own)) => name == own,
            _ => false,
        }
    }

    /// The type it is, given what was accepted.
    pub(crate) fn resolve(&self, bound: &Bound) -> Type {
        match self {
            Self::A => bound.0[0].clone().unwrap_or_default(),
            Self::B => bound.0[1].clone().unwrap_or_default(),
            Self::Dyn | Self::Number => Type::Dyn,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::String => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Timestamp => Type::Timestamp,
            Self::Duration => Type::Duration,
            Self::Type => Type::Type,
            Self::List(item) => Type::list(item.resolve(bound)),
            Self::Map(key, value) => Type::Map((key.resolve(bound), value.resolve(bound)).into()),
            Self::Optional(inner) => Type::optional(inner.resolve(bound)),
            Self::Opaque(name) => Type::Opaque(name),
        }
    }

    /// Whether this very value can be given here.
    pub(crate) fn takes(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::A | Self::B | Self::Dyn, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Uint, Value::Uint(_))
            | (Self::Double, Value::Double(_))
            | (Self::Number, Value::Int(_) | Value::Uint(_) | Value::Double(_))
            | (Self::String, Value::String(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Timestamp, Value::Timestamp(_))
            | (Self::Duration, Value::Duration(_))
            | (Self::Type, Value::Type(_))
            | (Self::Map(..), Value::Map(_) | Value::JsonMap(..))
            | (Self::Optional(_), Value::Optional(_)) => true,
            // Lists are of one kind; the first item tells.
            (Self::List(item), Value::List(_) | Value::JsonList(..)) => {
                value.item(0).is_none_or(|first| item.takes(&first))
            }
            (Self::Opaque(name), _) => value.type_name() == *name,
            _ => false,
        }
    }
}

impl Bound {
    fn settle(&mut self, index: usize, type_: &Type) -> bool {
        match &self.0[index] {
            None | Some(Type::Dyn) => {
                self.0[index] = Some(type_.clone());
                true
            }
            Some(known) => known.goes_with(type_),
        }
    }
}
