//! Paths of patches. Upstream: `apiserver/pkg/cel/library/jsonpatch.go`.

use super::{Overload, T, function};
use crate::value::Value;

pub(super) const OVERLOADS: &[Overload] = &[function("jsonpatch.escapeKey", &[T::String], T::String, |budget, a| {
    budget.traverse(a[0].size())?;
    Ok(Value::string(a[0].as_text()?.replace('~', "~0").replace('/', "~1")))
})];
