//! `/healthz`, `/livez`, `/readyz`: one line each, or every check with `?verbose`; single checks below.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Response, StatusCode};
use sampan_meta::Status;

use crate::body::Body;
use crate::pipeline::Call;
use crate::reply;
use crate::server::ApiServer;

/// How long the store may take to answer; upstream's etcd check waits as long.
const PATIENCE: Duration = Duration::from_secs(2);

/// A named question to the server; `Err` says why the answer is no.
struct Check {
    name: &'static str,
    /// A process that fails it is of no use and may be restarted; others only should get no traffic.
    vital: bool,
    ask: for<'a> fn(&'a ApiServer) -> BoxFuture<'a, Result<(), String>>,
}

static CHECKS: [Check; 2] = [
    Check { name: "ping", vital: true, ask: |_| Box::pin(std::future::ready(Ok(()))) },
    Check { name: "store", vital: false, ask: |server| Box::pin(store(server)) },
];

/// A check of something that only some servers have.
pub(crate) struct OwnCheck {
    name: &'static str,
    ask: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl ApiServer {
    /// Adds a check to `/healthz` and `/readyz`: of something outside without which part of the API fails. Asked at every request for
    /// them, so it answers from memory.
    pub fn add_check(&self, name: &'static str, ask: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.own_checks.write().push(OwnCheck { name, ask: Box::new(ask) });
    }

    /// What the added checks of an endpoint say; of one alone, or all.
    fn own(&self, endpoint: &str, single: &str) -> Vec<(&'static str, Result<(), String>)> {
        let checks = self.own_checks.read();
        let asked = checks.iter().filter(|check| endpoint != "livez" && (single.is_empty() || check.name == single));
        asked.map(|check| (check.name, (check.ask)())).collect()
    }
}

/// The store answers, and the cache follows it.
pub(crate) async fn store(server: &ApiServer) -> Result<(), String> {
    let cache = server.registry.cache();
    cache.healthy().map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(PATIENCE, cache.fresh()).await;
    answer.map_err(|_| "the store does not answer".to_owned())?.map_err(|error| error.to_string())?;
    Ok(())
}

/// True if the path is one of the three or below.
pub(crate) fn is_health(path: &str) -> bool {
    matches!(path.split('/').nth(1), Some("healthz" | "livez" | "readyz"))
}

/// Answers 200 if every check holds, else 500 with those that do not. These paths are open to everybody, so that the reason goes to the log
/// alone; who asks for a single check is told it (apiserver `pkg/server/healthz`).
pub(crate) async fn answer(call: &Call) -> Result<Response<Body>, Status> {
    let path = call.attributes.path.trim_matches('/');
    let (endpoint, single) = path.split_once('/').unwrap_or((path, ""));
    let mut checks = CHECKS.iter().filter(|check| endpoint != "livez" || check.vital);
    if single.is_empty() {
        return Ok(all(call, endpoint, checks).await);
    }
    let answer = match call.server.own(endpoint, single).pop() {
        Some((_, answer)) => answer,
        None => {
            let check = checks.find(|check| check.name == single).ok_or_else(Status::path_not_found)?;
            (check.ask)(&call.server).await
        }
    };
    Ok(match answer {
        Ok(()) => reply::text(StatusCode::OK, "ok"),
        Err(why) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {why}\n")),
    })
}

async fn all(call: &Call, endpoint: &str, checks: impl Iterator<Item = &'static Check>) -> Response<Body> {
    let mut excluded: BTreeSet<&str> = call.query.all("exclude").collect();
    let (mut lines, mut failed) = (String::new(), Vec::new());
    let mut answers = Vec::new();
    for check in checks {
        let answer = if excluded.contains(check.name) { Ok(()) } else { (check.ask)(&call.server).await };
        answers.push((check.name, answer));
    }
    answers.extend(call.server.own(endpoint, ""));
    for (name, answer) in answers {
        if excluded.remove(name) {
            lines += &format!("[+]{name} excluded: ok\n");
            continue;
        }
        match answer {
            Ok(()) => lines += &format!("[+]{name} ok\n"),
            Err(why) => {
                lines += &format!("[-]{name} failed: reason withheld\n");
                failed.push(format!("{name}: {why}"));
            }
        }
    }
    if !excluded.is_empty() {
        let unknown: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
        lines += &format!("warn: some health checks cannot be excluded: no matches for {}\n", unknown.join(","));
    }
    if !failed.is_empty() {
        tracing::warn!(endpoint, failed = failed.join(","), "health check failed");
        return reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{lines}{endpoint} check failed\n"));
    }
    let body = match call.query.has("verbose") {
        true => format!("{lines}{endpoint} check passed\n").into(),
        false => Body::from("ok"),
    };
    reply::text(StatusCode::OK, body)
}
