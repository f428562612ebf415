//! The text format of Prometheus.

use std::fmt::{Display, Write as _};

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

/// A page of metrics.
#[derive(Default)]
pub(in crate::server) struct Page(String);

/// One value: its labels, and when it was so.
pub(super) struct Sample<'a> {
    pub(super) labels: &'a [(&'a str, &'a str)],
    pub(super) at: Option<Timestamp>,
}

impl Page {
    /// Begins a metric.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    pub(super) fn line(&mut self, name: &str, sample: &Sample<'_>, value: impl Display) {
        self.0.push_str(name);
        let mut before = '{';
        for (label, value) in sample.labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.push(format_args!("{before}{label}=\"{value}\""));
            before = ',';
        }
        self.push(format_args!("{} {value}", if before == ',' { "}" } else { "" }));
        if let Some(at) = sample.at {
            self.push(format_args!(" {}", at.as_millisecond()));
        }
        self.0.push('\n');
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a String cannot fail");
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], self.0).into_response()
    }
}

/// Seconds since the Unix epoch, with their fraction.
pub(super) fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}
