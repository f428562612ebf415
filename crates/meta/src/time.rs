//! Times and durations in the forms Kubernetes writes them.

use jiff::Timestamp;

/// `2026-01-02T03:04:05Z`: whole seconds, as `metav1.Time` is written. Fractions are cut off.
pub fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-01-02T03:04:05.000000Z`: always six digits, as `metav1.MicroTime` is written.
pub fn format_micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads RFC 3339 in any offset, with or without fractions. The error says what was wrong.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    let strict = text.len() >= 20 && text.as_bytes()[10] == b'T' && !text.contains('[');
    let parsed = text.parse::<Timestamp>().map_err(|error| error.to_string());
    if strict { parsed } else { parsed.and_then(|_| Err("not in RFC 3339 form".to_owned())) }
}

/// The age of something in the short form of kubectl's AGE column: `45s`, `5m10s`, `3h`, `2d4h`, `400d`, `2y30d`.
///
/// Matches `HumanDuration` of upstream's `apimachinery/pkg/util/duration`: a negative age of up to one second reads `0s`, more `<invalid>`.
pub fn human_duration(age: jiff::SignedDuration) -> String {
    let seconds = age.as_secs();
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    match () {
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 2 * 60 => format!("{seconds}s"),
        () if minutes < 10 => two_units(minutes, "m", seconds % 60, "s"),
        () if minutes < 3 * 60 => format!("{minutes}m"),
        () if hours < 8 => two_units(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 8 * 24 => two_units(days, "d", hours % 24, "h"),
        () if days < 2 * 365 => format!("{days}d"),
        () if days < 8 * 365 => two_units(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

fn two_units(large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

/// The age at `now` of something that began at `since`, as [`human_duration`].
pub fn age(since: Timestamp, now: Timestamp) -> String {
    human_duration(now.duration_since(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn times_are_written_as_kubernetes_writes_them() {
        let time: Timestamp = "2026-01-02T03:04:05.678901234Z".parse().unwrap();
        assert_eq!(format_time(time), "2026-01-02T03:04:05Z");
        assert_eq!(format_micro_time(time), "2026-01-02T03:04:05.678901Z");
        assert_eq!(format_micro_time(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000000Z");
        let early: Timestamp = "0001-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(format_time(early), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn only_rfc_3339_is_read() {
        assert_eq!(parse_time("2026-01-02T03:04:05+02:00").map(format_time).as_deref(), Ok("2026-01-02T01:04:05Z"));
        assert!(parse_time("2026-01-02").is_err());
        assert!(parse_time("2026-01-02 03:04:05Z").is_err());
        assert!(parse_time("yesterday").is_err());
    }

    #[test]
    fn ages_are_short_and_as_kubectl_shows_them() {
        let rows = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (599, "9m59s"),
            (600, "10m"),
            (179 * 60, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (8 * 3600, "8h"),
            (47 * 3600, "47h"),
            (48 * 3600, "2d"),
            (49 * 3600, "2d1h"),
            (8 * 86400, "8d"),
            (729 * 86400, "729d"),
            (730 * 86400, "2y"),
            (731 * 86400, "2y1d"),
            (8 * 365 * 86400, "8y"),
        ];
        for (seconds, expected) in rows {
            assert_eq!(human_duration(SignedDuration::from_secs(seconds)), expected, "{seconds} s");
        }
    }
}
