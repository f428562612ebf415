use super::*;
use expect_test::{Expect, expect};

/// The next three times after a moment in a zone, or why there are none.
fn check(schedule: &str, zone: &str, after: &str, expected: Expect) {
    let shown = match Schedule::parse(schedule) {
        Err(why) => why,
        Ok(schedule) => {
            let zone = time_zone(zone).unwrap();
            let mut at: Timestamp = after.parse().unwrap();
            let mut times = Vec::new();
            for _ in 0..3 {
                let Some(next) = schedule.next(at, &zone) else { break };
                times.push(next.to_zoned(zone.clone()).strftime("%a %F %R").to_string());
                at = next;
            }
            times.join(", ")
        }
    };
    expected.assert_eq(&shown);
}

fn utc(schedule: &str, expected: Expect) {
    check(schedule, "UTC", "2026-01-02T03:04:05Z", expected);
}

#[test]
fn the_five_fields() {
    utc("*/20 * * * *", expect!["Fri 2026-01-02 03:20, Fri 2026-01-02 03:40, Fri 2026-01-02 04:00"]);
    utc("5/30 3 * * *", expect!["Fri 2026-01-02 03:05, Fri 2026-01-02 03:35, Sat 2026-01-03 03:05"]);
    utc("0 0 1 jan,JUL ?", expect!["Wed 2026-07-01 00:00, Fri 2027-01-01 00:00, Thu 2027-07-01 00:00"]);
    utc("0 9-17/4 * * mon-fri", expect!["Fri 2026-01-02 09:00, Fri 2026-01-02 13:00, Fri 2026-01-02 17:00"]);
    utc("0 0 29 2 *", expect!["Tue 2028-02-29 00:00, Sun 2032-02-29 00:00, Fri 2036-02-29 00:00"]);
    utc("0 0 30 2 *", expect![""]);
}

#[test]
fn days_of_the_month_and_of_the_week_are_alternatives_unless_one_is_a_star() {
    utc("0 0 13 * 5", expect!["Fri 2026-01-09 00:00, Tue 2026-01-13 00:00, Fri 2026-01-16 00:00"]);
    utc("0 0 */2 * 5", expect!["Sat 2026-01-03 00:00, Mon 2026-01-05 00:00, Wed 2026-01-07 00:00"]);
    utc("0 0 * * 5", expect!["Fri 2026-01-09 00:00, Fri 2026-01-16 00:00, Fri 2026-01-23 00:00"]);
}

#[test]
fn descriptors() {
    utc("@hourly", expect!["Fri 2026-01-02 04:00, Fri 2026-01-02 05:00, Fri 2026-01-02 06:00"]);
    utc("@weekly", expect!["Sun 2026-01-04 00:00, Sun 2026-01-11 00:00, Sun 2026-01-18 00:00"]);
    utc("@every 1h30m", expect!["Fri 2026-01-02 04:34, Fri 2026-01-02 06:04, Fri 2026-01-02 07:34"]);
    utc("@every 1x", expect![[r#"failed to parse duration @every 1x: time: unknown unit "x" in duration "1x""#]]);
    utc("@fortnightly", expect!["unrecognized descriptor: @fortnightly"]);
}

#[test]
fn a_time_the_clocks_skip_does_not_come_and_one_they_repeat_comes_once() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        expect!["Mon 2026-03-30 02:30, Tue 2026-03-31 02:30, Wed 2026-04-01 02:30"],
    );
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        expect!["Sun 2026-10-25 02:30, Mon 2026-10-26 02:30, Tue 2026-10-27 02:30"],
    );
}

#[test]
fn what_is_wrong() {
    utc("", expect!["empty spec string"]);
    utc("* * * *", expect!["expected exactly 5 fields, found 4: [* * * *]"]);
    utc("60 * * * *", expect!["end of range (60) above maximum (59): 60"]);
    utc("* * 0 * *", expect!["beginning of range (0) below minimum (1): 0"]);
    utc("* * * * 7", expect!["end of range (7) above maximum (6): 7"]);
    utc("5-1 * * * *", expect!["beginning of range (5) beyond end of range (1): 5-1"]);
    utc("*/0 * * * *", expect!["step of range should be a positive number: */0"]);
    utc("1-2-3 * * * *", expect!["too many hyphens: 1-2-3"]);
    utc("1/2/3 * * * *", expect!["too many slashes: 1/2/3"]);
    utc("x * * * *", expect![[r#"failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax"#]]);
    utc("* * L * *", expect![[r#"failed to parse int from L: strconv.Atoi: parsing "L": invalid syntax"#]]);
    utc("TZ=Mars/Olympus * * * * *", expect!["provided bad location Mars/Olympus: unknown time zone Mars/Olympus"]);
}

#[test]
fn names_of_time_zones_are_taken_letter_by_letter() {
    assert!(time_zone("Europe/Berlin").is_some() && time_zone("Etc/UTC").is_some());
    assert!(time_zone("europe/berlin").is_none() && time_zone("Mars/Olympus").is_none());
}
