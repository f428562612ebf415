//! Requests to others: `wasi:http/outgoing-handler`.

use std::io::Read as _;

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, IncomingBody, IncomingResponse, OutgoingRequest, Scheme};

/// Fetches an `http` URL: status and text, or why there is none.
pub fn get(url: &str) -> Result<(u16, String), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url} is no http URL"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let response = send(authority, &format!("/{path}")).map_err(|why| format!("no answer from {url}: {why}"))?;
    let status = response.status();
    Ok((status, text(&response).map_err(|why| format!("the answer from {url} broke off: {why}"))?))
}

fn send(authority: &str, path: &str) -> Result<IncomingResponse, String> {
    let request = OutgoingRequest::new(Fields::new());
    let refused = |()| format!("not a valid target: {authority}{path}");
    request.set_scheme(Some(&Scheme::Http)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request.set_path_with_query(Some(path)).map_err(refused)?;
    let future = handle(request, None).map_err(|error| format!("{error:?}"))?;
    future.subscribe().block();
    let answer = future.get().expect("the future was waited for").expect("it is asked once");
    answer.map_err(|error| format!("{error:?}"))
}

fn text(response: &IncomingResponse) -> Result<String, String> {
    let body: IncomingBody = response.consume().expect("the body of a new response was not taken before");
    let mut stream = body.stream().expect("the stream of a new body was not taken before");
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}
