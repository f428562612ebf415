//! Lists. Upstream: `apiserver/pkg/cel/library/lists.go` and cel-go's `ext/lists.go`, version 3.

use jiff::SignedDuration;

use super::standard::{equals, overflow};
use super::{Overload, T, function, method};
use crate::budget::Budget;
use crate::error::Error;
use crate::value::Value;

type Answer<'a> = Result<Value<'a>, Error>;

const LIST: T = T::List(&T::A);
const LIST_OF_LISTS: T = T::List(&T::Dyn);

pub(super) const OVERLOADS: &[Overload] = &[
    method("isSorted", &[LIST], T::Bool, is_sorted),
    method("sum", &[LIST], T::A, sum),
    method("min", &[LIST], T::A, |budget, a| extreme(budget, a, std::cmp::Ordering::Less, "min")),
    method("max", &[LIST], T::A, |budget, a| extreme(budget, a, std::cmp::Ordering::Greater, "max")),
    method("indexOf", &[LIST, T::A], T::Int, |budget, a| position(budget, a, false)),
    method("lastIndexOf", &[LIST, T::A], T::Int, |budget, a| position(budget, a, true)),
    method("includes", &[LIST, T::A], T::Bool, |budget, a| match position(budget, a, false)? {
        Value::Int(index) => Ok(Value::Bool(index >= 0)),
        other => Ok(other),
    }),
    method("slice", &[LIST, T::Int, T::Int], LIST, slice),
    method("flatten", &[LIST_OF_LISTS], LIST_OF_LISTS, flatten),
    method("flatten", &[LIST_OF_LISTS, T::Int], LIST_OF_LISTS, flatten),
    method("distinct", &[LIST], LIST, distinct),
    method("reverse", &[LIST], LIST, |budget, a| {
        pay(budget, a)?;
        let mut items = a[0].items()?;
        items.reverse();
        Value::list(items)
    }),
    method("sort", &[LIST], LIST, |budget, a| {
        let keyed = a[0].items()?.into_iter().map(|item| (item.clone(), item)).collect();
        sorted(budget, keyed)
    }),
    method("first", &[LIST], T::Optional(&T::A), |_, a| Ok(Value::Optional(a[0].item(0).map(Into::into)))),
    method("last", &[LIST], T::Optional(&T::A), |_, a| {
        let last = a[0].size().checked_sub(1).and_then(|index| a[0].item(index));
        Ok(Value::Optional(last.map(Into::into)))
    }),
    function("lists.range", &[T::Int], T::List(&T::Int), range),
];

/// Whatever walks over a list pays for each item.
fn pay(budget: &mut Budget, args: &[Value<'_>]) -> Result<(), Error> {
    budget.charge(u64::try_from(args[0].size()).unwrap_or(u64::MAX))
}

fn is_sorted<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    pay(budget, args)?;
    let items = args[0].items()?;
    for pair in items.windows(2) {
        budget.traverse(pair[0].size().min(pair[1].size()))?;
        if pair[0].compare(&pair[1])?.is_gt() {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn sum<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    pay(budget, args)?;
    let mut total = Value::Int(0);
    for (index, item) in args[0].items()?.into_iter().enumerate() {
        total = match (total, item) {
            (_, item @ (Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Duration(_))) if index == 0 => item,
            (Value::Int(sum), Value::Int(item)) => Value::Int(sum.checked_add(item).ok_or_else(overflow)?),
            (Value::Uint(sum), Value::Uint(item)) => Value::Uint(sum.checked_add(item).ok_or_else(overflow)?),
            (Value::Double(sum), Value::Double(item)) => Value::Double(sum + item),
            (Value::Duration(sum), Value::Duration(item)) => {
                let sum: Option<SignedDuration> = sum.checked_add(item);
                Value::Duration(sum.ok_or_else(overflow)?)
            }
            _ => return Err(Error::no_such_overload()),
        };
    }
    Ok(total)
}

fn extreme<'a>(budget: &mut Budget, args: &[Value<'a>], wanted: std::cmp::Ordering, name: &str) -> Answer<'a> {
    pay(budget, args)?;
    let mut items = args[0].items()?.into_iter();
    let mut found = items.next().ok_or_else(|| Error::failed(format!("{name} called on empty list")))?;
    for item in items {
        budget.traverse(item.size().min(found.size()))?;
        if item.compare(&found)? == wanted {
            found = item;
        }
    }
    Ok(found)
}

fn position<'a>(budget: &mut Budget, args: &[Value<'a>], from_end: bool) -> Answer<'a> {
    let length = args[0].size();
    for step in 0..length {
        budget.charge(1)?;
        let index = if from_end { length - 1 - step } else { step };
        let Some(item) = args[0].item(index) else { break };
        if equals(budget, &item, &args[1])? {
            return Ok(Value::Int(i64::try_from(index).unwrap_or(i64::MAX)));
        }
    }
    Ok(Value::Int(-1))
}

fn slice<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let (begin, end) = (args[1].as_int()?, args[2].as_int()?);
    let place = |index: i64| {
        usize::try_from(index).map_err(|_| Error::failed("cannot slice(), negative indexes not supported"))
    };
    let (first, last) = (place(begin)?, place(end)?);
    if first > last {
        return Err(Error::failed(format!(
            "cannot slice({begin}, {end}), start index must be less than or equal to end index"
        )));
    }
    if last > args[0].size() {
        return Err(Error::failed(format!("cannot slice({begin}, {end}), list is length {}", args[0].size())));
    }
    budget.charge(u64::try_from(last - first).unwrap_or(u64::MAX))?;
    Value::list((first..last).filter_map(|index| args[0].item(index)).collect())
}

fn flatten<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let depth = args.get(1).map_or(Ok(1), Value::as_int)?;
    if depth < 0 {
        return Err(Error::failed("level must be non-negative"));
    }
    let mut out = Vec::new();
    flatten_into(budget, &args[0], depth, &mut out)?;
    Value::list(out)
}

fn flatten_into<'a>(budget: &mut Budget, list: &Value<'a>, depth: i64, out: &mut Vec<Value<'a>>) -> Result<(), Error> {
    for item in list.items()? {
        budget.charge(1)?;
        match &item {
            Value::List(_) | Value::JsonList(..) if depth > 0 => flatten_into(budget, &item, depth - 1, out)?,
            _ => out.push(item),
        }
    }
    Ok(())
}

fn distinct<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let mut out: Vec<Value<'a>> = Vec::new();
    for item in args[0].items()? {
        let mut found = false;
        for own in &out {
            budget.charge(1)?;
            found = equals(budget, own, &item)?;
            if found {
                break;
            }
        }
        if !found {
            out.push(item);
        }
    }
    Value::list(out)
}

/// Values in the order of their keys, which are of one kind.
pub(crate) fn sorted<'a>(budget: &mut Budget, mut keyed: Vec<(Value<'a>, Value<'a>)>) -> Answer<'a> {
    let length = keyed.len();
    let widest = keyed.iter().map(|(key, _)| key.size()).max().unwrap_or(0);
    let rounds = usize::try_from(length.checked_ilog2().unwrap_or(0) + 1).unwrap_or(64);
    budget.traverse(length.saturating_mul(rounds).saturating_mul(widest.max(10)))?;
    for (key, _) in &keyed {
        // The order is asked for before it is relied on.
        let (first, _) = &keyed[0];
        if !matches!(key, Value::Double(value) if value.is_nan()) {
            key.compare(first)?;
        }
    }
    keyed.sort_by(|(one, _), (other, _)| one.compare(other).unwrap_or(std::cmp::Ordering::Equal));
    Value::list(keyed.into_iter().map(|(_, value)| value).collect())
}

fn range<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let end = args[0].as_int()?;
    budget.charge(u64::try_from(end).unwrap_or(0))?;
    Value::list((0..end).map(Value::Int).collect())
}

/// Whether an item is among those of a list, paid for.
pub(super) fn has<'a>(budget: &mut Budget, list: &Value<'a>, item: &Value<'a>) -> Result<bool, Error> {
    match position(budget, &[list.clone(), item.clone()], false)? {
        Value::Int(index) => Ok(index >= 0),
        _ => Ok(false),
    }
}
