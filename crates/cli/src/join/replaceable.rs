//! A client whose credentials change while others use it.

use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use http::{Request, Response};
use sampan_client::{Body, Client, Error};
use tower::Service;

/// Sends each request by the client of the moment. A replaced one goes, with its connections, when the last request it began has
/// ended: watches live on until the server ends them, and come back over a connection with the new credentials.
#[derive(Clone)]
pub(super) struct Replaceable(Arc<ArcSwap<Client>>);

impl Replaceable {
    pub(super) fn new(client: Client) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(client)))
    }

    pub(super) fn replace(&self, client: Client) {
        self.0.store(Arc::new(client));
    }

    /// A client that others keep.
    pub(super) fn client(&self) -> Client {
        sampan_client::in_process(self.clone(), "default")
    }
}

impl Service<Request<Body>> for Replaceable {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.0.load_full();
        Box::pin(async move { client.send(request).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering(code: u16) -> Client {
        let service = tower::service_fn(move |_: Request<Body>| async move {
            Response::builder().status(code).body(Body::empty()).map_err(std::io::Error::other)
        });
        sampan_client::in_process(service, "default")
    }

    #[tokio::test]
    async fn the_next_request_goes_by_the_new_client_and_failures_stay_what_they_are() {
        let replaceable = Replaceable::new(answering(200));
        let client = replaceable.client();
        let ask = || client.send(Request::get("/version").body(Body::empty()).unwrap());
        assert_eq!(ask().await.unwrap().status(), 200);
        replaceable.replace(answering(202));
        assert_eq!(ask().await.unwrap().status(), 202);
        let refusing = tower::service_fn(|_: Request<Body>| async {
            Err::<Response<Body>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
        });
        replaceable.replace(sampan_client::in_process(refusing, "default"));
        assert!(matches!(ask().await, Err(Error::Service(_))));
    }
}
