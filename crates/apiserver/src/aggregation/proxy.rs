//! A request passed on to an extension server. Upstream: `kube-aggregator/pkg/apiserver/handler_proxy.go`.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sampan_api::request::{Lister, User};
use sampan_meta::Status;

use super::Remote;
use crate::body::Body;
use crate::connect::proxy::passed;
use crate::connect::upgrade;
use crate::decode::RequestBody;
use crate::node_client::send_over;
use crate::pipeline::Call;
use crate::reply;
use crate::service_endpoints::targets;

const USER: &str = "x-remote-user";
const UID: &str = "x-remote-uid";
const GROUP: &str = "x-remote-group";
const EXTRA: &str = "x-remote-extra-";

/// Answers as the extension server does.
pub(crate) async fn answer(call: &mut Call, remote: &Remote, body: RequestBody) -> Result<Response<Body>, Status> {
    if !remote.available {
        return Ok(unavailable("service unavailable"));
    }
    let tls = remote.tls.clone().map_err(Status::internal)?;
    let lister: &dyn Lister = &*call.server.registry;
    let found = match targets(lister, &remote.namespace, &remote.service, remote.port) {
        Ok(found) => found,
        Err(why) => {
            tracing::warn!(api_service = remote.name, why, "an extension server has no address");
            call.server.aggregation.failed.notify_one();
            return Ok(unavailable("service unavailable"));
        }
    };
    let query = call.query.encoded();
    let path = &call.attributes.path;
    let uri = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
    let mut request = Request::builder().method(call.method.clone()).uri(uri).body(body).map_err(Status::internal)?;
    *request.headers_mut() = headers(call, &found[0]);
    let host = format!("{}.{}.svc", remote.service, remote.namespace);
    let sent = send_over(&tls, &host, &found, request).await;
    let answered = match sent {
        Ok(answer) => upgrade::tie_to(call, &host, answer),
        Err(error) => Err(error),
    };
    match answered {
        Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => Ok(answer),
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            head.headers = passed(&head.headers);
            head.version = http::Version::HTTP_11;
            head.extensions = http::Extensions::new();
            Ok(Response::from_parts(head, body))
        }
        Err(error) => {
            call.server.aggregation.failed.notify_one();
            Ok(unavailable(&format!("error trying to reach service: {error}")))
        }
    }
}

/// Plain text, as upstream's: clients say in their own words that the server cannot handle the request.
fn unavailable(why: &str) -> Response<Body> {
    reply::with_type(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", format!("{why}\n"))
}

/// What the client sent, but for what it may not say, and who it is.
fn headers(call: &Call, (host, port): &(String, u16)) -> HeaderMap {
    let mut headers = passed(&call.headers);
    let claims = |name: &HeaderName| {
        let name = name.as_str();
        [USER, UID, GROUP].contains(&name) || name.starts_with(EXTRA) || name.starts_with("impersonate-")
    };
    let claimed: Vec<HeaderName> = headers.keys().filter(|name| claims(name)).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }
    if let Some(protocol) = call.headers.get(header::UPGRADE) {
        headers.insert(header::UPGRADE, protocol.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    if let Ok(authority) = HeaderValue::from_str(&crate::node_client::authority(host, *port)) {
        headers.insert(header::HOST, authority);
    }
    if let Some(client) = call.caller.address().and_then(|address| HeaderValue::from_str(&address.to_string()).ok()) {
        headers.append("x-forwarded-for", client);
    }
    identify(&mut headers, &call.attributes.user);
    headers
}

/// Says who asks. Upstream: `transport.SetAuthProxyHeaders`.
pub(super) fn identify(headers: &mut HeaderMap, user: &User) {
    let mut add = |name: &str, value: &str| {
        // A name that fits into no header cannot have come out of one.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    };
    add(USER, &user.name);
    if !user.uid.is_empty() {
        add(UID, &user.uid);
    }
    user.groups.iter().for_each(|group| add(GROUP, group));
    for (key, values) in &user.extra {
        let name = format!("{EXTRA}{}", escaped(key));
        values.iter().for_each(|value| add(&name, value));
    }
}

/// A key as part of a header's name: what may not stand there, and `%`, is percent-encoded. Upstream: `headerKeyEscape`.
fn escaped(key: &str) -> String {
    const UNFIT: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'%')
        .add(b'(')
        .add(b')')
        .add(b',')
        .add(b'/')
        .add(b':')
        .add(b';')
        .add(b'<')
        .add(b'=')
        .add(b'>')
        .add(b'?')
        .add(b'@')
        .add(b'[')
        .add(b'\\')
        .add(b']')
        .add(b'{')
        .add(b'}');
    utf8_percent_encode(key, UNFIT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_in_headers() {
        let mut user = User::new("jane", ["dev", "ops"]);
        user.extra.insert("example.com/Scopes".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
        let mut headers = HeaderMap::new();
        identify(&mut headers, &user);
        let mut told: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        told.sort();
        expect_test::expect![[r#"x-remote-extra-example.com%2fscopes=a x-remote-extra-example.com%2fscopes=b x-remote-group=dev x-remote-group=ops x-remote-group=system:authenticated x-remote-user=jane"#]].assert_eq(&told.join(" "));
    }
}
