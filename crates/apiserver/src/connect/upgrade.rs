//! Two connections that become one: whatever one end says is said to the other, until either has gone.

use http::{Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::body::Body;
use crate::decode::RequestBody;
use crate::node_client::{ReachError, Target};
use crate::pipeline::Call;

/// Passes a request for an upgrade on. A peer that agrees is tied to the client; any other answer is the client's answer.
pub(super) async fn pass_on(
    call: &mut Call,
    target: &Target,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ReachError> {
    let answer = call.server.nodes.send(target, request).await?;
    tie_to(call, &target.authority(), answer)
}

/// Ties the client to a peer that has agreed to another protocol; any other answer is the client's answer.
pub(crate) fn tie_to(
    call: &mut Call,
    peer_name: &str,
    mut answer: Response<Body>,
) -> Result<Response<Body>, ReachError> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer);
    }
    let peer = hyper::upgrade::on(&mut answer);
    let Some(client) = call.upgrade.take() else { return Err(ReachError::NoUpgrade(peer_name.to_owned())) };
    let closing = call.caller.closing.clone();
    let counted = call.counted.take();
    tokio::spawn(async move {
        let _in_progress = counted;
        closing.run_until_cancelled(tie(client, peer)).await
    });
    let (head, _) = answer.into_parts();
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = head.headers;
    Ok(answer)
}

async fn tie(client: OnUpgrade, peer: OnUpgrade) {
    match tokio::try_join!(client, peer) {
        Ok((client, peer)) => copy(client, peer).await,
        Err(error) => tracing::debug!(%error, "a connection broke off before it was upgraded"),
    }
}

/// Neither websockets nor SPDY go on with one direction alone: the end of one is the end of both.
async fn copy(client: Upgraded, peer: Upgraded) {
    let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
    let (from_peer, to_peer) = tokio::io::split(TokioIo::new(peer));
    tokio::select! { biased;
        () = pour(from_peer, to_client) => {}
        () = pour(from_client, to_peer) => {}
    }
}

/// Bytes copied at once.
const PIECE: usize = 32 << 10;

async fn pour(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut from = tokio::io::BufReader::with_capacity(PIECE, &mut from);
    // Either end may go at any time; the other learns it from the end of its connection.
    let _broken = tokio::io::copy_buf(&mut from, &mut to).await;
    let _broken = to.shutdown().await;
}
