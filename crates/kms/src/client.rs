//! gRPC over the plugin's socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::messages::Call;

/// One connection, made when first needed and again after it broke.
pub(crate) struct Client {
    channel: Channel,
    socket: PathBuf,
    patience: Duration,
}

impl Client {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(socket: &Path, patience: Duration) -> Self {
        let path = socket.to_owned();
        let connect = tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://localhost").connect_with_connector_lazy(connect);
        Self { channel, socket: socket.to_owned(), patience }
    }

    /// Asks; the error says in words why there is no answer.
    pub(crate) async fn call<C: Call>(&self, request: C) -> Result<C::Answer, String> {
        let failed = |why: &str| format!("the key service at {}: {why}", self.socket.display());
        match timeout(self.patience, self.unary(request)).await {
            Ok(answer) => answer.map_err(|why| failed(&why)),
            Err(_) => Err(failed("no answer in time")),
        }
    }

    async fn unary<C: Call>(&self, request: C) -> Result<C::Answer, String> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| said(&error))?;
        let codec = ProstCodec::<C, C::Answer>::default();
        let answer = grpc.unary(tonic::Request::new(request), PathAndQuery::from_static(C::PATH), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned())
    }
}

/// An error with its causes: transports hide the one that matters.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
