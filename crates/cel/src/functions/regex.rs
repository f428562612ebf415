//! Patterns: of linear time, as upstream's RE2. Upstream: `apiserver/pkg/cel/library/regex.go` and cel-go's `matches`.

use regex::{Regex, RegexBuilder};

use super::{Overload, T, function, method};
use crate::budget::Budget;
use crate::error::Error;
use crate::value::Value;

/// Bytes a compiled pattern may take.
const MAX_COMPILED: usize = 1 << 20;

pub(super) const OVERLOADS: &[Overload] = &[
    method("matches", &[T::String, T::String], T::Bool, matches),
    function("matches", &[T::String, T::String], T::Bool, matches),
    method("find", &[T::String, T::String], T::String, |budget, a| {
        let text = a[0].as_text()?;
        let found = pattern(budget, a)?.find(text).map_or("", |found| found.as_str()).to_owned();
        Ok(Value::string(found))
    }),
    method("findAll", &[T::String, T::String], T::List(&T::String), |budget, a| find_all(budget, a, usize::MAX)),
    method("findAll", &[T::String, T::String, T::Int], T::List(&T::String), |budget, a| {
        // Below zero: all of them.
        find_all(budget, a, usize::try_from(a[2].as_int()?).unwrap_or(usize::MAX))
    }),
];

/// A pattern, bounded in size.
pub(crate) fn compile(text: &str) -> Result<Regex, Error> {
    let built = RegexBuilder::new(text).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).nest_limit(100).build();
    built.map_err(|_| Error::failed(format!("error parsing regexp: {text}")))
}

/// The second argument, for the first. Costs what upstream guesses: a step for each four letters of the pattern and each ten of the text.
fn pattern(budget: &mut Budget, args: &[Value<'_>]) -> Result<Regex, Error> {
    let (text, pattern) = (args[0].size(), args[1].as_text()?);
    let for_pattern = u64::try_from(pattern.len()).unwrap_or(u64::MAX).div_ceil(4);
    budget.charge(crate::budget::traversal(text + 1).saturating_mul(for_pattern))?;
    // Each call compiles, which may be a thousand times dearer than the text is long.
    budget.charge(for_pattern)?;
    compile(pattern)
}

fn matches<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    Ok(Value::Bool(pattern(budget, args)?.is_match(args[0].as_text()?)))
}

fn find_all<'a>(budget: &mut Budget, args: &[Value<'a>], most: usize) -> Result<Value<'a>, Error> {
    let (pattern, text) = (pattern(budget, args)?, args[0].as_text()?);
    let mut found = Vec::new();
    for part in pattern.find_iter(text).take(most) {
        budget.charge(1)?;
        found.push(Value::string(part.as_str()));
    }
    Value::list(found)
}
