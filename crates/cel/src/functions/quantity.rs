//! Amounts of resources. Upstream: `apiserver/pkg/cel/library/quantity.go`.

use sampan_meta::{Format, Quantity};

use super::{Overload, T, function, method};
use crate::error::Error;
use crate::value::Value;

const QUANTITY: T = T::Opaque("kubernetes.Quantity");

pub(super) const OVERLOADS: &[Overload] = &[
    function("quantity", &[T::String], QUANTITY, |budget, a| {
        budget.traverse(a[0].size())?;
        let parsed = Quantity::parse(a[0].as_text()?);
        parsed.map(Value::Quantity).map_err(|error| Error::failed(error.to_string()))
    }),
    function("isQuantity", &[T::String], T::Bool, |budget, a| {
        budget.traverse(a[0].size())?;
        Ok(Value::Bool(Quantity::parse(a[0].as_text()?).is_ok()))
    }),
    method("sign", &[QUANTITY], T::Int, |_, a| {
        let quantity = of(&a[0])?;
        let sign = if quantity.is_zero() { 0 } else { 1 };
        Ok(Value::Int(if quantity.is_negative() { -1 } else { sign }))
    }),
    method("isInteger", &[QUANTITY], T::Bool, |_, a| Ok(Value::Bool(integer(of(&a[0])?).is_some()))),
    method("asInteger", &[QUANTITY], T::Int, |_, a| {
        let value = integer(of(&a[0])?);
        value.map(Value::Int).ok_or_else(|| Error::failed("cannot convert value to integer"))
    }),
    method("asApproximateFloat", &[QUANTITY], T::Double, |_, a| Ok(Value::Double(of(&a[0])?.as_f64()))),
    method("isGreaterThan", &[QUANTITY, QUANTITY], T::Bool, |_, a| Ok(Value::Bool(of(&a[0])? > of(&a[1])?))),
    method("isLessThan", &[QUANTITY, QUANTITY], T::Bool, |_, a| Ok(Value::Bool(of(&a[0])? < of(&a[1])?))),
    method("compareTo", &[QUANTITY, QUANTITY], T::Int, |_, a| Ok(Value::Int(of(&a[0])?.cmp(&of(&a[1])?) as i64))),
    method("add", &[QUANTITY, QUANTITY], QUANTITY, |_, a| Ok(Value::Quantity(of(&a[0])? + of(&a[1])?))),
    method("add", &[QUANTITY, T::Int], QUANTITY, |_, a| Ok(Value::Quantity(of(&a[0])? + plain(&a[1])?))),
    method("sub", &[QUANTITY, QUANTITY], QUANTITY, |_, a| Ok(Value::Quantity(of(&a[0])? - of(&a[1])?))),
    method("sub", &[QUANTITY, T::Int], QUANTITY, |_, a| Ok(Value::Quantity(of(&a[0])? - plain(&a[1])?))),
];

fn of(value: &Value<'_>) -> Result<Quantity, Error> {
    match value {
        Value::Quantity(quantity) => Ok(*quantity),
        _ => Err(Error::no_such_overload()),
    }
}

fn plain(value: &Value<'_>) -> Result<Quantity, Error> {
    Ok(Quantity::from_value(value.as_int()?, Format::DecimalSi))
}

/// The amount as a whole number, if it is one that fits.
fn integer(quantity: Quantity) -> Option<i64> {
    let value = quantity.value();
    (Quantity::from_value(value, quantity.format()) == quantity).then_some(value)
}
