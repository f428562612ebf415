//! `/containerLogs/{namespace}/{pod}/{container}`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use super::Server;
use crate::log::{self, LogOptions, Stream};
use crate::pod::facts;
use crate::pod::workers::{Runs, View};

/// Pieces that may wait for a slow reader.
const PIECES: usize = 8;

/// The query, in the words of `v1.PodLogOptions`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wanted {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail_lines: Option<u64>,
    since_seconds: Option<i64>,
    since_time: Option<String>,
    limit_bytes: Option<u64>,
    stream: Option<String>,
}

impl Wanted {
    fn options(&self, now: Timestamp) -> Result<LogOptions, String> {
        let since = match (&self.since_time, self.since_seconds) {
            (Some(time), _) => {
                Some(time.parse().map_err(|_| format!("sinceTime {time} is not a time as in RFC 3339"))?)
            }
            (None, Some(seconds)) => Some(now.checked_sub(facts::seconds(seconds)).unwrap_or(Timestamp::MIN)),
            (None, None) => None,
        };
        let stream = match self.stream.as_deref() {
            None | Some("" | "All") => None,
            Some("Stdout") => Some(Stream::Stdout),
            Some("Stderr") => Some(Stream::Stderr),
            Some(other) => return Err(format!("stream {other} is not one of All, Stdout and Stderr")),
        };
        Ok(LogOptions {
            follow: self.follow,
            tail: self.tail_lines,
            since,
            timestamps: self.timestamps,
            limit_bytes: self.limit_bytes,
            stream,
        })
    }
}

type Refusal = (StatusCode, String);

pub(super) async fn logs(
    State(server): State<Server>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
) -> Response {
    match open(&server, &namespace, &pod, &container, &wanted) {
        Ok(pieces) => Response::builder()
            .header("content-type", "text/plain")
            .body(Body::from_stream(stream(pieces)))
            .expect("the header is one"),
        Err(refusal) => refusal.into_response(),
    }
}

fn open(
    server: &Server,
    namespace: &str,
    name: &str,
    container: &str,
    wanted: &Wanted,
) -> Result<mpsc::Receiver<std::io::Result<Bytes>>, Refusal> {
    let bad = |message: String| (StatusCode::BAD_REQUEST, message);
    let not_found = |message: String| (StatusCode::NOT_FOUND, message);
    let views = server.workers.follow(namespace, name).ok_or_else(|| not_found(format!("pod \"{name}\" not found")))?;
    let view = views.borrow().clone();
    if facts::names(&view.pod).all(|name| name != container) {
        return Err(not_found(format!("container \"{container}\" not found in pod \"{name}\"")));
    }
    let attempt = attempt(&view, container, wanted.previous).map_err(bad)?;
    let options = wanted.options(server.context.now()).map_err(bad)?;
    let path = server.context.directories.log(namespace, name, facts::uid(&view.pod), container, attempt);
    let ended = ended(views, container.to_owned(), attempt);
    let (sender, receiver) = mpsc::channel(PIECES);
    let (inotify, stop) = (server.context.inotify.clone(), server.stop.clone());
    tokio::spawn(
        async move { stop.run_until_cancelled(log::send(path, options, inotify.as_ref(), ended, sender)).await },
    );
    Ok(receiver)
}

/// Which run's log is meant.
fn attempt(view: &View, container: &str, previous: bool) -> Result<u32, String> {
    let none = Runs::default();
    let runs = view.runs.get(container).unwrap_or(&none);
    let name = facts::name(&view.pod);
    if previous {
        return last_ended(view, container)
            .or(runs.previous)
            .ok_or_else(|| format!("previous terminated container \"{container}\" in pod \"{name}\" not found"));
    }
    runs.current.or(runs.previous).ok_or_else(|| {
        let statuses =
            view.status.container_statuses.iter().flatten().chain(view.status.init_container_statuses.iter().flatten());
        let waiting = statuses
            .filter(|status| status.name == container)
            .find_map(|status| status.state.as_ref()?.waiting.clone());
        let reason = waiting.and_then(|waiting| waiting.reason).unwrap_or_else(|| "ContainerCreating".to_owned());
        format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}")
    })
}

/// The run that `lastState` tells of: of a container that waits to be restarted it is the newest one.
fn last_ended(view: &View, container: &str) -> Option<u32> {
    let statuses =
        view.status.container_statuses.iter().flatten().chain(view.status.init_container_statuses.iter().flatten());
    let status = statuses.into_iter().find(|status| status.name == container)?;
    status.last_state.as_ref()?.terminated.as_ref()?;
    let newest = u32::try_from(status.restart_count).ok()?;
    let waits = status.state.as_ref().is_some_and(|state| state.waiting.is_some());
    if waits { Some(newest) } else { newest.checked_sub(1) }
}

/// Becomes true once that run has ended.
fn ended(mut views: watch::Receiver<Arc<View>>, container: String, attempt: u32) -> watch::Receiver<bool> {
    let runs_still = move |view: &View| {
        let runs = view.runs.get(&container);
        runs.is_some_and(|runs| runs.current == Some(attempt) && runs.running.is_some())
    };
    let (sender, receiver) = watch::channel(!runs_still(&views.borrow()));
    tokio::spawn(async move {
        let over = async {
            // An error means that the pod is gone, and its container with it.
            let _gone = views.wait_for(|view| !runs_still(view)).await;
        };
        tokio::select! { biased;
            () = sender.closed() => return,
            () = over => {}
        }
        sender.send_replace(true);
        // Kept until the reader is done: a dropped sender would look like a reader's mistake.
        sender.closed().await;
    });
    receiver
}

fn stream(pieces: mpsc::Receiver<std::io::Result<Bytes>>) -> impl futures::Stream<Item = Result<Bytes, Infallible>> {
    futures::stream::unfold(pieces, |mut pieces| async move {
        let piece = match pieces.recv().await? {
            Ok(piece) => piece,
            Err(error) => Bytes::from(format!("failed to read the log: {error}\n")),
        };
        Some((Ok(piece), pieces))
    })
}
