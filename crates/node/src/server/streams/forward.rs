//! `/portForward/{namespace}/{pod}`: connections of the client's become connections to the pod.
//!
//! Each connection is a pair of SPDY streams, one for data and one for what went wrong, paired by the header `requestID`. Matches
//! `k8s.io/kubelet/pkg/cri/streaming/portforward`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use sampan_runtime::Connection;
use sampan_runtime::spdy::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Connects to a port of the pod.
pub(super) type Dial = Arc<dyn Fn(u16) -> BoxFuture<'static, Result<Box<dyn Connection>, String>> + Send + Sync>;

/// Bytes read from a pod at once.
const PIECE: usize = 32 << 10;
/// Streams whose other half may be on its way.
const HALVES: usize = 256;

/// Serves the streams of one client until they end with its connection.
pub(super) async fn over_spdy(mut opened: mpsc::Receiver<Stream>, dial: Dial) {
    let mut halves: BTreeMap<String, Stream> = BTreeMap::new();
    let mut connections = JoinSet::new();
    while let Some(stream) = opened.recv().await {
        while connections.try_join_next().is_some() {}
        let Some(id) = request_id(&stream) else {
            stream.writer.refuse().await;
            continue;
        };
        match halves.remove(&id) {
            None if halves.len() >= HALVES => stream.writer.refuse().await,
            None => drop(halves.insert(id, stream)),
            Some(other) => match pair(stream, other) {
                Some((data, errors)) => drop(connections.spawn(connection(data, errors, dial.clone()))),
                // Two of the same kind under one name: the later one is a mistake.
                None => continue,
            },
        }
    }
    connections.shutdown().await;
}

fn header<'a>(stream: &'a Stream, name: &str) -> Option<&'a str> {
    stream.headers.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// What pairs two streams; `None` for a stream that is neither of the two kinds or has no port. Clients from before there were ids open
/// the stream of errors first and that of data right after it.
fn request_id(stream: &Stream) -> Option<String> {
    header(stream, "port")?.parse::<u16>().ok().filter(|port| *port > 0)?;
    let id = header(stream, "requestid").map(str::to_owned);
    match header(stream, "streamtype")? {
        "error" => Some(id.unwrap_or_else(|| stream.id.to_string())),
        "data" => Some(id.unwrap_or_else(|| stream.id.saturating_sub(2).to_string())),
        _ => None,
    }
}

/// Data first.
fn pair(one: Stream, other: Stream) -> Option<(Stream, Stream)> {
    match (header(&one, "streamtype"), header(&other, "streamtype")) {
        (Some("data"), Some("error")) => Some((one, other)),
        (Some("error"), Some("data")) => Some((other, one)),
        _ => None,
    }
}

async fn connection(data: Stream, errors: Stream, dial: Dial) {
    let port = header(&data, "port").and_then(|port| port.parse().ok()).unwrap_or_default();
    let Stream { data: from_client, reset, writer, .. } = data;
    let failed = async {
        match dial(port).await {
            Ok(pod) => copy(pod, from_client, |bytes| {
                let writer = writer.clone();
                async move { writer.send(&bytes).await }
            })
            .await
            .map_err(|error| error.to_string()),
            Err(error) => Err(error),
        }
    };
    let failed = reset.run_until_cancelled(failed).await;
    if let Some(Err(why)) = failed {
        errors.writer.send(why.as_bytes()).await;
    }
    writer.finish().await;
    errors.writer.finish().await;
}

/// Both directions until the pod has said all it will. What the client sends last still arrives, and its end is passed on.
async fn copy<F>(
    pod: Box<dyn Connection>,
    mut from_client: mpsc::Receiver<Bytes>,
    send: impl Fn(Bytes) -> F,
) -> std::io::Result<()>
where
    F: Future<Output = bool>,
{
    let (mut from_pod, mut to_pod) = tokio::io::split(pod);
    let inwards = async {
        while let Some(bytes) = from_client.recv().await {
            to_pod.write_all(&bytes).await?;
        }
        to_pod.shutdown().await
    };
    let outwards = async {
        let mut buffer = vec![0; PIECE];
        loop {
            let length = from_pod.read(&mut buffer).await?;
            if length == 0 || !send(Bytes::copy_from_slice(&buffer[..length])).await {
                return std::io::Result::Ok(());
            }
        }
    };
    let (mut inwards, mut outwards) = (std::pin::pin!(inwards), std::pin::pin!(outwards));
    tokio::select! { biased;
        ended = &mut outwards => ended,
        // A pod that takes no more may still have something to say.
        _no_more = &mut inwards => outwards.await,
    }
}
