//! `/metrics`: requests counted by what they asked for, in upstream's names (apiserver/pkg/endpoints/metrics).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Upper bounds of the duration buckets in seconds; a subset of upstream's.
const BUCKETS: [f64; 12] = [0.001, 0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// What a request asked for; static words only, so that clients cannot make new series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) subresource: &'static str,
}

/// Counters of one server.
#[derive(Default)]
pub(crate) struct Metrics {
    series: Mutex<BTreeMap<Asked, Series>>,
    reading: AtomicI64,
    mutating: AtomicI64,
    long_running: AtomicI64,
}

#[derive(Default)]
struct Series {
    codes: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

/// What sort of place a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Reading,
    Mutating,
    LongRunning,
}

/// Counts a request in progress until dropped.
pub(crate) struct InProgress<'a>(&'a AtomicI64);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn begin(&self, sort: Sort) -> InProgress<'_> {
        let gauge = match sort {
            Sort::Reading => &self.reading,
            Sort::Mutating => &self.mutating,
            Sort::LongRunning => &self.long_running,
        };
        gauge.fetch_add(1, Ordering::Relaxed);
        InProgress(gauge)
    }

    /// Counts an answer. `took`: until its head was ready; `None` for what runs long by nature.
    pub(crate) fn end(&self, asked: Asked, code: u16, took: Option<Duration>) {
        let mut all = self.series.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let series = all.entry(asked).or_default();
        *series.codes.entry(code).or_default() += 1;
        let Some(seconds) = took.map(|took| took.as_secs_f64()) else { return };
        series.count += 1;
        series.seconds += seconds;
        for (bucket, bound) in series.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// The text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.gauges(&mut out);
        let all = self.series.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        head(
            &mut out,
            "apiserver_request_total",
            "counter",
            "Requests by what they asked for and the code of the answer.",
        );
        for (asked, series) in &*all {
            for (code, count) in &series.codes {
                line(&mut out, "apiserver_request_total", asked, &format!(",code=\"{code}\""), count);
            }
        }
        let name = "apiserver_request_duration_seconds";
        head(&mut out, name, "histogram", "Seconds until the head of the answer was ready.");
        for (asked, series) in &*all {
            for (count, bound) in series.buckets.iter().zip(BUCKETS) {
                line(&mut out, &format!("{name}_bucket"), asked, &format!(",le=\"{bound}\""), count);
            }
            line(&mut out, &format!("{name}_bucket"), asked, ",le=\"+Inf\"", series.count);
            line(&mut out, &format!("{name}_sum"), asked, "", series.seconds);
            line(&mut out, &format!("{name}_count"), asked, "", series.count);
        }
        out
    }

    fn gauges(&self, out: &mut String) {
        head(out, "apiserver_current_inflight_requests", "gauge", "Requests being answered.");
        for (kind, gauge) in [("mutating", &self.mutating), ("readOnly", &self.reading)] {
            let count = gauge.load(Ordering::Relaxed);
            push(out, format_args!("apiserver_current_inflight_requests{{request_kind=\"{kind}\"}} {count}\n"));
        }
        head(out, "apiserver_longrunning_requests", "gauge", "Watches, logs and proxied requests in progress.");
        push(out, format_args!("apiserver_longrunning_requests {}\n", self.long_running.load(Ordering::Relaxed)));
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    push(out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

fn line(out: &mut String, name: &str, asked: &Asked, more: &str, value: impl std::fmt::Display) {
    let Asked { verb, group, version, resource, subresource } = asked;
    let verb = verb.to_ascii_uppercase();
    push(
        out,
        format_args!(
            "{name}{{verb=\"{verb}\",group=\"{group}\",version=\"{version}\",resource=\"{resource}\",subresource=\"{subresource}\"{more}}} {value}\n"
        ),
    );
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::default();
        let asked = Asked { verb: "get", version: "v1", resource: "pods", ..Asked::default() };
        metrics.end(asked, 200, Some(Duration::from_millis(3)));
        metrics.end(asked, 404, Some(Duration::from_millis(700)));
        let _running = metrics.begin(Sort::Mutating);
        let text = metrics.text();
        for expected in [
            "apiserver_current_inflight_requests{request_kind=\"mutating\"} 1\n",
            "apiserver_request_total{verb=\"GET\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",code=\"404\"} 1\n",
            "subresource=\"\",le=\"0.005\"} 1\n",
            "subresource=\"\",le=\"1\"} 2\n",
            "subresource=\"\",le=\"+Inf\"} 2\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }
}
