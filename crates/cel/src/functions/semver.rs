//! Versions. Upstream: `apiserver/pkg/cel/library/semverlib.go`, version 1.

use std::sync::Arc;

use semver::Version;

use super::{Overload, T, function, method};
use crate::budget::Budget;
use crate::error::Error;
use crate::value::Value;

const SEMVER: T = T::Opaque("kubernetes.Semver");

pub(super) const OVERLOADS: &[Overload] = &[
    function("semver", &[T::String], SEMVER, |budget, a| parse(budget, a)?.map(version_value)),
    function("semver", &[T::String, T::Bool], SEMVER, |budget, a| parse(budget, a)?.map(version_value)),
    function("isSemver", &[T::String], T::Bool, |budget, a| Ok(Value::Bool(parse(budget, a)?.is_ok()))),
    function("isSemver", &[T::String, T::Bool], T::Bool, |budget, a| Ok(Value::Bool(parse(budget, a)?.is_ok()))),
    method("major", &[SEMVER], T::Int, |_, a| part(of(&a[0])?.major)),
    method("minor", &[SEMVER], T::Int, |_, a| part(of(&a[0])?.minor)),
    method("patch", &[SEMVER], T::Int, |_, a| part(of(&a[0])?.patch)),
    method("isGreaterThan", &[SEMVER, SEMVER], T::Bool, |_, a| Ok(Value::Bool(order(a)?.is_gt()))),
    method("isLessThan", &[SEMVER, SEMVER], T::Bool, |_, a| Ok(Value::Bool(order(a)?.is_lt()))),
    method("compareTo", &[SEMVER, SEMVER], T::Int, |_, a| Ok(Value::Int(order(a)? as i64))),
];

fn version_value<'a>(version: Version) -> Value<'a> {
    Value::Semver(Arc::new(version))
}

fn part<'a>(number: u64) -> Result<Value<'a>, Error> {
    Ok(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
}

fn of<'v>(value: &'v Value<'_>) -> Result<&'v Version, Error> {
    match value {
        Value::Semver(version) => Ok(version),
        _ => Err(Error::no_such_overload()),
    }
}

/// What a version was built from does not count.
fn order(args: &[Value<'_>]) -> Result<std::cmp::Ordering, Error> {
    Ok(of(&args[0])?.cmp_precedence(of(&args[1])?))
}

/// The outer error is the budget's, the inner one the text's.
fn parse(budget: &mut Budget, args: &[Value<'_>]) -> Result<Result<Version, Error>, Error> {
    budget.traverse(args[0].size())?;
    let normalize = args.get(1).map_or(Ok(false), Value::as_bool)?;
    let text = if normalize { normalized(args[0].as_text()?) } else { args[0].as_text()?.to_owned() };
    Ok(Version::parse(&text).map_err(|error| Error::failed(error.to_string())))
}

/// `v1.0` as `1.0.0`: without the `v`, with all three numbers, and these without zeros before.
fn normalized(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (numbers, rest) = text.find(['-', '+']).map_or((text, ""), |at| text.split_at(at));
    let mut parts: Vec<String> = numbers
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0".to_owned(),
            trimmed => trimmed.to_owned(),
        })
        .collect();
    while parts.len() < 3 {
        parts.push("0".to_owned());
    }
    format!("{}{rest}", parts.join("."))
}
