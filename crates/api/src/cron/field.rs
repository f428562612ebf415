//! One field of a schedule: the numbers it names, as bits.

/// What a field may hold.
pub(super) struct Bounds {
    min: i64,
    max: i64,
    names: &'static [&'static str],
}

pub(super) const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[] };
pub(super) const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[] };
pub(super) const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[] };
pub(super) const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
pub(super) const WEEKDAYS: Bounds =
    Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The numbers a field names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    bits: u64,
    /// Written as `*` or `?`, which matters where days of the month meet days of the week.
    any: bool,
}

impl Field {
    /// Upstream: `getField`, `getRange`.
    pub(super) fn parse(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let mut field = Self::default();
        for range in text.split(',').filter(|range| !range.is_empty()) {
            field.add(range, bounds)?;
        }
        Ok(field)
    }

    pub(super) fn has(self, number: i64) -> bool {
        self.bits & (1 << number) != 0
    }

    pub(super) fn is_any(self) -> bool {
        self.any
    }

    fn add(&mut self, text: &str, bounds: &Bounds) -> Result<(), String> {
        let parts: Vec<&str> = text.split('/').collect();
        let ends: Vec<&str> = parts[0].split('-').collect();
        let any = matches!(ends[0], "*" | "?");
        let (start, mut end) = match ends[..] {
            _ if any => (bounds.min, bounds.max),
            [one] => (bounds.number(one)?, bounds.number(one)?),
            [start, end] => (bounds.number(start)?, bounds.number(end)?),
            _ => return Err(format!("too many hyphens: {text}")),
        };
        let step = match parts[..] {
            [_] => 1,
            [_, step] => {
                // `5/15` means from 5 to the end.
                if ends.len() == 1 {
                    end = bounds.max;
                }
                number(step)?
            }
            _ => return Err(format!("too many slashes: {text}")),
        };
        check(start, end, step, bounds, text)?;
        self.any |= any && step <= 1;
        let mut at = start;
        while at <= end {
            self.bits |= 1 << at;
            at += step;
        }
        Ok(())
    }
}

fn check(start: i64, end: i64, step: i64, bounds: &Bounds, text: &str) -> Result<(), String> {
    let Bounds { min, max, .. } = bounds;
    if start < *min {
        return Err(format!("beginning of range ({start}) below minimum ({min}): {text}"));
    }
    if end > *max {
        return Err(format!("end of range ({end}) above maximum ({max}): {text}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

impl Bounds {
    fn number(&self, text: &str) -> Result<i64, String> {
        let lower = text.to_ascii_lowercase();
        match self.names.iter().zip(self.min..).find(|(name, _)| **name == lower) {
            Some((_, number)) => Ok(number),
            None => number(text),
        }
    }
}

/// Go's `strconv.Atoi`, whose words upstream passes on.
fn number(text: &str) -> Result<i64, String> {
    let quoted = format!("{text:?}");
    let parsed = text.parse::<i64>().map_err(|error| {
        let why = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("failed to parse int from {text}: strconv.Atoi: parsing {quoted}: {why}")
    })?;
    if parsed < 0 { Err(format!("negative number ({parsed}) not allowed: {text}")) } else { Ok(parsed) }
}
