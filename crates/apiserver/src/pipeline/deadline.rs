//! How long a request may take.

use std::time::Duration;

use sampan_meta::Status;

use crate::metrics::Sort;
use crate::query::Query;

/// How long this request may take: the `timeout` parameter, but never more than the server allows.
pub(super) fn deadline(query: &Query, most: Duration, sort: Sort) -> Result<Option<Duration>, Status> {
    if sort == Sort::LongRunning {
        return Ok(None);
    }
    let Some(text) = query.get("timeout") else { return Ok(Some(most)) };
    let wanted = duration(text).ok_or_else(|| {
        Status::bad_request(format!("invalid timeout specified in the request URL: {text:?} is no duration"))
    })?;
    Ok(Some(if wanted.is_zero() { most } else { wanted.min(most) }))
}

/// Reads a Go duration of whole units: `32s`, `1m30s`, `500ms`; a bare number counts seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let count: u32 = rest[..digits].parse().ok()?;
        let unit_end =
            rest[digits..].find(|character: char| character.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let unit = match &rest[digits..unit_end] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(count)?)?;
        rest = &rest[unit_end..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("32s"), Some(Duration::from_secs(32)));
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("3"), Some(Duration::from_secs(3)));
        for bad in ["", "x", "5x", "s", "1.5s", "99999999999h"] {
            assert_eq!(duration(bad).filter(|_| !bad.is_empty()), None, "{bad}");
        }
    }
}
