use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderMap, Method};
use sampan_api::request::User;
use sampan_meta::ManualClock;

use super::policy::Treatment;
use super::*;
use crate::path;
use crate::query::Query;

fn treatment<'a>(policy: &'a Policy, user: &User, request: &str) -> Treatment<'a> {
    let (method, uri) = request.split_once(' ').unwrap();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let info = path::parse(&method.parse::<Method>().unwrap(), path, &Query::parse(query)).unwrap();
    policy.evaluate(user, &info, path)
}

fn level(policy: &Policy, user: &User, request: &str) -> Level {
    treatment(policy, user, request).level
}

fn node() -> User {
    User::new("system:node:edge-1", ["system:nodes"])
}

#[test]
fn the_default_policy_tells_what_people_do_and_leaves_out_what_an_idle_cluster_does() {
    let policy = Policy::default();
    let person = User::new("jane", ["devs"]);
    let controller = User::service_account("kube-system", "deployment-controller");
    let scheduler = User::new("system:kube-scheduler", [""; 0]);
    let pod = User::service_account("default", "default");
    let (node, nobody) = (node(), User::anonymous());
    let told = [
        (&person, "GET /api/v1/namespaces/a/pods"),
        (&person, "GET /api/v1/pods?watch=1"),
        (&person, "POST /api/v1/namespaces/a/configmaps"),
        (&person, "PUT /apis/coordination.k8s.io/v1/namespaces/a/leases/x"),
        (&person, "DELETE /api/v1/namespaces/a/secrets/x"),
        (&person, "POST /apis/authentication.k8s.io/v1/tokenreviews"),
        (&person, "GET /metrics"),
        (&person, "POST /healthz"),
        (&nobody, "GET /api/v1/secrets"),
        (&pod, "GET /api/v1/namespaces/kube-system/secrets/x"),
        (&node, "GET /api/v1/namespaces/a/secrets/x"),
        (&node, "POST /api/v1/namespaces/a/serviceaccounts/x/token"),
        (&node, "DELETE /api/v1/namespaces/a/pods/x"),
        (&node, "PATCH /api/v1/nodes/edge-1"),
        (&controller, "GET /api/v1/namespaces/a/secrets/x"),
        (&controller, "POST /apis/apps/v1/namespaces/a/replicasets"),
        (&scheduler, "POST /api/v1/namespaces/a/pods/x/binding"),
    ];
    for (user, request) in told {
        assert_eq!(level(&policy, user, request), Level::Metadata, "{} {request}", user.name);
    }
    let not_told = [
        (&nobody, "GET /readyz?verbose"),
        (&nobody, "GET /version"),
        (&person, "GET /openapi/v3/apis/apps/v1"),
        (&person, "GET /apis/apps/v1"),
        (&person, "POST /api/v1/namespaces/a/events"),
        (&node, "PATCH /apis/events.k8s.io/v1/namespaces/a/events/x"),
        (&node, "PUT /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/edge-1"),
        (&scheduler, "PUT /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"),
        (&node, "PATCH /api/v1/nodes/edge-1/status"),
        (&node, "PATCH /api/v1/namespaces/a/pods/x/status"),
        (&node, "GET /api/v1/namespaces/a/secrets?watch=1&fieldSelector=metadata.name%3Dx"),
        (&node, "GET /api/v1/pods?watch=1"),
        (&node, "POST /apis/authorization.k8s.io/v1/subjectaccessreviews"),
        (&controller, "GET /apis/apps/v1/deployments?watch=1"),
        (&scheduler, "GET /api/v1/nodes"),
    ];
    for (user, request) in not_told {
        assert_eq!(level(&policy, user, request), Level::None, "{} {request}", user.name);
    }
    let stages = treatment(&policy, &person, "GET /api/v1/pods").stages();
    let all = [Stage::RequestReceived, Stage::ResponseStarted, Stage::ResponseComplete, Stage::Panic];
    assert_eq!(all.map(|stage| stages.contains(stage)), [false, true, true, true]);
}

fn rules(rules: &str) -> Policy {
    Policy::parse(&format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n{rules}")).unwrap()
}

#[test]
fn a_rule_matches_as_upstreams_does() {
    // Each rule, a request it matches, one it does not.
    let rows = [
        ("{users: [jane]}", "GET /api/v1/pods", "OTHER GET /api/v1/pods"),
        ("{userGroups: [devs]}", "GET /version", "OTHER GET /version"),
        ("{verbs: [delete]}", "DELETE /api/v1/nodes/a", "GET /api/v1/nodes/a"),
        ("{namespaces: [a]}", "GET /api/v1/namespaces/a/pods", "GET /api/v1/namespaces/b/pods"),
        ("{namespaces: [\"\"]}", "GET /api/v1/nodes", "GET /version"),
        ("{resources: [{group: apps}]}", "GET /apis/apps/v1/deployments", "GET /api/v1/pods"),
        ("{resources: [{resources: [pods]}]}", "GET /api/v1/pods", "GET /api/v1/namespaces/a/pods/x/log"),
        ("{resources: [{resources: [pods/log]}]}", "GET /api/v1/namespaces/a/pods/x/log", "GET /api/v1/pods"),
        ("{resources: [{resources: [pods/*]}]}", "GET /api/v1/namespaces/a/pods/x/log", "GET /api/v1/nodes"),
        ("{resources: [{resources: [pods/*]}]}", "GET /api/v1/pods", "GET /api/v1/nodes/x/proxy/"),
        ("{resources: [{resources: [\"*/status\"]}]}", "PUT /api/v1/nodes/x/status", "GET /api/v1/nodes/x"),
        ("{resources: [{resources: [\"*\"]}]}", "PUT /api/v1/nodes/x/status", "GET /apis/apps/v1/deployments"),
        (
            "{resources: [{resources: [secrets], resourceNames: [x]}]}",
            "GET /api/v1/namespaces/a/secrets/x",
            "GET /api/v1/namespaces/a/secrets/y",
        ),
        ("{nonResourceURLs: [/healthz*]}", "GET /healthz/ping", "GET /livez"),
        ("{nonResourceURLs: [\"*\"]}", "GET /livez", "GET /api/v1/pods"),
        ("{nonResourceURLs: [/version]}", "GET /version", "GET /version/x"),
    ];
    let (jane, other) = (User::new("jane", ["devs"]), User::new("joe", ["ops"]));
    for (rule, yes, no) in rows {
        let policy = rules(&format!("- {}", rule.replacen('{', "{level: Request, ", 1)));
        assert_eq!(level(&policy, &jane, yes), Level::Request, "{rule}: {yes}");
        let (user, no) = no.strip_prefix("OTHER ").map_or((&jane, no), |request| (&other, request));
        assert_eq!(level(&policy, user, no), Level::None, "{rule}: {no}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let policy = rules(
        "- {level: None, verbs: [get]}\n- {level: RequestResponse, omitStages: [Panic], omitManagedFields: true}\n- {level: Metadata}\n",
    );
    assert_eq!(level(&policy, &node(), "GET /api/v1/nodes/x"), Level::None);
    let list = treatment(&policy, &node(), "GET /api/v1/nodes");
    assert_eq!((list.level, list.omit_managed_fields), (Level::RequestResponse, true));
    assert!(!list.stages().contains(Stage::Panic) && list.stages().contains(Stage::RequestReceived));
}

#[test]
fn a_policy_that_cannot_be_used_says_why() {
    let head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";
    let rows = [
        ("apiVersion: v1\nkind: Pod\n".to_owned(), "it is a Pod of v1, not a Policy of audit.k8s.io/v1"),
        (head.to_owned(), "it has no rules; to log nothing, turn the audit log off"),
        (format!("{head}rules: [{{level: Everything}}]"), "Everything"),
        (format!("{head}rules: [{{level: None, resource: []}}]"), "resource"),
        (format!("{head}rules: [{{verbs: [get]}}]"), "level"),
        (
            format!("{head}rules: [{{level: None, nonResourceURLs: [healthz]}}]"),
            "rules[0]: nonResourceURLs \"healthz\": non-resource URL rules must begin with a '/' character",
        ),
        (format!("{head}rules: [{{level: None, nonResourceURLs: [/a*b]}}]"), "must be the final character of the rule"),
        (
            format!("{head}rules: [{{level: None, resources: [{{group: apps/v1}}]}}]"),
            "must be a DNS name without a version",
        ),
        (
            format!("{head}rules: [{{level: None, resources: [{{resourceNames: [x]}}]}}]"),
            "using resourceNames requires at least one resource",
        ),
        (
            format!("{head}rules: [{{level: None, namespaces: [a], nonResourceURLs: [/a]}}]"),
            "rules cannot apply to both regular resources and non-resource URLs",
        ),
        ("[".to_owned(), ""),
    ];
    for (text, expected) in rows {
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn where_a_request_comes_from_is_what_proxies_say_and_then_the_peer() {
    let peer = Some("10.0.0.9".parse().unwrap());
    let rows = [
        (vec![], vec!["10.0.0.9"]),
        (vec![("x-forwarded-for", "1.2.3.4, nonsense, ::1")], vec!["1.2.3.4", "::1", "10.0.0.9"]),
        (vec![("x-real-ip", "1.2.3.4"), ("x-forwarded-for", "1.2.3.4")], vec!["1.2.3.4", "10.0.0.9"]),
        (vec![("x-forwarded-for", "10.0.0.9")], vec!["10.0.0.9"]),
    ];
    for (headers, expected) in rows {
        let headers: HeaderMap =
            headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let found: Vec<String> = event::source_ips(&headers, peer).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}

struct Directory {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Directory {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    fn open(&self, max_size: u64, max_backups: usize, max_age: Duration) -> LogFile {
        let path = self.directory.path().join("audit/audit.log");
        LogFile::open(FileOptions { path, max_size, max_backups, max_age }, self.clock.clone()).unwrap()
    }

    /// Names and contents.
    fn files(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.directory.path().join("audit")).unwrap();
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect()
    }
}

fn lines(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

fn names(files: &BTreeMap<String, String>) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

#[test]
fn a_file_that_is_full_is_put_aside_between_two_lines() {
    let directory = Directory::new();
    let mut file = directory.open(10, 0, Duration::ZERO);
    file.write(&lines(&["1234", "5678", "9"])).unwrap();
    let files = directory.files();
    assert_eq!(names(&files), ["audit-2026-01-02T03-04-05.000.log", "audit.log"]);
    assert_eq!((&*files["audit-2026-01-02T03-04-05.000.log"], &*files["audit.log"]), ("1234\n5678\n", "9\n"));
    file.write(&lines(&["a line that is longer than a file may be"])).unwrap();
    file.write(&lines(&["x"])).unwrap();
    let files = directory.files();
    assert_eq!(files.len(), 4, "two within a millisecond do not overwrite each other: {files:?}");
    assert_eq!(&*files["audit.log"], "x\n");
    // Another process goes on where this one ended.
    directory.open(10, 0, Duration::ZERO).write(&lines(&["y"])).unwrap();
    assert_eq!(&*directory.files()["audit.log"], "x\ny\n");
}

#[test]
fn what_was_put_aside_goes_when_it_is_too_much_or_too_old() {
    let directory = Directory::new();
    let mut file = directory.open(1, 2, Duration::from_secs(3600));
    fs::write(directory.directory.path().join("audit/audit-mine.log"), "not ours").unwrap();
    fs::set_permissions(directory.directory.path().join("audit/audit-mine.log"), fs::Permissions::from_mode(0o600))
        .unwrap();
    for line in ["1", "2", "3", "4"] {
        file.write(&lines(&[line])).unwrap();
        directory.clock.advance(Duration::from_secs(60));
    }
    let files = directory.files();
    let kept =
        ["audit-2026-01-02T03-06-05.000.log", "audit-2026-01-02T03-07-05.000.log", "audit-mine.log", "audit.log"];
    assert_eq!(names(&files), kept);
    assert_eq!(files.values().map(|text| text.trim()).collect::<Vec<_>>(), ["2", "3", "not ours", "4"]);
    directory.clock.advance(Duration::from_secs(3600));
    drop(directory.open(1, 2, Duration::from_secs(3600)));
    assert_eq!(names(&directory.files()), ["audit-mine.log", "audit.log"]);
}

#[test]
fn a_file_that_could_not_be_written_is_opened_anew() {
    let directory = Directory::new();
    let mut file = directory.open(1000, 0, Duration::ZERO);
    file.write(&lines(&["1"])).unwrap();
    fs::remove_dir_all(directory.directory.path().join("audit")).unwrap();
    file.open_anew();
    file.write(&lines(&["2"])).unwrap();
    assert_eq!(&*directory.files()["audit.log"], "2\n");
}

/// Fails, or waits to be let on, as it is told.
#[derive(Clone, Default)]
struct Told {
    written: Arc<Mutex<Vec<String>>>,
    full: Arc<std::sync::atomic::AtomicBool>,
    held: Arc<Mutex<()>>,
}

impl Sink for Told {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let _held = self.held.lock().unwrap();
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written
            .lock()
            .unwrap()
            .extend(lines.split_inclusive(|byte| *byte == b'\n').map(|line| String::from_utf8(line.to_vec()).unwrap()));
        Ok(())
    }
}

#[tokio::test]
async fn lines_are_written_in_order_and_a_full_disk_loses_some_and_stops_nobody() {
    let sink = Told::default();
    let log = Log::start(sink.clone(), Mode::Blocking).unwrap();
    for n in 0..100 {
        log.add(format!("{n}\n").as_bytes()).await;
    }
    log.flush().await;
    let expected: Vec<String> = (0..100).map(|n| format!("{n}\n")).collect();
    assert_eq!(*sink.written.lock().unwrap(), expected);
    sink.full.store(true, Ordering::SeqCst);
    log.add(b"lost\n").await;
    log.flush().await;
    sink.full.store(false, Ordering::SeqCst);
    log.add(b"again\n").await;
    log.flush().await;
    assert_eq!(sink.written.lock().unwrap().last().unwrap(), "again\n");
    assert_eq!(log.counts(), (102, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::await_holding_lock, reason = "nothing else runs on this thread while the sink is held")]
async fn a_full_buffer_makes_requests_wait_or_loses_lines_as_it_was_asked_for() {
    let large = [vec![b'x'; 7 << 20], vec![b'\n']].concat();
    for mode in [Mode::Blocking, Mode::Batch] {
        let sink = Told::default();
        let held = sink.held.clone();
        let log = Log::start(sink.clone(), mode).unwrap();
        let mut adding = Box::pin(async {
            // One at most is with the sink, two wait.
            for _ in 0..6 {
                log.add(&large).await;
            }
            log.add_later(large.clone());
        });
        let holding = held.lock().unwrap();
        let pending = futures::poll!(adding.as_mut()).is_pending();
        assert_eq!(pending, mode == Mode::Blocking, "{mode:?}");
        drop(holding);
        if pending {
            adding.await;
        }
        // What came late may still wait for room.
        while log.counts().0 > log.counts().1 + sink.written.lock().unwrap().len() as u64 {
            log.flush().await;
        }
        let (made, lost) = log.counts();
        assert_eq!((made, lost > 0), (7, mode == Mode::Batch), "{mode:?}");
        assert_eq!(sink.written.lock().unwrap().len() as u64, made - lost);
    }
}
