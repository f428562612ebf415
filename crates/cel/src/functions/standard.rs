//! The language's own signs and functions. Upstream: cel-go's `common/stdlib`.

use sampan_meta::time::format_time;

use super::{Overload, T, function, method, time};
use crate::budget::{Budget, traversal};
use crate::error::Error;
use crate::types::Order;
use crate::value::{Key, Value};

type Answer<'a> = Result<Value<'a>, Error>;

const LIST_OF_A: T = T::List(&T::A);
const MAP_OF_A: T = T::Map(&T::A, &T::B);

pub(super) const OVERLOADS: &[Overload] = &[
    function("_==_", &[T::A, T::A], T::Bool, |budget, a| equal(budget, a).map(Value::Bool)),
    function("_!=_", &[T::A, T::A], T::Bool, |budget, a| equal(budget, a).map(|equal| Value::Bool(!equal))),
    function("!_", &[T::Bool], T::Bool, |_, a| Ok(Value::Bool(!a[0].as_bool()?))),
    function("-_", &[T::Int], T::Int, |_, a| whole(a[0].as_int()?.checked_neg())),
    function("-_", &[T::Double], T::Double, |_, a| Ok(Value::Double(-double(&a[0])?))),
    function("_+_", &[T::Int, T::Int], T::Int, |_, a| whole(a[0].as_int()?.checked_add(a[1].as_int()?))),
    function("_+_", &[T::Uint, T::Uint], T::Uint, |_, a| unsigned(uint(&a[0])?.checked_add(uint(&a[1])?))),
    function("_+_", &[T::Double, T::Double], T::Double, |_, a| Ok(Value::Double(double(&a[0])? + double(&a[1])?))),
    function("_+_", &[T::String, T::String], T::String, concatenate),
    function("_+_", &[T::Bytes, T::Bytes], T::Bytes, concatenate_bytes),
    function("_+_", &[LIST_OF_A, LIST_OF_A], LIST_OF_A, join_lists),
    function("_-_", &[T::Int, T::Int], T::Int, |_, a| whole(a[0].as_int()?.checked_sub(a[1].as_int()?))),
    function("_-_", &[T::Uint, T::Uint], T::Uint, |_, a| unsigned(uint(&a[0])?.checked_sub(uint(&a[1])?))),
    function("_-_", &[T::Double, T::Double], T::Double, |_, a| Ok(Value::Double(double(&a[0])? - double(&a[1])?))),
    function("_*_", &[T::Int, T::Int], T::Int, |_, a| whole(a[0].as_int()?.checked_mul(a[1].as_int()?))),
    function("_*_", &[T::Uint, T::Uint], T::Uint, |_, a| unsigned(uint(&a[0])?.checked_mul(uint(&a[1])?))),
    function("_*_", &[T::Double, T::Double], T::Double, |_, a| Ok(Value::Double(double(&a[0])? * double(&a[1])?))),
    function("_/_", &[T::Int, T::Int], T::Int, |_, a| {
        whole(a[0].as_int()?.checked_div(not_zero(a[1].as_int()?, "division by zero")?))
    }),
    function("_/_", &[T::Uint, T::Uint], T::Uint, |_, a| {
        unsigned(uint(&a[0])?.checked_div(not_zero(uint(&a[1])?, "division by zero")?))
    }),
    function("_/_", &[T::Double, T::Double], T::Double, |_, a| Ok(Value::Double(double(&a[0])? / double(&a[1])?))),
    function("_%_", &[T::Int, T::Int], T::Int, |_, a| {
        whole(a[0].as_int()?.checked_rem(not_zero(a[1].as_int()?, "modulus by zero")?))
    }),
    function("_%_", &[T::Uint, T::Uint], T::Uint, |_, a| {
        unsigned(uint(&a[0])?.checked_rem(not_zero(uint(&a[1])?, "modulus by zero")?))
    }),
    function("@in", &[T::A, LIST_OF_A], T::Bool, in_list),
    function("@in", &[T::A, MAP_OF_A], T::Bool, in_map),
    function("size", &[T::String], T::Int, size),
    function("size", &[T::Bytes], T::Int, size),
    function("size", &[LIST_OF_A], T::Int, size),
    function("size", &[MAP_OF_A], T::Int, size),
    method("size", &[T::String], T::Int, size),
    method("size", &[T::Bytes], T::Int, size),
    method("size", &[LIST_OF_A], T::Int, size),
    method("size", &[MAP_OF_A], T::Int, size),
    function("dyn", &[T::A], T::Dyn, |_, a| Ok(a[0].clone())),
    function("type", &[T::A], T::Type, |_, a| Ok(Value::Type(a[0].type_name().into()))),
    function("bool", &[T::Bool], T::Bool, |_, a| Ok(a[0].clone())),
    function("bool", &[T::String], T::Bool, |_, a| to_bool(a[0].as_text()?)),
    function("int", &[T::Int], T::Int, |_, a| Ok(a[0].clone())),
    function("int", &[T::Uint], T::Int, |_, a| whole(i64::try_from(uint(&a[0])?).ok())),
    function("int", &[T::Double], T::Int, |_, a| whole(truncated(double(&a[0])?))),
    function("int", &[T::String], T::Int, |_, a| parsed(a[0].as_text()?, "int", Value::Int)),
    function("int", &[T::Timestamp], T::Int, |_, a| Ok(Value::Int(time::timestamp(&a[0])?.as_second()))),
    function("int", &[T::Duration], T::Int, |_, a| Ok(Value::Int(time::seconds(&a[0])?))),
    function("uint", &[T::Uint], T::Uint, |_, a| Ok(a[0].clone())),
    function("uint", &[T::Int], T::Uint, |_, a| unsigned(u64::try_from(a[0].as_int()?).ok())),
    function("uint", &[T::Double], T::Uint, |_, a| {
        unsigned(truncated(double(&a[0])?).and_then(|value| u64::try_from(value).ok()))
    }),
    function("uint", &[T::String], T::Uint, |_, a| parsed(a[0].as_text()?, "uint", Value::Uint)),
    function("double", &[T::Number], T::Double, |_, a| Ok(Value::Double(number(&a[0])?))),
    function("double", &[T::String], T::Double, |_, a| parsed(a[0].as_text()?, "double", Value::Double)),
    function("bytes", &[T::Bytes], T::Bytes, |_, a| Ok(a[0].clone())),
    function("bytes", &[T::String], T::Bytes, |budget, a| {
        budget.traverse(a[0].size())?;
        Ok(Value::Bytes(a[0].as_text()?.as_bytes().into()))
    }),
    function("string", &[T::A], T::String, to_string),
];

/// The order of each kind that has one.
macro_rules! ordered {
    ($table:ident, $name:literal, $holds:path) => {
        pub(super) const $table: &[Overload] = &[
            function($name, &[T::Number, T::Number], T::Bool, |_, a| Ok(Value::Bool($holds(unordered(a)?)))),
            function($name, &[T::String, T::String], T::Bool, |budget, a| {
                budget.traverse(a[0].size().min(a[1].size()))?;
                Ok(Value::Bool($holds(Some(a[0].compare(&a[1])?))))
            }),
            function($name, &[T::Bytes, T::Bytes], T::Bool, |budget, a| {
                budget.traverse(a[0].size().min(a[1].size()))?;
                Ok(Value::Bool($holds(Some(a[0].compare(&a[1])?))))
            }),
            function($name, &[T::Bool, T::Bool], T::Bool, |_, a| Ok(Value::Bool($holds(unordered(a)?)))),
            function($name, &[T::Timestamp, T::Timestamp], T::Bool, |_, a| Ok(Value::Bool($holds(unordered(a)?)))),
            function($name, &[T::Duration, T::Duration], T::Bool, |_, a| Ok(Value::Bool($holds(unordered(a)?)))),
        ];
    };
}

ordered!(LESS, "_<_", is_less);
ordered!(LESS_OR_EQUAL, "_<=_", is_less_or_equal);
ordered!(GREATER, "_>_", is_greater);
ordered!(GREATER_OR_EQUAL, "_>=_", is_greater_or_equal);

type Found = Option<std::cmp::Ordering>;

fn is_less(order: Found) -> bool {
    order.is_some_and(std::cmp::Ordering::is_lt)
}

fn is_less_or_equal(order: Found) -> bool {
    order.is_some_and(std::cmp::Ordering::is_le)
}

fn is_greater(order: Found) -> bool {
    order.is_some_and(std::cmp::Ordering::is_gt)
}

fn is_greater_or_equal(order: Found) -> bool {
    order.is_some_and(std::cmp::Ordering::is_ge)
}

/// No order where one of them is not a number at all: then nothing holds.
fn unordered(args: &[Value<'_>]) -> Result<Found, Error> {
    let is_nan = |value: &Value<'_>| matches!(value, Value::Double(value) if value.is_nan());
    if args.iter().any(is_nan) {
        return Ok(None);
    }
    args[0].compare(&args[1]).map(Some)
}

fn equal(budget: &mut Budget, args: &[Value<'_>]) -> Result<bool, Error> {
    equals(budget, &args[0], &args[1])
}

/// Compares, having paid for it.
pub(super) fn equals(budget: &mut Budget, one: &Value<'_>, other: &Value<'_>) -> Result<bool, Error> {
    let is_unordered = |value: &Value<'_>| *value.order() != Order::Atomic;
    match one {
        Value::String(_) | Value::Bytes(_) => budget.traverse(one.size().min(other.size()))?,
        Value::List(_) | Value::JsonList(..) | Value::Map(_) | Value::JsonMap(..) | Value::Struct(_)
            if one.size() == other.size() =>
        {
            let least = weight(budget, one)?.min(weight(budget, other)?);
            if is_unordered(one) || is_unordered(other) {
                budget.traverse(least.saturating_mul(one.size()))?;
            }
        }
        _ => (),
    }
    Ok(one.equals(other))
}

/// How many nodes and letters a value has, paid for as they are counted.
fn weight(budget: &mut Budget, value: &Value<'_>) -> Result<usize, Error> {
    match value {
        Value::JsonList(items, _) => paid(budget, items.iter().map(json_weight).sum::<usize>() + 1),
        Value::JsonMap(map, _) => {
            paid(budget, map.iter().map(|(key, value)| key.len() + json_weight(value)).sum::<usize>() + 1)
        }
        Value::List(list) => {
            budget.charge(traversal(list.items.len()))?;
            list.items.iter().try_fold(1, |sum, item| Ok(sum + weight(budget, item)?))
        }
        Value::Map(map) => {
            budget.charge(traversal(map.entries.len()))?;
            map.entries.values().try_fold(1, |sum, item| Ok(sum + weight(budget, item)?))
        }
        Value::Struct(message) => message.fields.values().try_fold(1, |sum, item| Ok(sum + weight(budget, item)?)),
        Value::Optional(Some(inner)) => weight(budget, inner),
        _ => Ok(value.size()),
    }
}

fn paid(budget: &mut Budget, weight: usize) -> Result<usize, Error> {
    budget.traverse(weight)?;
    Ok(weight)
}

fn json_weight(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::String(text) => text.len() + 1,
        serde_json::Value::Array(items) => items.iter().map(json_weight).sum::<usize>() + 1,
        serde_json::Value::Object(map) => {
            map.iter().map(|(key, value)| key.len() + json_weight(value)).sum::<usize>() + 1
        }
        _ => 1,
    }
}

pub(super) fn overflow() -> Error {
    Error::failed("integer overflow")
}

pub(super) fn whole<'a>(value: Option<i64>) -> Answer<'a> {
    value.map(Value::Int).ok_or_else(overflow)
}

fn unsigned<'a>(value: Option<u64>) -> Answer<'a> {
    value.map(Value::Uint).ok_or_else(|| Error::failed("unsigned integer overflow"))
}

fn not_zero<N: PartialEq + Default>(value: N, why: &str) -> Result<N, Error> {
    if value == N::default() { Err(Error::failed(why)) } else { Ok(value) }
}

fn uint(value: &Value<'_>) -> Result<u64, Error> {
    match value {
        Value::Uint(value) => Ok(*value),
        _ => Err(Error::no_such_overload()),
    }
}

pub(super) fn double(value: &Value<'_>) -> Result<f64, Error> {
    match value {
        Value::Double(value) => Ok(*value),
        _ => Err(Error::no_such_overload()),
    }
}

/// Any number as a double.
pub(super) fn number(value: &Value<'_>) -> Result<f64, Error> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Uint(value) => Ok(*value as f64),
        other => double(other),
    }
}

fn truncated(value: f64) -> Option<i64> {
    // The bounds are cel-go's: the doubles beside the ends of i64 do not fit.
    let fits = value > i64::MIN as f64 && value < i64::MAX as f64;
    #[allow(clippy::cast_possible_truncation)] // That is what is asked for, and it fits.
    fits.then_some(value.trunc() as i64)
}

fn concatenate<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    budget.traverse(args[0].size() + args[1].size())?;
    Ok(Value::string(format!("{}{}", args[0].as_text()?, args[1].as_text()?)))
}

fn concatenate_bytes<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    budget.traverse(args[0].size() + args[1].size())?;
    match args {
        [Value::Bytes(one), Value::Bytes(other)] => Ok(Value::Bytes([&**one, &**other].concat().into())),
        _ => Err(Error::no_such_overload()),
    }
}

/// Lists one after the other; of sets, what is not there yet; of lists by keys, the other's items in place of those of the same keys.
fn join_lists<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    budget.charge(u64::try_from(args[0].size() + args[1].size()).unwrap_or(u64::MAX))?;
    let (mut items, more) = (args[0].items()?, args[1].items()?);
    match args[0].order() {
        Order::Atomic => items.extend(more),
        Order::Set => {
            for item in more {
                budget.charge(u64::try_from(items.len()).unwrap_or(u64::MAX))?;
                if !items.iter().any(|own| own.equals(&item)) {
                    items.push(item);
                }
            }
        }
        Order::Keyed(keys) => {
            let key = |item: &Value<'a>| {
                keys.iter().map(|key| item.entry(&Key::String(key.as_str().into()))).collect::<Vec<_>>()
            };
            let same = |one: &Value<'a>, other: &Value<'a>| {
                key(one).iter().zip(key(other)).all(|pair| match pair {
                    (Some(one), Some(other)) => one.equals(&other),
                    (one, other) => one.is_none() && other.is_none(),
                })
            };
            for item in more {
                budget.charge(u64::try_from(items.len()).unwrap_or(u64::MAX))?;
                match items.iter_mut().find(|own| same(own, &item)) {
                    Some(own) => *own = item,
                    None => items.push(item),
                }
            }
        }
    }
    Value::list(items)
}

fn in_list<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    for index in 0..args[1].size() {
        budget.charge(1)?;
        let Some(item) = args[1].item(index) else { break };
        if equals(budget, &args[0], &item)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn in_map<'a>(_: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    Ok(Value::Bool(Key::of(&args[0]).is_ok_and(|key| args[1].entry(&key).is_some())))
}

fn size<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let size = match &args[0] {
        // Counted in letters, not in bytes.
        Value::String(text) => {
            budget.traverse(text.len())?;
            text.chars().count()
        }
        other => other.size(),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn to_bool<'a>(text: &str) -> Answer<'a> {
    match text {
        "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
        _ => Err(Error::failed(format!("strconv.ParseBool: parsing {text:?}: invalid syntax"))),
    }
}

fn parsed<'a, N: std::str::FromStr>(text: &str, what: &str, value: fn(N) -> Value<'a>) -> Answer<'a> {
    text.parse()
        .map(value)
        .map_err(|_| Error::failed(format!("type conversion error from 'string' to '{what}': {text:?}")))
}

fn to_string<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let text = match &args[0] {
        Value::String(_) => return Ok(args[0].clone()),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Timestamp(value) => format_time(*value),
        Value::Duration(value) => time::print_duration(*value),
        Value::Bytes(bytes) => {
            budget.traverse(bytes.len())?;
            let text = std::str::from_utf8(bytes);
            text.map_err(|_| Error::failed("invalid UTF-8 in bytes, cannot convert to string"))?.to_owned()
        }
        Value::Ip(address) => address.to_string(),
        Value::Cidr(cidr) => cidr.to_string(),
        _ => return Err(Error::no_such_overload()),
    };
    Ok(Value::string(text))
}
