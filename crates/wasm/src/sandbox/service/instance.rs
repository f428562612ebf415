//! One instance for one request, or for several in turn when the pod asks for it.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parking_lot::Mutex;
use wasmtime::{AsContextMut as _, Store};
use wasmtime_wasi_http::handler::{Prepared, Proxy};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView as _, p2, p3};

use super::{Failure, Responder};
use crate::artifact::Entry;
use crate::sandbox::code::{Failed, Instantiated, Placement};
use crate::sandbox::container::Container;
use crate::sandbox::guest::Guest;
use crate::sandbox::outcome;

/// Idle instances kept for reuse.
const MOST_IDLE: usize = 16;

/// Makes instances, and keeps those that may be used again.
pub(super) struct Instances {
    reuse: u32,
    idle: Mutex<Vec<Instance>>,
}

struct Instance {
    store: Store<Guest>,
    proxy: Proxy,
    used: u32,
}

impl Instances {
    pub(super) fn new(reuse: u32) -> Self {
        Instances { reuse, idle: Mutex::default() }
    }

    /// Lets a guest answer; sends the response as soon as it begins and returns when the guest has finished.
    pub(super) async fn answer(&self, container: &Container, request: Request<Incoming>, responder: Responder) {
        let reusable = self.idle.lock().pop();
        let mut instance = match reusable {
            Some(instance) => instance,
            None => match make(container).await {
                Ok(instance) => instance,
                Err(failure) => return drop(responder.send(Err(failure))),
            },
        };
        instance.used += 1;
        match instance.call(request, responder).await {
            End::Finished if instance.used < self.reuse => self.keep(instance),
            End::Finished | End::NoResponse => {}
            End::CutOff(message) => container.log.note(&format!("sampan: after the response had begun: {message}")),
        }
    }

    fn keep(&self, instance: Instance) {
        let mut idle = self.idle.lock();
        if idle.len() < MOST_IDLE {
            idle.push(instance);
        }
    }
}

async fn make(container: &Container) -> Result<Instance, Failure> {
    let Instantiated { mut store, instance } =
        container.code.instantiate(Placement::Pooled, || container.guest()).await.map_err(failure_of_start)?;
    let proxy = match container.create.artifact.entry {
        Entry::Service3 => p3::bindings::Service::new(&mut store, &instance).map(Proxy::P3),
        _ => p2::bindings::Proxy::new(&mut store, &instance).map(Proxy::P2),
    };
    let proxy = proxy.map_err(|error| Failure::Trapped(outcome::describe(&error)))?;
    Ok(Instance { store, proxy, used: 0 })
}

fn failure_of_start(failed: Failed) -> Failure {
    failed.denied.map_or_else(|| Failure::Trapped(outcome::describe(&failed.error)), Failure::OutOfMemory)
}

impl Instance {
    async fn call(&mut self, request: Request<Incoming>, responder: Responder) -> End {
        let responder = Answered(Arc::new(Mutex::new(Some(responder))));
        self.store.set_epoch_deadline(1);
        let result = match &self.proxy {
            Proxy::P2(proxy) => call2(&mut self.store, proxy, request, &responder).await,
            Proxy::P3(_) => call3(&mut self.store, &self.proxy, request, &responder).await,
        };
        let message = match &result {
            Ok(()) => "the component returned without a response".to_owned(),
            Err(error) => outcome::describe(error),
        };
        let failure = match self.store.data().memory.denied() {
            Some(denied) if result.is_err() => Failure::OutOfMemory(denied),
            _ => Failure::Trapped(message.clone()),
        };
        match (responder.send(Err(failure)), result) {
            (true, _) => End::NoResponse,
            (false, Ok(())) => End::Finished,
            (false, Err(_)) => End::CutOff(message),
        }
    }
}

/// How a call ended.
enum End {
    /// Well; the instance may be used again.
    Finished,
    /// Without a response; the responder was told why.
    NoResponse,
    /// After the response had begun; the client sees it cut off.
    CutOff(String),
}

/// Where the first answer goes; later ones are nobody's.
#[derive(Clone)]
struct Answered(Arc<Mutex<Option<Responder>>>);

impl Answered {
    /// False when an answer was sent before.
    fn send(&self, answer: Result<Response<WasiBody>, Failure>) -> bool {
        let Some(responder) = self.0.lock().take() else { return false };
        // Whoever asked may be gone.
        let _ = responder.send(answer);
        true
    }
}

/// WASI 0.2: the guest calls back with its response and goes on to write the body.
async fn call2(
    store: &mut Store<Guest>,
    proxy: &p2::bindings::Proxy,
    request: Request<Incoming>,
    responder: &Answered,
) -> wasmtime::Result<()> {
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let responder = responder.clone();
    let respond = move |answer: Result<Response<WasiBody>, _>| {
        responder.send(answer.map_err(|code: p2::bindings::http::types::ErrorCode| Failure::Refused(code.to_string())));
    };
    let out = store.data_mut().http().new_response_outparam_from_callback(respond)?;
    proxy.wasi_http_incoming_handler().call_handle(&mut *store, request, out).await
}

/// WASI 0.3: the guest returns its response and goes on to produce the body.
async fn call3(
    store: &mut Store<Guest>,
    proxy: &Proxy,
    request: Request<Incoming>,
    responder: &Answered,
) -> wasmtime::Result<()> {
    let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
    let (sender, receiver) = futures::channel::oneshot::channel();
    let prepared = Prepared::new(store.as_context_mut(), proxy, request, Guest::http, sender)?;
    let run = store.run_concurrent(async |accessor| {
        prepared.run(accessor, std::future::pending()).await?;
        std::future::poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
        wasmtime::error::Ok(())
    });
    let forward = async {
        match receiver.await {
            Ok(Ok(response)) => {
                responder.send(Ok(response));
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            // The run's own result says why.
            Err(_) => Ok(()),
        }
    };
    let (ran, forwarded) = futures::future::join(run, forward).await;
    ran.and_then(std::convert::identity).and(forwarded)
}
