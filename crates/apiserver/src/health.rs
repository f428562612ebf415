//! `/healthz`, `/livez`, `/readyz`: one line each, or every check with `?verbose`; single checks below.

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

const CHECKS: [Check; 2] = [
    Check { name: "ping", vital: true, ask: |_| Box::pin(std::future::ready(Ok(()))) },
    Check { name: "store", vital: false, ask: |server| Box::pin(store(server)) },
];

/// The store answers, and the cache follows it.
async fn store(server: &ApiServer) -> Result<(), String> {
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

/// Answers 200 if every check holds, else 500 with what does not.
pub(crate) async fn answer(call: &Call) -> Result<Response<Body>, Status> {
    let mut parts = call.attributes.path.split('/').skip(1);
    let endpoint = parts.next().unwrap_or_default();
    let single = parts.next().filter(|name| !name.is_empty());
    let excluded: Vec<&str> = call.query.all("exclude").collect();
    let mut found = false;
    let (mut lines, mut failed) = (String::new(), Vec::new());
    for check in CHECKS.iter().filter(|check| single.is_none_or(|name| name == check.name)) {
        found = true;
        if endpoint == "livez" && !check.vital && single.is_none() {
            continue;
        }
        lines += &line(check, &call.server, &excluded, &mut failed).await;
    }
    if !found {
        return Err(Status::path_not_found());
    }
    if !failed.is_empty() {
        tracing::warn!(endpoint, failed = failed.join(","), "health check failed");
        return Ok(reply::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{lines}{endpoint} check failed\n")));
    }
    let verbose = call.query.flag("verbose");
    let body = if verbose { format!("{lines}{endpoint} check passed\n").into() } else { Body::from("ok") };
    Ok(reply::text(StatusCode::OK, body))
}

async fn line(check: &Check, server: &ApiServer, excluded: &[&str], failed: &mut Vec<&'static str>) -> String {
    let name = check.name;
    if excluded.contains(&name) {
        return format!("[+]{name} excluded: ok\n");
    }
    match (check.ask)(server).await {
        Ok(()) => format!("[+]{name} ok\n"),
        Err(why) => {
            failed.push(name);
            format!("[-]{name} failed: {why}\n")
        }
    }
}
