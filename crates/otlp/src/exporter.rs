//! The queue and the task that empties it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::Span;
use crate::messages::{EXPORT, ExportRequest, ExportResponse, KeyValue, Resource, ResourceSpans, ScopeSpans, Value};

/// Spans that may wait, spans in one request, how long the first waits for others: OpenTelemetry's own defaults for batches.
const WAITING: usize = 2048;
const AT_ONCE: usize = 512;
const GATHER: Duration = Duration::from_secs(5);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends spans, or loses them: nothing waits for a collector.
pub struct Exporter {
    spans: mpsc::Sender<Span>,
    lost: AtomicU64,
}

impl Exporter {
    /// Starts to send what `service` did to the collector at HOST:PORT, and returns its task, which ends with the exporter. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// When the endpoint is no address.
    pub fn start(endpoint: &str, service: &str) -> Result<Self, String> {
        let address = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
        let parsed =
            Endpoint::from_shared(address).map_err(|error| format!("{endpoint:?} is no HOST:PORT: {error}"))?;
        let (spans, received) = mpsc::channel(WAITING);
        let resource = Resource { attributes: vec![KeyValue::new("service.name", Value::Text(service.to_owned()))] };
        tokio::spawn(Task { received, channel: parsed.connect_lazy(), resource, failing: false }.run());
        Ok(Self { spans, lost: AtomicU64::new(0) })
    }

    /// Hands a span over. One that finds no room is lost.
    pub fn send(&self, span: Span) {
        if self.spans.try_send(span).is_err() && self.lost.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!("there are more spans than the collector takes; some are lost");
        }
    }
}

struct Task {
    received: mpsc::Receiver<Span>,
    channel: Channel,
    resource: Resource,
    failing: bool,
}

impl Task {
    async fn run(mut self) {
        while let Some(first) = self.received.recv().await {
            let spans = self.gather(first).await;
            let sent = timeout(PATIENCE, self.export(spans)).await.unwrap_or_else(|_| Err("no answer in time".into()));
            match sent {
                Ok(()) => self.failing = false,
                // Said once, not for every batch.
                Err(why) if !std::mem::replace(&mut self.failing, true) => {
                    tracing::warn!(why, "spans did not reach the collector and are lost");
                }
                Err(_) => {}
            }
        }
    }

    async fn gather(&mut self, first: Span) -> Vec<Span> {
        let until = Instant::now() + GATHER;
        let mut spans = vec![first];
        while spans.len() < AT_ONCE {
            match timeout_at(until, self.received.recv()).await {
                Ok(Some(span)) => spans.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        spans
    }

    async fn export(&self, spans: Vec<Span>) -> Result<(), String> {
        let scope_spans = vec![ScopeSpans { spans: spans.into_iter().map(Into::into).collect() }];
        let resource = Some(self.resource.clone());
        let request = ExportRequest { resource_spans: vec![ResourceSpans { resource, scope_spans }] };
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| error.to_string())?;
        let codec = ProstCodec::<ExportRequest, ExportResponse>::default();
        let sent = grpc.unary(tonic::Request::new(request), PathAndQuery::from_static(EXPORT), codec).await;
        sent.map(drop).map_err(|status| status.message().to_owned())
    }
}

#[cfg(test)]
mod tests;
