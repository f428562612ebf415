//! `"%s has %d".format([name, count])`. Upstream: cel-go's `ext/formatting.go`.

use super::{Overload, T, method, standard, time};
use crate::budget::Budget;
use crate::error::Error;
use crate::value::Value;

pub(super) const OVERLOADS: &[Overload] = &[method("format", &[T::String, T::List(&T::Dyn)], T::String, format)];

/// More digits than any number has.
const MOST_DIGITS: usize = 100;

fn format<'a>(budget: &mut Budget, args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let mut out = String::new();
    let mut letters = args[0].as_text()?.chars().peekable();
    let mut next = 0;
    budget.traverse(args[0].size())?;
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        if letters.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut precision = None;
        if letters.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            let parsed = digits.parse::<usize>().ok().filter(|digits| *digits <= MOST_DIGITS);
            precision = Some(parsed.ok_or_else(|| Error::failed("error while parsing precision"))?);
        }
        let verb = letters.next().ok_or_else(|| Error::failed("unexpected end of string"))?;
        let item = args[1].item(next).ok_or_else(|| Error::failed(format!("index {next} out of range")))?;
        next += 1;
        let text = one(budget, verb, precision, &item)?;
        budget.traverse(text.len())?;
        out.push_str(&text);
    }
    Ok(Value::string(out))
}

fn one(budget: &mut Budget, verb: char, precision: Option<usize>, value: &Value<'_>) -> Result<String, Error> {
    let unfit =
        |clause: &str| Error::failed(format!("error during formatting: {clause}, was given {}", value.type_name()));
    match verb {
        's' => {
            let mut out = String::new();
            print(budget, value, &mut out)?;
            Ok(out)
        }
        'd' => match value {
            Value::Int(value) => Ok(value.to_string()),
            Value::Uint(value) => Ok(value.to_string()),
            Value::Double(value) if !value.is_finite() => Ok(special(*value)),
            _ => Err(unfit("decimal clause can only be used on integers")),
        },
        'f' => match standard::number(value) {
            Ok(number) if !number.is_finite() => Ok(special(number)),
            Ok(number) => Ok(format!("{number:.*}", precision.unwrap_or(6))),
            Err(_) => Err(unfit("fixed-point clause can only be used on doubles")),
        },
        'e' => match standard::number(value) {
            Ok(number) if !number.is_finite() => Ok(special(number)),
            Ok(number) => Ok(scientific(number, precision.unwrap_or(6))),
            Err(_) => Err(unfit("scientific clause can only be used on doubles")),
        },
        'b' => match value {
            Value::Int(value) => Ok(signed(*value, |value| format!("{value:b}"))),
            Value::Uint(value) => Ok(format!("{value:b}")),
            Value::Bool(value) => Ok(u8::from(*value).to_string()),
            _ => Err(unfit("only integers and bools can be formatted as binary")),
        },
        'o' => match value {
            Value::Int(value) => Ok(signed(*value, |value| format!("{value:o}"))),
            Value::Uint(value) => Ok(format!("{value:o}")),
            _ => Err(unfit("octal clause can only be used on integers")),
        },
        'x' => {
            hexadecimal(value).ok_or_else(|| unfit("only integers, byte buffers, and strings can be formatted as hex"))
        }
        'X' => match hexadecimal(value) {
            Some(text) => Ok(text.to_uppercase()),
            None => Err(unfit("only integers, byte buffers, and strings can be formatted as hex")),
        },
        other => Err(Error::failed(format!("unrecognized formatting clause \"{other}\""))),
    }
}

fn special(number: f64) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number > 0.0 => "Infinity".to_owned(),
        _ => "-Infinity".to_owned(),
    }
}

/// `1.234500e+02`: the exponent has a sign and two digits.
fn scientific(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn signed(value: i64, print: fn(u64) -> String) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}", print(value.unsigned_abs()))
}

fn hexadecimal(value: &Value<'_>) -> Option<String> {
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match value {
        Value::Int(value) => Some(signed(*value, |value| format!("{value:x}"))),
        Value::Uint(value) => Some(format!("{value:x}")),
        Value::String(text) => Some(bytes(text.as_bytes())),
        Value::Bytes(value) => Some(bytes(value)),
        _ => None,
    }
}

/// A value as `%s` shows it.
fn print(budget: &mut Budget, value: &Value<'_>, out: &mut String) -> Result<(), Error> {
    budget.charge(1)?;
    match value {
        Value::Null => out.push_str("null"),
        Value::String(text) => {
            budget.traverse(text.len())?;
            out.push_str(text);
        }
        Value::Bool(value) => out.push_str(&value.to_string()),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Uint(value) => out.push_str(&value.to_string()),
        Value::Double(value) if !value.is_finite() => out.push_str(&special(*value)),
        Value::Double(value) => out.push_str(&value.to_string()),
        Value::Bytes(bytes) => {
            budget.traverse(bytes.len())?;
            out.push_str(&String::from_utf8_lossy(bytes));
        }
        Value::Timestamp(value) => out.push_str(&sampan_meta::time::format_time(*value)),
        Value::Duration(value) => out.push_str(&time::print_duration(*value)),
        Value::Type(name) => out.push_str(name),
        Value::List(_) | Value::JsonList(..) => {
            out.push('[');
            for index in 0..value.size() {
                out.push_str(if index > 0 { ", " } else { "" });
                print(budget, &value.item(index).unwrap_or(Value::Null), out)?;
            }
            out.push(']');
        }
        Value::Map(_) | Value::JsonMap(..) => {
            out.push('{');
            for (index, key) in value.keys()?.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                print(budget, key, out)?;
                out.push_str(": ");
                let entry = value.entry(&crate::value::Key::of(key)?).unwrap_or(Value::Null);
                print(budget, &entry, out)?;
            }
            out.push('}');
        }
        other => {
            let why = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps";
            return Err(Error::failed(format!("error during formatting: {why}, was given {}", other.type_name())));
        }
    }
    Ok(())
}
