//! What can go wrong between a part and the API, as a layer around the service.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use parking_lot::Mutex;
use sampan_apiserver::{BoxError, Service};
use sampan_client::Body;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::Dice;

/// How often what goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Every request and every answer takes up to this long.
    pub delay_millis: u64,
    /// Percentage of requests that are answered 503 and have no effect.
    pub unavailable: u64,
    /// Percentage of PUTs that are answered 409 as if somebody had been quicker.
    pub conflict: u64,
    /// Percentage of requests that take effect and whose answer is lost.
    pub lost_reply: u64,
    /// Percentage of watches that end within half a minute.
    pub cut_watch: u64,
}

impl Rates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { delay_millis: 0, unavailable: 0, conflict: 0, lost_reply: 0, cut_watch: 0 };
    /// A bad day: one request in five fails in some way.
    pub const ROUGH: Self = Self { delay_millis: 400, unavailable: 10, conflict: 5, lost_reply: 8, cut_watch: 60 };
}

/// What goes wrong at present, shared by all lines of a cluster.
pub struct Faults {
    rates: Mutex<Rates>,
    dice: Dice,
}

impl Faults {
    /// Nothing, until told otherwise.
    #[must_use]
    pub fn new(dice: Dice) -> Arc<Self> {
        Arc::new(Self { rates: Mutex::new(Rates::NONE), dice })
    }

    /// Changes what goes wrong with the requests from here on. Watches that were doomed before still end.
    pub fn set(&self, rates: Rates) {
        *self.rates.lock() = rates;
    }

    /// All draws are made here and at once: what becomes of a request depends on the order of requests alone.
    fn fate(&self, request: &Request<Body>) -> Fate {
        let (rates, dice) = (*self.rates.lock(), &self.dice);
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let refused = dice.percent(rates.unavailable).then_some(StatusCode::SERVICE_UNAVAILABLE);
        let conflict = dice.percent(rates.conflict) && *request.method() == Method::PUT;
        Fate {
            before: dice.millis(rates.delay_millis),
            after: dice.millis(rates.delay_millis),
            refused: refused.or_else(|| conflict.then_some(StatusCode::CONFLICT)),
            lost: dice.percent(rates.lost_reply),
            cut: (dice.percent(rates.cut_watch) && watches).then(|| dice.millis(30_000)),
            watches,
        }
    }
}

struct Fate {
    before: Duration,
    after: Duration,
    refused: Option<StatusCode>,
    lost: bool,
    cut: Option<Duration>,
    watches: bool,
}

/// Cuts lines through and mends them: while it is down, requests fail and watches end. Whoever waits wakes in order.
#[derive(Clone, Default)]
pub struct Switch(Arc<(AtomicBool, Notify)>);

impl Switch {
    /// Cuts the lines through, or mends them.
    pub fn set_down(&self, down: bool) {
        self.0.0.store(down, Ordering::Release);
        self.0.1.notify_waiters();
    }

    fn is_down(&self) -> bool {
        self.0.0.load(Ordering::Acquire)
    }

    async fn cut(&self) {
        loop {
            let changed = self.0.1.notified();
            if self.is_down() {
                return;
            }
            changed.await;
        }
    }
}

/// The line of one part to the API, under that part's identity.
#[derive(Clone)]
pub struct Line {
    service: Service,
    faults: Arc<Faults>,
    switch: Switch,
}

type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

impl Line {
    /// A line that is down while `switch` says so.
    #[must_use]
    pub fn new(service: Service, faults: Arc<Faults>, switch: Switch) -> Self {
        Self { service, faults, switch }
    }

    async fn carry(mut self, request: Request<Body>, fate: Fate) -> Result<Reply, std::io::Error> {
        pass(fate.before).await;
        self.check()?;
        if let Some(code) = fate.refused {
            return Ok(refusal(code));
        }
        let response = tower::Service::call(&mut self.service, request).await.unwrap_or_else(|never| match never {});
        pass(fate.after).await;
        self.check()?;
        if fate.lost {
            return Err(std::io::Error::other("the answer was lost"));
        }
        if !fate.watches {
            return Ok(response.map(|body| body.map_err(BoxError::from).boxed_unsync()));
        }
        let end = end(self.switch, fate.cut);
        let frames = |body| BodyStream::new(body).map(|frame| frame.map_err(BoxError::from)).take_until(Box::pin(end));
        Ok(response.map(|body| StreamBody::new(frames(body)).boxed_unsync()))
    }

    fn check(&self) -> Result<(), std::io::Error> {
        if self.switch.is_down() { Err(std::io::Error::other("the line is down")) } else { Ok(()) }
    }
}

/// A delay of nothing must not even give up the turn.
async fn pass(delay: Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}

async fn end(switch: Switch, cut: Option<Duration>) {
    let cut = async {
        match cut {
            Some(after) => sleep(after).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = switch.cut() => {}
        () = cut => {}
    }
}

fn refusal(code: StatusCode) -> Reply {
    let reason = if code == StatusCode::CONFLICT { "Conflict" } else { "ServiceUnavailable" };
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the simulation wants this request to fail", "reason": reason, "code": code.as_u16(),
    });
    let mut response = Response::new(Full::new(Bytes::from(status.to_string())).map_err(BoxError::from).boxed_unsync());
    *response.status_mut() = code;
    response
}

impl tower::Service<Request<Body>> for Line {
    type Response = Reply;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, std::io::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let fate = self.faults.fate(&request);
        Box::pin(self.clone().carry(request, fate))
    }
}
