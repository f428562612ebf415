//! The API as a `tower::Service`, for parts in the same process (`kube::Client::new(service, namespace)`).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;

use crate::body::{Body, BodyError, BoxError};
use crate::caller::Caller;
use crate::decode::RequestBody;
use crate::server::ApiServer;

/// The API for one caller. Clones share it. Never fails: what goes wrong is an answer.
#[derive(Clone)]
pub struct Service {
    server: Arc<ApiServer>,
    caller: Arc<Caller>,
}

impl Service {
    pub(crate) fn new(server: Arc<ApiServer>, caller: Arc<Caller>) -> Self {
        Self { server, caller }
    }
}

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (server, caller) = (Arc::clone(&self.server), Arc::clone(&self.caller));
        let request = request.map(|body| RequestBody::new(body.map_err(BodyError::new)));
        Box::pin(async move { Ok(crate::pipeline::handle(server, caller, request).await) })
    }
}

impl<B> hyper::service::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        tower::Service::call(&mut self.clone(), request)
    }
}
