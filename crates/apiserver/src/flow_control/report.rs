//! The metrics of flow control (apiserver `pkg/util/flowcontrol/metrics`).

use super::config::Configuration;
use super::levels::{Counts, Levels, Reason};
use crate::metrics::Page;

type Of<T> = fn(&T) -> f64;

/// By level and schema: name, kind, what it says, and where it is.
const OF_SCHEMAS: [(&str, &str, &str, Of<Counts>); 4] = [
    ("dispatched_requests_total", "counter", "Requests that began to run.", |counts| counts.dispatched as f64),
    ("current_executing_requests", "gauge", "Requests that run.", |counts| counts.running as f64),
    ("current_executing_seats", "gauge", "Seats taken.", |counts| counts.running_seats as f64),
    ("current_inqueue_requests", "gauge", "Requests that wait.", |counts| counts.waiting as f64),
];

/// Sums of durations with their counts: a histogram's without its buckets.
const DURATIONS: [(&str, &str, Of<Counts>, Of<Counts>); 2] = [
    (
        "request_wait_duration_seconds",
        "Seconds from arrival to the beginning.",
        |counts| counts.waited.as_secs_f64(),
        |counts| counts.dispatched as f64,
    ),
    (
        "request_execution_seconds",
        "Seconds from the beginning to the end.",
        |counts| counts.ran.as_secs_f64(),
        |counts| counts.ended as f64,
    ),
];

pub(super) fn write(page: &mut Page, configuration: &Configuration, levels: &Levels) {
    let names = |(level, schema): &(usize, usize)| {
        [
            ("priority_level", configuration.levels[*level].name.as_str()),
            ("flow_schema", configuration.schemas[*schema].name.as_str()),
        ]
    };
    for (name, kind, help, value) in OF_SCHEMAS {
        let name = full(name);
        page.head(&name, kind, help);
        levels.counts.iter().for_each(|(place, counts)| page.line(&name, &names(place), value(counts)));
    }
    for (name, help, sum, count) in DURATIONS {
        let name = full(name);
        page.head(&name, "summary", help);
        for (place, counts) in &levels.counts {
            page.line(&format!("{name}_sum"), &names(place), sum(counts));
            page.line(&format!("{name}_count"), &names(place), count(counts));
        }
    }
    let name = full("rejected_requests_total");
    page.head(&name, "counter", "Requests that were refused, and why.");
    for (place, counts) in &levels.counts {
        for (reason, count) in &counts.refused {
            page.line(&name, &[&names(place)[..], &[("reason", word(*reason))][..]].concat(), count);
        }
    }
    seats(page, configuration, levels);
}

fn seats(page: &mut Page, configuration: &Configuration, levels: &Levels) {
    type Seats = fn(&super::levels::Level) -> u32;
    let limits: [(&str, &str, Seats); 3] = [
        ("nominal_limit_seats", "Seats by a level's shares.", |level| level.nominal),
        ("lower_limit_seats", "Seats a level lends to nobody.", |level| level.lower),
        ("upper_limit_seats", "The most seats a level takes.", |level| level.upper),
    ];
    for (name, help, value) in limits {
        let name = full(name);
        page.head(&name, "gauge", help);
        for (index, level) in configuration.levels.iter().enumerate() {
            page.line(&name, &[("priority_level", level.name.as_str())], value(levels.level(index)));
        }
    }
}

fn full(name: &str) -> String {
    format!("apiserver_flowcontrol_{name}")
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::QueueFull => "queue-full",
        Reason::ConcurrencyLimit => "concurrency-limit",
        Reason::TimeOut => "time-out",
        Reason::Cancelled => "cancelled",
    }
}
