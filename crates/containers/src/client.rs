//! Speaking gRPC over the runtime's socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use sampan_runtime::{Error, Result};
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::cri::Call;

/// How long an answer may take, as the kubelet's `runtimeRequestTimeout`.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a runtime that is just starting is waited for.
const STARTING: Duration = Duration::from_secs(10);

/// Lists of a node full of pods are larger than gRPC's default of 4 MiB.
const LARGEST_ANSWER: usize = 64 << 20;

/// Errors of Go servers come as headers, and quote much.
const LARGEST_HEADERS: u32 = 1 << 20;

/// One connection, made when first needed and again after it broke. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
    socket: PathBuf,
}

impl Client {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(socket: &Path) -> Self {
        let path = socket.to_owned();
        let connect = tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://localhost").http2_max_header_list_size(LARGEST_HEADERS);
        Self { channel: endpoint.connect_with_connector_lazy(connect), socket: socket.to_owned() }
    }

    /// Asks and waits for the answer. `subject` is what it is about, for errors: `container x`.
    pub(crate) async fn call<C: Call + Clone>(&self, request: C, subject: &str) -> Result<C::Answer> {
        self.call_within(request, subject, PATIENCE).await
    }

    /// The same with a time of its own, for what rightly takes long.
    pub(crate) async fn call_within<C: Call + Clone>(
        &self,
        request: C,
        subject: &str,
        patience: Duration,
    ) -> Result<C::Answer> {
        let begin = tokio::time::Instant::now();
        loop {
            let asked = tokio::time::timeout(patience, self.unary(request.clone())).await;
            let status = match asked {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded(format!("no answer within {} s", patience.as_secs())),
            };
            if !is_starting(&status) || begin.elapsed() > STARTING {
                return Err(self.explain::<C>(&status, subject));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn unary<C: Call>(&self, request: C) -> std::result::Result<C::Answer, Status> {
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<C, C::Answer>::default();
        Ok(grpc.unary(tonic::Request::new(request), PathAndQuery::from_static(C::PATH), codec).await?.into_inner())
    }

    /// Begins to listen. With servers written in Go this returns with the first message and not before.
    pub(crate) async fn stream<C: Call>(&self, request: C) -> std::result::Result<Streaming<C::Answer>, Status> {
        let mut grpc = self.grpc().await?;
        let codec = ProstCodec::<C, C::Answer>::default();
        let request = tonic::Request::new(request);
        Ok(grpc.server_streaming(request, PathAndQuery::from_static(C::PATH), codec).await?.into_inner())
    }

    async fn grpc(&self) -> std::result::Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER);
        grpc.ready().await.map_err(|error| Status::unavailable(said(&error)))?;
        Ok(grpc)
    }

    fn explain<C: Call>(&self, status: &Status, subject: &str) -> Error {
        match status.code() {
            Code::NotFound => Error::NotFound(subject.to_owned()),
            Code::Unavailable => Error::Unavailable(format!(
                "containerd does not answer on {}: {}; see whether it runs",
                self.socket.display(),
                status.message()
            )),
            Code::Unimplemented => Error::Unavailable(format!(
                "what answers on {} does not serve CRI v1: {}; enable containerd's cri plugin",
                self.socket.display(),
                status.message()
            )),
            _ => Error::Unavailable(format!("failed to {} {subject}: {}", C::DOES, status.message())),
        }
    }
}

/// containerd serves before its CRI plugin has found out what runs.
fn is_starting(status: &Status) -> bool {
    status.message().contains("server is not initialized yet")
}

/// An error with its causes: transports hide the one that matters.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
