//! A `wasi:http` service as one function from [`Request`] to [`Answer`], and what it may ask of its host.
//!
//! Everything goes through WASI's own interfaces rather than through Rust's standard library: on `wasm32-unknown-unknown`, where
//! `samples/build` can build without rustup, `println!`, `std::env` and `std::fs` silently do nothing.

mod files;
mod outgoing;

pub use files::{list, read};
pub use outgoing::get;
#[doc(hidden)]
pub use wasip2;

use std::io::Write as _;

use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// What a client asked for.
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What follows the question mark; empty without one.
    pub query: String,
}

/// What the client gets.
pub struct Answer {
    pub status: u16,
    /// Plain text.
    pub body: String,
}

impl Answer {
    /// 200 with that text.
    pub fn ok(body: impl Into<String>) -> Self {
        Answer { status: 200, body: body.into() }
    }

    /// An error with a line that says why.
    pub fn error(status: u16, why: impl std::fmt::Display) -> Self {
        Answer { status, body: format!("{why}\n") }
    }

    /// 404.
    pub fn not_found(request: &Request) -> Self {
        Answer::error(404, format_args!("there is nothing at {}", request.path))
    }
}

impl Request {
    /// The value of `name=value` in the query, not percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }
}

/// Makes the component export `wasi:http/incoming-handler`, answered by that function.
#[macro_export]
macro_rules! serve {
    ($answer:path) => {
        struct Service;
        impl $crate::wasip2::exports::http::incoming_handler::Guest for Service {
            fn handle(
                request: $crate::wasip2::http::types::IncomingRequest,
                out: $crate::wasip2::http::types::ResponseOutparam,
            ) {
                $crate::handle(&request, out, $answer);
            }
        }
        $crate::wasip2::http::proxy::export!(Service);
    };
}

#[doc(hidden)]
pub fn handle(request: &IncomingRequest, out: ResponseOutparam, answer: fn(&Request) -> Answer) {
    let request = received(request);
    let answer = answer(&request);
    // Probes come every few seconds and would drown the rest.
    if request.path != "/healthz" {
        log(&format!("{} {} {}", request.method, request.path, answer.status));
    }
    send(out, &answer);
}

fn received(request: &IncomingRequest) -> Request {
    let target = request.path_with_query().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let method = match request.method() {
        Method::Other(method) => method,
        known => format!("{known:?}").trim_start_matches("Method::").to_uppercase(),
    };
    Request { method, path: path.to_owned(), query: query.to_owned() }
}

fn send(out: ResponseOutparam, answer: &Answer) {
    let length = answer.body.len().to_string().into_bytes();
    let headers =
        [("content-type".to_owned(), b"text/plain; charset=utf-8".to_vec()), ("content-length".to_owned(), length)];
    let headers = Fields::from_list(&headers).expect("both headers are well formed and allowed");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(answer.status).expect("the samples answer with real status codes");
    let body = response.body().expect("the body of a new response was not taken before");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("the stream of a new body was not taken before");
    // A client that went away in the middle is no failure of the service.
    let _ = stream.write_all(answer.body.as_bytes());
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

/// A line for `kubectl logs`.
pub fn log(line: &str) {
    let stdout = wasip2::cli::stdout::get_stdout();
    // One write for the whole line: requests answered at the same time do not mix theirs.
    let _ = stdout.blocking_write_and_flush(format!("{line}\n").as_bytes());
}

/// The environment, in the order the host gives it.
pub fn variables() -> Vec<(String, String)> {
    wasip2::cli::environment::get_environment()
}

/// One variable of the environment.
pub fn variable(name: &str) -> Option<String> {
    variables().into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Milliseconds on a clock that only goes forward.
pub fn milliseconds() -> u64 {
    wasip2::clocks::monotonic_clock::now() / 1_000_000
}
