//! What may not be there. Upstream: cel-go's `cel/library.go`, `OptionalTypes`.

use super::{Overload, T, function, method};
use crate::error::Error;
use crate::value::Value;

const OPTIONAL: T = T::Optional(&T::A);

pub(super) const OVERLOADS: &[Overload] = &[
    function("optional.of", &[T::A], OPTIONAL, |_, a| Ok(Value::some(a[0].clone()))),
    function("optional.none", &[], OPTIONAL, |_, _| Ok(Value::Optional(None))),
    function("optional.ofNonZeroValue", &[T::A], OPTIONAL, |_, a| match a[0].is_zero() {
        true => Ok(Value::Optional(None)),
        false => Ok(Value::some(a[0].clone())),
    }),
    method("hasValue", &[OPTIONAL], T::Bool, |_, a| Ok(Value::Bool(matches!(a[0], Value::Optional(Some(_)))))),
    method("value", &[OPTIONAL], T::A, |_, a| match &a[0] {
        Value::Optional(Some(inner)) => Ok((**inner).clone()),
        _ => Err(Error::failed("optional.none() dereference")),
    }),
    method("or", &[OPTIONAL, OPTIONAL], OPTIONAL, |_, a| match &a[0] {
        Value::Optional(Some(_)) => Ok(a[0].clone()),
        _ => Ok(a[1].clone()),
    }),
    method("orValue", &[OPTIONAL, T::A], T::A, |_, a| match &a[0] {
        Value::Optional(Some(inner)) => Ok((**inner).clone()),
        _ => Ok(a[1].clone()),
    }),
];
