//! Texts. Upstream: cel-go's standard functions and `ext/strings.go`, version 2.

use super::standard::whole;
use super::{Overload, T, function, method};
use crate::budget::Budget;
use crate::error::Error;
use crate::value::Value;

type Answer<'a> = Result<Value<'a>, Error>;

const TEXTS: T = T::List(&T::String);

pub(super) const OVERLOADS: &[Overload] = &[
    method("contains", &[T::String, T::String], T::Bool, |budget, a| {
        budget.charge(crate::budget::traversal(a[0].size()) * crate::budget::traversal(a[1].size()))?;
        Ok(Value::Bool(a[0].as_text()?.contains(a[1].as_text()?)))
    }),
    method("startsWith", &[T::String, T::String], T::Bool, |budget, a| {
        budget.traverse(a[1].size())?;
        Ok(Value::Bool(a[0].as_text()?.starts_with(a[1].as_text()?)))
    }),
    method("endsWith", &[T::String, T::String], T::Bool, |budget, a| {
        budget.traverse(a[1].size())?;
        Ok(Value::Bool(a[0].as_text()?.ends_with(a[1].as_text()?)))
    }),
    method("charAt", &[T::String, T::Int], T::String, char_at),
    method("indexOf", &[T::String, T::String], T::Int, index_of),
    method("indexOf", &[T::String, T::String, T::Int], T::Int, index_of),
    method("lastIndexOf", &[T::String, T::String], T::Int, last_index_of),
    method("lastIndexOf", &[T::String, T::String, T::Int], T::Int, last_index_of),
    method("lowerAscii", &[T::String], T::String, |budget, a| mapped(budget, a, str::to_ascii_lowercase)),
    method("upperAscii", &[T::String], T::String, |budget, a| mapped(budget, a, str::to_ascii_uppercase)),
    method("trim", &[T::String], T::String, |budget, a| mapped(budget, a, |text| text.trim().to_owned())),
    method("reverse", &[T::String], T::String, |budget, a| mapped(budget, a, |text| text.chars().rev().collect())),
    method("replace", &[T::String, T::String, T::String], T::String, replace),
    method("replace", &[T::String, T::String, T::String, T::Int], T::String, replace),
    method("split", &[T::String, T::String], TEXTS, split),
    method("split", &[T::String, T::String, T::Int], TEXTS, split),
    method("substring", &[T::String, T::Int], T::String, substring),
    method("substring", &[T::String, T::Int, T::Int], T::String, substring),
    method("join", &[TEXTS], T::String, join),
    method("join", &[TEXTS, T::String], T::String, join),
    function("strings.quote", &[T::String], T::String, |budget, a| mapped(budget, a, quote)),
];

fn mapped<'a>(budget: &mut Budget, args: &[Value<'a>], change: fn(&str) -> String) -> Answer<'a> {
    budget.traverse(args[0].size())?;
    Ok(Value::string(change(args[0].as_text()?)))
}

fn out_of_range(index: i64) -> Error {
    Error::failed(format!("index out of range: {index}"))
}

fn char_at<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    budget.traverse(args[0].size())?;
    let (text, index) = (args[0].as_text()?, args[1].as_int()?);
    let place = usize::try_from(index).map_err(|_| out_of_range(index))?;
    match text.chars().nth(place) {
        Some(letter) => Ok(Value::string(letter.to_string())),
        None if text.chars().count() == place => Ok(Value::string("")),
        None => Err(out_of_range(index)),
    }
}

/// A place counted in letters as one counted in bytes.
fn offset(text: &str, index: i64) -> Result<usize, Error> {
    let place = usize::try_from(index).map_err(|_| out_of_range(index))?;
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.nth(place).ok_or_else(|| out_of_range(index))
}

fn letters<'a>(text: &str) -> Answer<'a> {
    whole(i64::try_from(text.chars().count()).ok())
}

/// Finding is as dear as walking over both.
fn search(budget: &mut Budget, args: &[Value<'_>]) -> Result<(), Error> {
    budget.traverse(args[0].size().saturating_add(args[1].size()))
}

fn index_of<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    search(budget, args)?;
    let (text, wanted) = (args[0].as_text()?, args[1].as_text()?);
    let from = args.get(2).map_or(Ok(0), |from| offset(text, from.as_int()?))?;
    match text[from..].find(wanted) {
        Some(at) => letters(&text[..from + at]),
        None => Ok(Value::Int(-1)),
    }
}

/// The third argument is the last place where it may begin.
fn last_index_of<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    search(budget, args)?;
    let (text, wanted) = (args[0].as_text()?, args[1].as_text()?);
    let until = match args.get(2) {
        Some(last) => offset(text, last.as_int()?)?.saturating_add(wanted.len()).min(text.len()),
        None => text.len(),
    };
    let until = (until..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    match text[..until].rfind(wanted) {
        Some(at) => letters(&text[..at]),
        None => Ok(Value::Int(-1)),
    }
}

fn limit(args: &[Value<'_>], index: usize) -> Result<Option<usize>, Error> {
    let Some(limit) = args.get(index) else { return Ok(None) };
    // Below zero: as many as there are.
    Ok(usize::try_from(limit.as_int()?).ok())
}

fn replace<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let (text, from, to) = (args[0].as_text()?, args[1].as_text()?, args[2].as_text()?);
    budget.traverse(text.len().saturating_mul(2))?;
    let most = limit(args, 3)?.unwrap_or(usize::MAX);
    let times = text.matches(from).take(most).count();
    // What comes out may be much longer than what went in.
    budget.traverse(times.saturating_mul(to.len()))?;
    Ok(Value::string(text.replacen(from, to, times)))
}

fn split<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let (text, separator) = (args[0].as_text()?, args[1].as_text()?);
    budget.traverse(text.len().saturating_mul(2))?;
    let most = limit(args, 2)?;
    if most == Some(0) {
        return Value::list(Vec::new());
    }
    let most = most.unwrap_or(usize::MAX);
    let mut parts: Vec<Value<'a>> = Vec::new();
    if separator.is_empty() {
        let mut letters = text.chars();
        while parts.len() + 1 < most {
            let Some(letter) = letters.next() else { break };
            budget.charge(1)?;
            parts.push(Value::string(letter.to_string()));
        }
        if !letters.as_str().is_empty() {
            parts.push(Value::string(letters.as_str()));
        }
    } else {
        for part in text.splitn(most, separator) {
            budget.charge(1)?;
            parts.push(Value::string(part));
        }
    }
    Value::list(parts)
}

fn substring<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    budget.traverse(args[0].size())?;
    let text = args[0].as_text()?;
    let begin = offset(text, args[1].as_int()?)?;
    let end = args.get(2).map_or(Ok(text.len()), |end| offset(text, end.as_int()?))?;
    match begin <= end {
        true => Ok(Value::string(&text[begin..end])),
        false => {
            let (begin, end) = (args[1].as_int()?, args[2].as_int()?);
            Err(Error::failed(format!("invalid substring range. start: {begin}, end: {end}")))
        }
    }
}

fn join<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Answer<'a> {
    let separator = args.get(1).map_or(Ok(""), Value::as_text)?;
    let mut joined = String::new();
    for index in 0..args[0].size() {
        let Some(item) = args[0].item(index) else { break };
        let text = item.as_text()?;
        budget.traverse((text.len() + separator.len()).saturating_mul(2))?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    Ok(Value::string(joined))
}

/// In double quotes, so that printing shows what is inside.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
