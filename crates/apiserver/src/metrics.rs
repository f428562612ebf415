//! `/metrics` in upstream's names and labels (apiserver `pkg/endpoints/metrics`).
//!
//! What is counted here is what requests were; what the other parts know of themselves (seats, objects, the process) is asked when
//! somebody looks.

mod format;
mod process;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::server::ApiServer;
pub(crate) use format::Page;

/// Upper bounds of the duration buckets in seconds.
const BUCKETS: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];

/// What a request asked for; static words only, so that clients cannot make new series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    /// As upstream reports it: `GET`, `LIST`, `WATCH`, `POST`, `APPLY`.
    pub(crate) verb: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) subresource: &'static str,
    /// `cluster`, `namespace`, `resource`; empty for paths that are no resources.
    pub(crate) scope: &'static str,
    /// `All` or empty.
    pub(crate) dry_run: &'static str,
}

/// Counters of one server.
#[derive(Default)]
pub(crate) struct Metrics {
    series: Mutex<BTreeMap<Asked, Series>>,
    running: Mutex<Running>,
    /// Events sent to watchers, by group, version and resource.
    events: Mutex<BTreeMap<[&'static str; 3], u64>>,
}

#[derive(Default)]
struct Series {
    codes: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

/// Requests in progress.
#[derive(Default)]
struct Running {
    reading: u64,
    mutating: u64,
    long: BTreeMap<Asked, u64>,
}

/// What sort of place a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Reading,
    Mutating,
    LongRunning,
}

/// Counts a request in progress until dropped.
pub(crate) struct InProgress {
    server: Arc<ApiServer>,
    sort: Sort,
    asked: Asked,
}

impl InProgress {
    pub(crate) fn new(server: &Arc<ApiServer>, sort: Sort, asked: Asked) -> Self {
        server.metrics.running(sort, asked, |count| *count += 1);
        Self { server: Arc::clone(server), sort, asked }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.server.metrics.running(self.sort, self.asked, |count| *count -= 1);
    }
}

impl Metrics {
    fn running(&self, sort: Sort, asked: Asked, change: impl FnOnce(&mut u64)) {
        let mut running = lock(&self.running);
        change(match sort {
            Sort::Reading => &mut running.reading,
            Sort::Mutating => &mut running.mutating,
            Sort::LongRunning => running.long.entry(asked).or_default(),
        });
    }

    /// How many watch a resource.
    pub(crate) fn watchers(&self, group: &str, resource: &str) -> u64 {
        let running = lock(&self.running);
        let own = running
            .long
            .iter()
            .filter(|(asked, _)| asked.verb == "WATCH" && (asked.group, asked.resource) == (group, resource));
        own.map(|(_, count)| count).sum()
    }

    /// Counts an event sent to a watcher.
    pub(crate) fn event(&self, group: &'static str, version: &'static str, resource: &'static str) {
        *lock(&self.events).entry([group, version, resource]).or_default() += 1;
    }

    /// Counts an answer. `took`: until its head was ready; `None` for what runs long by nature.
    pub(crate) fn end(&self, asked: Asked, code: u16, took: Option<Duration>) {
        let mut all = lock(&self.series);
        let series = all.entry(asked).or_default();
        *series.codes.entry(code).or_default() += 1;
        let Some(seconds) = took.map(|took| took.as_secs_f64()) else { return };
        series.count += 1;
        series.seconds += seconds;
        for (bucket, bound) in series.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    fn report(&self, page: &mut Page) {
        let all = lock(&self.series);
        let name = "apiserver_request_total";
        page.head(name, "counter", "Requests by what they asked for and the code of the answer.");
        for (asked, series) in &*all {
            for (code, count) in &series.codes {
                page.line(name, &[&asked.labels()[..], &[("code", &*code.to_string())]].concat(), count);
            }
        }
        let name = "apiserver_request_duration_seconds";
        page.head(name, "histogram", "Seconds until the head of the answer was ready.");
        for (asked, series) in &*all {
            let buckets = BUCKETS.iter().zip(&series.buckets).map(|(bound, count)| (*bound, *count));
            page.histogram(name, &asked.labels(), buckets, series.count, series.seconds);
        }
        drop(all);
        self.report_running(page);
        let name = "apiserver_watch_events_total";
        page.head(name, "counter", "Events sent to watchers.");
        for (&[group, version, resource], count) in &*lock(&self.events) {
            page.line(name, &[("group", group), ("version", version), ("resource", resource)], count);
        }
    }

    fn report_running(&self, page: &mut Page) {
        let running = lock(&self.running);
        let name = "apiserver_current_inflight_requests";
        page.head(name, "gauge", "Requests being answered.");
        page.line(name, &[("request_kind", "mutating")], running.mutating);
        page.line(name, &[("request_kind", "readOnly")], running.reading);
        let name = "apiserver_longrunning_requests";
        page.head(name, "gauge", "Watches, logs and proxied requests in progress.");
        for (asked, count) in &running.long {
            let labels = asked.labels();
            let labels: Vec<_> = labels.into_iter().filter(|(name, _)| *name != "dry_run").collect();
            page.line(name, &labels, count);
        }
    }
}

impl Asked {
    fn labels(&self) -> [(&'static str, &'static str); 8] {
        let Self { verb, group, version, resource, subresource, scope, dry_run } = *self;
        [
            ("verb", verb),
            ("dry_run", dry_run),
            ("group", group),
            ("version", version),
            ("resource", resource),
            ("subresource", subresource),
            ("scope", scope),
            ("component", "apiserver"),
        ]
    }
}

/// Everything this server and its process can be asked for.
pub(crate) fn page(server: &ApiServer) -> String {
    let mut page = Page::default();
    server.metrics.report(&mut page);
    server.flow_control.report(&mut page);
    if let Some(audit) = &server.audit {
        audit.report(&mut page);
    }
    objects(server, &mut page);
    build(server, &mut page);
    process::report(&mut page);
    page.text()
}

fn objects(server: &ApiServer, page: &mut Page) {
    let mut counts = BTreeMap::new();
    for resource in &server.registry.served() {
        let names = (resource.names.group, resource.names.plural);
        counts.insert(names, server.registry.count(resource));
    }
    page.head("apiserver_resource_objects", "gauge", "Stored objects.");
    for (&(group, resource), count) in &counts {
        page.line("apiserver_resource_objects", &[("group", group), ("resource", resource)], count);
    }
    page.head("apiserver_storage_objects", "gauge", "Stored objects, under the name of before 1.34.");
    for (&(group, resource), count) in &counts {
        let resource = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        page.line("apiserver_storage_objects", &[("resource", &*resource)], count);
    }
}

fn build(server: &ApiServer, page: &mut Page) {
    let version = server.version.document();
    let labels = [
        ("build_date", "buildDate"),
        ("compiler", "compiler"),
        ("git_commit", "gitCommit"),
        ("git_tree_state", "gitTreeState"),
        ("git_version", "gitVersion"),
        ("go_version", "goVersion"),
        ("major", "major"),
        ("minor", "minor"),
        ("platform", "platform"),
    ];
    let labels = labels.map(|(label, member)| (label, version[member].as_str().unwrap_or_default()));
    page.head("kubernetes_build_info", "gauge", "1, with what was built as labels.");
    page.line("kubernetes_build_info", &labels, 1);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::default();
        let asked = Asked { verb: "GET", version: "v1", resource: "pods", scope: "resource", ..Asked::default() };
        metrics.end(asked, 200, Some(Duration::from_millis(3)));
        metrics.end(asked, 404, Some(Duration::from_millis(700)));
        metrics.running(Sort::Mutating, asked, |count| *count += 1);
        metrics.running(Sort::LongRunning, Asked { verb: "WATCH", ..asked }, |count| *count += 2);
        metrics.event("", "v1", "pods");
        let mut page = Page::default();
        metrics.report(&mut page);
        let text = page.text();
        for expected in [
            "apiserver_current_inflight_requests{request_kind=\"mutating\"} 1\n",
            "apiserver_request_total{verb=\"GET\",dry_run=\"\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"resource\",component=\"apiserver\",code=\"404\"} 1\n",
            "component=\"apiserver\",le=\"0.005\"} 1\n",
            "component=\"apiserver\",le=\"1\"} 2\n",
            "component=\"apiserver\",le=\"+Inf\"} 2\n",
            "apiserver_longrunning_requests{verb=\"WATCH\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"\",scope=\"resource\",component=\"apiserver\"} 2\n",
            "apiserver_watch_events_total{group=\"\",version=\"v1\",resource=\"pods\"} 1\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert_eq!((metrics.watchers("", "pods"), metrics.watchers("apps", "pods")), (2, 0));
    }
}
