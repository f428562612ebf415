//! What one node says of itself and its containers, and what two such readings say of the time between them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// What a node said when it was asked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) node: Figures,
    /// By namespace, pod and container.
    containers: BTreeMap<[String; 3], Figures>,
}

/// Figures of one node or container; absent where the node did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// CPU time in nanoseconds since the start, and when that was so.
    cpu: Option<(u64, Timestamp)>,
    /// The working set in bytes.
    memory: Option<u64>,
    started: Option<Timestamp>,
}

/// What was used over some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// Billionths of a core.
    pub(super) nanocores: u64,
    pub(super) memory_bytes: u64,
    /// When it was so.
    pub(super) at: Timestamp,
    /// How long before that the counting began.
    pub(super) window: Duration,
}

/// A container that runs for less than this has no rate yet.
const SHORTEST: Duration = Duration::from_secs(1);

impl Reading {
    /// Reads a page of `/metrics/resource` (pkg/kubelet/metrics/collectors/resource_metrics.go). Other lines are passed over.
    pub(super) fn parse(page: &str) -> Self {
        let mut reading = Self::default();
        for line in page.lines().filter_map(Line::parse) {
            let (name, figures) = match line.name.split_once('_') {
                Some(("node", name)) => (name, &mut reading.node),
                Some(("container", name)) => {
                    let key = ["namespace", "pod", "container"].map(|label| line.label(label).to_owned());
                    (name, reading.containers.entry(key).or_default())
                }
                _ => continue,
            };
            match name {
                "cpu_usage_seconds_total" => {
                    figures.cpu = line.at.map(|at| (whole(line.value * 1e9), at));
                }
                "memory_working_set_bytes" => figures.memory = Some(whole(line.value)),
                "start_time_seconds" => figures.started = milliseconds(whole(line.value * 1e3)),
                _ => {}
            }
        }
        reading
    }

    /// The containers of a pod by name.
    pub(super) fn containers(&self, namespace: &str, pod: &str) -> impl Iterator<Item = (&str, &Figures)> {
        let first = [namespace.to_owned(), pod.to_owned(), String::new()];
        let of_pod = self.containers.range(first..);
        let of_pod =
            of_pod.take_while(move |([of_namespace, of_pod, _], _)| (&**of_namespace, &**of_pod) == (namespace, pod));
        of_pod.map(|([.., name], figures)| (&**name, figures))
    }

    /// The same container in this reading.
    pub(super) fn container(&self, namespace: &str, pod: &str, name: &str) -> Option<&Figures> {
        self.containers.get(&[namespace, pod, name].map(str::to_owned))
    }
}

impl Figures {
    /// What was used since `before`, or since the start of what was not there then. `None` as long as there is no rate.
    pub(super) fn since(&self, before: Option<&Figures>) -> Option<Used> {
        let (cpu, at) = self.cpu?;
        let same = before.filter(|before| before.started == self.started);
        let same = same.and_then(|before| before.cpu).filter(|(used, began)| *used <= cpu && *began < at);
        let (used, began) = match same {
            Some((before, began)) => (cpu - before, began),
            None => (cpu, self.started?),
        };
        let window =
            Duration::try_from(at.duration_since(began)).ok().filter(|window| *window >= SHORTEST || same.is_some())?;
        let nanocores = whole(used as f64 / window.as_secs_f64());
        Some(Used { nanocores, memory_bytes: self.memory?, at, window })
    }
}

/// To the nearest whole number; what is too large is as large as can be.
#[expect(
    clippy::cast_possible_truncation,
    reason = "Rust's conversion stays within the bounds, which is what is meant"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

fn milliseconds(since_epoch: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(since_epoch).ok()?).ok()
}

/// `name{label="value",…} value [milliseconds]`.
struct Line<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
    at: Option<Timestamp>,
}

impl<'a> Line<'a> {
    /// `None` for comments, and for what is no number of use: figures are neither negative nor endless.
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (series, numbers) = match line.find('{') {
            Some(_) => line.rsplit_once("} ")?,
            None => line.split_once(' ')?,
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut numbers = numbers.split(' ');
        let value: f64 = numbers.next()?.parse().ok()?;
        let at = numbers.next().and_then(|at| at.parse().ok()).and_then(milliseconds);
        // Enough for centuries of CPU time in nanoseconds, and for exbibytes.
        (0.0..1e19).contains(&value).then_some(Line { name, labels, value, at })
    }

    /// The value of a label. Names of Kubernetes' objects hold nothing that would have to be escaped.
    fn label(&self, wanted: &str) -> &'a str {
        let pairs = self.labels.split(',').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value.trim_matches('"')).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn page(cpu: &str, started: &str, at: u64) -> Reading {
        Reading::parse(&format!(
            "# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time\n\
             # TYPE container_cpu_usage_seconds_total counter\n\
             container_cpu_usage_seconds_total{{container=\"c\",namespace=\"default\",pod=\"p\"}} {cpu} {at}\n\
             container_memory_working_set_bytes{{container=\"c\",namespace=\"default\",pod=\"p\"}} 65536 {at}\n\
             container_start_time_seconds{{container=\"c\",namespace=\"default\",pod=\"p\"}} {started}\n\
             node_cpu_usage_seconds_total 7.25 {at}\n\
             node_memory_working_set_bytes 1.048576e+06 {at}\n\
             resource_scrape_error 0\n"
        ))
    }

    fn check(before: Option<Reading>, latest: &Reading, expected: &Expect) {
        let before = before.as_ref().and_then(|before| before.container("default", "p", "c").copied());
        let (_, figures) = latest.containers("default", "p").next().unwrap();
        let used = figures.since(before.as_ref()).map_or_else(
            || "none".to_owned(),
            |used| {
                let Used { nanocores, memory_bytes, at, window } = used;
                format!("{nanocores}n {memory_bytes} at {at} over {window:?}")
            },
        );
        expected.assert_eq(&used);
    }

    #[test]
    fn a_rate_is_what_was_used_between_two_readings() {
        let before = page("10.5", "1000", 2_000_000);
        check(
            Some(before),
            &page("13", "1000", 2_010_000),
            &expect!["250000000n 65536 at 1970-01-01T00:33:30Z over 10s"],
        );
    }

    #[test]
    fn what_is_new_is_counted_since_its_start() {
        let latest = page("2", "2005", 2_010_000);
        check(None, &latest, &expect!["400000000n 65536 at 1970-01-01T00:33:30Z over 5s"]);
        let restarted = page("10.5", "1000", 2_000_000);
        check(Some(restarted), &latest, &expect!["400000000n 65536 at 1970-01-01T00:33:30Z over 5s"]);
    }

    #[test]
    fn what_has_just_begun_has_no_rate_yet() {
        check(None, &page("2", "2009.5", 2_010_000), &expect!["none"]);
        check(None, &page("2", "2011", 2_010_000), &expect!["none"]);
    }

    #[test]
    fn a_node_is_read_and_what_is_no_figure_passed_over() {
        let node = page("1", "1", 5000).node;
        assert_eq!((node.cpu.unwrap().0, node.memory, node.started), (7_250_000_000, Some(1_048_576), None));
        for broken in [
            "",
            "#",
            "node_cpu_usage_seconds_total",
            "node_cpu_usage_seconds_total NaN 1",
            "x{",
            "node_cpu_usage_seconds_total -1 1",
        ] {
            assert_eq!(Reading::parse(broken), Reading::default(), "{broken}");
        }
    }
}
