//! `/exec`, `/attach` and `/portForward`: connections that are upgraded and then carry a client's streams, as the kubelet's.
//!
//! The apiserver passes the bytes through and understands none of them; the protocols end here. kubectl speaks websockets, and SPDY where
//! it cannot; it forwards ports by SPDY always, inside a websocket where it can.
#![expect(clippy::result_large_err, reason = "an answer that refuses is made once for a connection")]

mod channels;
mod forward;
mod remote;
mod spdy_channels;
mod tunnel;
mod upgrade;
mod websocket;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::FutureExt as _;
use sampan_runtime::{Connection, Error, Runtime, spdy};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::Server;
use crate::pod::facts;
use crate::pod::workers::View;
use forward::Dial;
use remote::{Wanted, Work};
use upgrade::{Activity, Agreed, Carrier, Transport, agree, refusal};

/// Protocols of exec and attach.
const REMOTE: (&[&str], &[&str]) = (&["v5.channel.k8s.io", "v4.channel.k8s.io"], &["v4.channel.k8s.io"]);
/// Protocols of port forwards.
const FORWARD: (&[&str], &[&str]) = (&["SPDY/3.1+portforward.k8s.io"], &["portforward.k8s.io"]);

/// A connection on which nothing passes for so long is closed, as the kubelet's `streamingConnectionIdleTimeout`.
const IDLE: Duration = Duration::from_secs(4 * 60 * 60);
/// How long a client may take to hang up after it was told the end.
const FAREWELL: Duration = Duration::from_secs(5);
/// Streams that may wait to be looked at.
const OPENED: usize = 8;

type Parameters = Query<Vec<(String, String)>>;

pub(super) async fn exec(
    State(server): State<Server>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Parameters,
    request: Request,
) -> Response {
    let command: Vec<String> =
        query.iter().filter(|(name, _)| name == "command").map(|(_, word)| word.clone()).collect();
    if command.is_empty() {
        return refusal(StatusCode::BAD_REQUEST, "you must specify at least 1 word of command");
    }
    let (runtime, id) = match running(&server, &namespace, &pod, &container) {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    if runtime.exec().is_none() {
        let message = format!("runtime {} runs no commands inside containers", runtime.handler());
        return refusal(StatusCode::NOT_IMPLEMENTED, &message);
    }
    remotely(&server, request, &query, move |streams| {
        async move {
            let exec = runtime.exec().expect("asked above");
            exec.run(&id, command, streams).await
        }
        .boxed()
    })
}

pub(super) async fn attach(
    State(server): State<Server>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Parameters,
    request: Request,
) -> Response {
    let (runtime, id) = match running(&server, &namespace, &pod, &container) {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    remotely(&server, request, &query, move |streams| {
        async move { runtime.attach(&id, streams).await.map(|()| 0) }.boxed()
    })
}

/// Agrees on a protocol and does the work over it.
fn remotely(
    server: &Server,
    mut request: Request,
    query: &[(String, String)],
    work: impl FnOnce(sampan_runtime::Streams) -> futures::future::BoxFuture<'static, Result<i32, Error>> + Send + 'static,
) -> Response {
    let wanted = match Wanted::of(query) {
        Ok(wanted) => wanted,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    let work: Work = Box::new(work);
    match agree(&mut request, REMOTE.0, REMOTE.1) {
        Err(refusal) => refusal,
        Ok(agreed) => go_on(server, agreed, move |carrier, transport| {
            async move {
                match carrier {
                    Carrier::WebSocket => channels::serve(transport, wanted, work).await,
                    Carrier::Spdy => {
                        let (sender, opened) = mpsc::channel(OPENED);
                        let worked = async {
                            spdy_channels::serve(opened, wanted, work).await;
                            tokio::time::sleep(FAREWELL).await;
                        };
                        tokio::select! { biased;
                            ended = spdy::serve(transport, sender) => told(ended),
                            () = worked => {}
                        }
                    }
                }
            }
            .boxed()
        }),
    }
}

pub(super) async fn port_forward(
    State(server): State<Server>,
    Path((namespace, pod)): Path<(String, String)>,
    mut request: Request,
) -> Response {
    let view = match view(&server, &namespace, &pod) {
        Ok(view) => view,
        Err(refusal) => return refusal,
    };
    let dial = match dial(&server, &view).await {
        Ok(dial) => dial,
        Err(refusal) => return refusal,
    };
    match agree(&mut request, FORWARD.0, FORWARD.1) {
        Err(refusal) => refusal,
        Ok(agreed) => go_on(&server, agreed, move |carrier, transport| {
            async move {
                let (sender, opened) = mpsc::channel(OPENED);
                let forwarding = forward::over_spdy(opened, dial);
                match carrier {
                    Carrier::Spdy => {
                        let (ended, ()) = tokio::join!(spdy::serve(transport, sender), forwarding);
                        told(ended);
                    }
                    Carrier::WebSocket => {
                        let (inner, carrying) = tunnel::open(transport);
                        let (ended, _, ()) = tokio::join!(carrying, spdy::serve(inner, sender), forwarding);
                        told(ended);
                    }
                }
            }
            .boxed()
        }),
    }
}

fn told(ended: std::io::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's streams broke off");
    }
}

/// Answers 101 and goes on with the connection in a task of its own, until that is done, nothing happens any more, or the agent stops.
fn go_on<F>(server: &Server, agreed: Agreed, serve: F) -> Response
where
    F: FnOnce(Carrier, Transport) -> futures::future::BoxFuture<'static, ()> + Send + 'static,
{
    let (carrier, stop) = (agreed.carrier, server.stop.clone());
    let (answer, pending) = agreed.split();
    tokio::spawn(async move {
        let served = async {
            match pending.await {
                Ok(upgraded) => {
                    let activity = Activity::default();
                    let serving = serve(carrier, Transport::new(upgraded, activity.clone()));
                    tokio::select! { biased;
                        () = serving => {}
                        () = activity.quiet(IDLE) => tracing::debug!("a client's streams were silent for too long"),
                    }
                }
                Err(error) => tracing::debug!(%error, "a client left before its connection was upgraded"),
            }
        };
        stop.run_until_cancelled(served).await
    });
    answer
}

fn view(server: &Server, namespace: &str, pod: &str) -> Result<Arc<View>, Response> {
    let followed = server.workers.follow(namespace, pod);
    let followed = followed.ok_or_else(|| refusal(StatusCode::NOT_FOUND, "pod does not exist"))?;
    let view = followed.borrow().clone();
    Ok(view)
}

/// Where a running container runs.
fn running(
    server: &Server,
    namespace: &str,
    pod: &str,
    container: &str,
) -> Result<(Arc<dyn Runtime>, String), Response> {
    let view = view(server, namespace, pod)?;
    let (runtime, id) = view.runs.get(container).and_then(|runs| runs.running.clone()).ok_or_else(|| {
        // In the kubelet's words, and with its code.
        refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("container not found (\"{container}\")"))
    })?;
    Ok((server.context.runtimes[runtime].clone(), id))
}

/// How to reach the pod's ports: as its runtime does, or at its address.
async fn dial(server: &Server, view: &View) -> Result<Dial, Response> {
    let address = view.status.pod_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
    let (name, uid) = (facts::name(&view.pod).to_owned(), facts::uid(&view.pod).to_owned());
    let running = view.runs.values().find_map(|runs| runs.running.clone());
    let sandbox = match running {
        Some((runtime, id)) => {
            let runtime = server.context.runtimes[runtime].clone();
            runtime.container(&id).await.ok().flatten().map(|status| (runtime, status.sandbox))
        }
        None => None,
    };
    let (Some(address), Some((runtime, sandbox))) = (address, sandbox) else {
        return Err(refusal(StatusCode::INTERNAL_SERVER_ERROR, &format!("no running container in pod {name}")));
    };
    Ok(Arc::new(move |port| {
        let (runtime, sandbox) = (runtime.clone(), sandbox.clone());
        let pod = format!("pod {name}, uid {uid}");
        async move {
            let connected = connect(&*runtime, &sandbox, address, port).await;
            connected.map_err(|why| format!("error forwarding port {port} to {pod}: {why}"))
        }
        .boxed()
    }))
}

async fn connect(
    runtime: &dyn Runtime,
    sandbox: &str,
    address: IpAddr,
    port: u16,
) -> Result<Box<dyn Connection>, String> {
    if let Some(connection) = runtime.connect(sandbox, port).await.map_err(|error| error.to_string())? {
        return Ok(connection);
    }
    let connected = TcpStream::connect((address, port)).await;
    let stream = connected.map_err(|error| format!("failed to connect to {address}:{port}: {error}"))?;
    let _latency_only = stream.set_nodelay(true);
    Ok(Box::new(stream))
}
