//! watch: events as they happen, until the client, the time limit or the server ends it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use futures::future::BoxFuture;
use http::{Response, StatusCode};
use sampan_meta::{Entropy, Status};
use sampan_registry::{Event, Resource, WatchStream};
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{options, reading, table_options};
use crate::body::{Body, BodyError};
use crate::encode::Frames;
use crate::pipeline::Call;
use crate::reply;
use crate::server::ApiServer;

/// Events that are ready together are sent together, up to this many bytes.
const BATCH: usize = 32 * 1024;
/// Upstream's `--min-request-timeout`: a watch without a limit of its own ends after one to two of these.
const SHORTEST: u64 = 1800;
/// The last bookmark comes this long before the end (upstream's `bookmarkTimer`).
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) async fn watch(call: &mut Call, resource: Arc<Resource>) -> Result<Response<Body>, Status> {
    let form = reply::stream(&call.headers, &resource)?;
    let options = options::watch(&call.query)?;
    let limit = time_limit(call)?;
    let events = call.server.registry.watch(&reading(call), &resource, &options).await?;
    let names = (resource.names.group, resource.names.version, resource.names.plural);
    let retired = resource.retired();
    let frames = Frames {
        registry: Arc::clone(&call.server.registry),
        resource,
        form,
        options: table_options(call)?,
        clock: Arc::clone(&call.server.clock),
        first: true,
    };
    let now = tokio::time::Instant::now();
    let stream = Watch {
        events,
        frames,
        server: Arc::clone(&call.server),
        names,
        farewell: options
            .allow_bookmarks
            .then(|| Box::pin(tokio::time::sleep_until(now + limit.saturating_sub(FAREWELL)))),
        end: Box::pin(tokio::time::sleep_until(now + limit)),
        closing: Box::pin(call.caller.closing.clone().cancelled_owned()),
        retired,
        over: false,
    };
    Ok(reply::with_type(StatusCode::OK, form.media.stream_type(), Body::stream(stream)))
}

/// `timeoutSeconds`, else a random time, so that clients who came together do not come back together.
fn time_limit(call: &Call) -> Result<Duration, Status> {
    let asked = options::number(&call.query, "timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok());
    match asked.filter(|seconds| *seconds > 0) {
        Some(seconds) => Ok(Duration::from_secs(seconds.min(u64::from(u32::MAX)))),
        None => Ok(Duration::from_secs(SHORTEST + random_below(&*call.server.entropy, SHORTEST))),
    }
}

fn random_below(entropy: &dyn Entropy, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    u64::from_le_bytes(bytes) % bound
}

struct Watch {
    events: WatchStream,
    server: Arc<ApiServer>,
    /// What its events are counted as.
    names: (&'static str, &'static str, &'static str),
    frames: Frames,
    farewell: Option<Pin<Box<Sleep>>>,
    end: Pin<Box<Sleep>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The kind is served otherwise now, or no more: its clients list anew.
    retired: Option<BoxFuture<'static, ()>>,
    over: bool,
}

impl Watch {
    fn poll_ended(&mut self, context: &mut Context<'_>) -> bool {
        self.over || self.end.as_mut().poll(context).is_ready() || self.closing.as_mut().poll(context).is_ready()
    }

    /// Whether the kind is served otherwise now. Asked once all that happened before has been told.
    fn poll_retired(&mut self, context: &mut Context<'_>) -> bool {
        self.retired.as_mut().is_some_and(|retired| retired.as_mut().poll(context).is_ready())
    }

    /// The next event: the registry's, or the bookmark before the end.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Poll::Ready(event) = Pin::new(&mut self.events).poll_next(context) {
            return Poll::Ready(event);
        }
        let Some(timer) = &mut self.farewell else { return Poll::Pending };
        std::task::ready!(timer.as_mut().poll(context));
        self.farewell = None;
        self.events.bookmark().map_or(Poll::Pending, |bookmark| Poll::Ready(Some(bookmark)))
    }
}

impl Stream for Watch {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut out = BytesMut::new();
        let watch = &mut *self;
        if !watch.poll_ended(context) {
            while out.len() < BATCH {
                match watch.poll_event(context) {
                    Poll::Pending => {
                        watch.over = watch.poll_retired(context);
                        break;
                    }
                    Poll::Ready(None) => {
                        watch.over = true;
                        break;
                    }
                    Poll::Ready(Some(event)) => {
                        let (group, version, resource) = watch.names;
                        watch.server.metrics.event(group, version, resource);
                        if let Err(status) = watch.frames.push(&mut out, &event) {
                            tracing::error!(%status, "an event could not be encoded; the watch ends");
                            watch.over = true;
                            break;
                        }
                    }
                }
            }
        } else {
            watch.over = true;
        }
        match (out.is_empty(), watch.over) {
            (false, _) => Poll::Ready(Some(Ok(out.freeze()))),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }
}
