//! Lists as sets. Upstream: cel-go's `ext/sets.go`.

use super::lists::has;
use super::{Overload, T, function};
use crate::budget::Budget;
use crate::error::Error;
use crate::value::Value;

const LIST: T = T::List(&T::A);

pub(super) const OVERLOADS: &[Overload] = &[
    function("sets.contains", &[LIST, LIST], T::Bool, |budget, a| all_in(budget, &a[1], &a[0]).map(Value::Bool)),
    function("sets.equivalent", &[LIST, LIST], T::Bool, |budget, a| {
        Ok(Value::Bool(all_in(budget, &a[1], &a[0])? && all_in(budget, &a[0], &a[1])?))
    }),
    function("sets.intersects", &[LIST, LIST], T::Bool, |budget, a| {
        for item in a[0].items()? {
            if has(budget, &a[1], &item)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }),
];

fn all_in<'a>(budget: &mut Budget, items: &Value<'a>, list: &Value<'a>) -> Result<bool, Error> {
    for item in items.items()? {
        budget.charge(1)?;
        if !has(budget, list, &item)? {
            return Ok(false);
        }
    }
    Ok(true)
}
