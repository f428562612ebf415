//! `nodes/proxy`, `pods/proxy`, `services/proxy`: HTTP passed on to what the name says, and connections that are upgraded from it.

mod rewrite;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use sampan_api::request::Lister;
use sampan_meta::{GroupResource, Status, object};
use sampan_registry::Resource;
use serde_json::Value;

use super::{named, node_target, upgrade};
use crate::body::Body;
use crate::decode::RequestBody;
use crate::node_client::{Target, Tls};
use crate::pipeline::Call;
use rewrite::Place;

/// Headers that speak of one connection and end with it (RFC 9110, 7.6.1), and those that are the caller's credentials.
const NOT_PASSED: [HeaderName; 9] = [
    header::CONNECTION,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

pub(super) async fn proxy(call: &mut Call, resource: &Resource, body: RequestBody) -> Result<Response<Body>, Status> {
    let (prefix, bare) = prefix(&call.attributes.path, &call.remainder);
    if bare && matches!(call.method, Method::GET | Method::HEAD) {
        return Ok(into_directory(&call.attributes.path, &call.query.encoded()));
    }
    let target = target(call, resource).await?;
    let path = encoded(if call.remainder.is_empty() { "/" } else { &call.remainder });
    let query = call.query.encoded();
    let uri = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
    let place = Place { prefix, host: host(&call.headers) };
    let mut request = Request::builder().method(call.method.clone()).uri(uri);
    if let Some(headers) = request.headers_mut() {
        *headers = passed(&call.headers);
        place.announce(headers, &path);
        let upgrade = call.headers.get(header::UPGRADE).cloned();
        headers.extend(upgrade.map(|protocol| (header::UPGRADE, protocol)));
        if headers.contains_key(header::UPGRADE) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        }
    }
    let upgrades = call.headers.contains_key(header::UPGRADE);
    let request = request.header(header::HOST, target.authority()).body(body).map_err(Status::internal)?;
    let answer = if upgrades {
        upgrade::pass_on(call, &target, request).await
    } else {
        call.server.nodes.send(&target, request).await
    };
    let answer =
        answer.map_err(|error| Status::service_unavailable(format!("error trying to reach service: {error}")))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer);
    }
    let (mut head, body) = answer.into_parts();
    head.headers = passed(&head.headers);
    place.redirect(&mut head.headers, &target.authority());
    head.version = http::Version::HTTP_11;
    head.extensions = http::Extensions::new();
    Ok(Response::from_parts(head, body))
}

/// The path up to and with `/proxy`, and whether nothing follows it, not even a slash.
fn prefix(path: &str, remainder: &str) -> (String, bool) {
    let parts = remainder.matches('/').count();
    let cut = path.rmatch_indices('/').take(parts).last().map_or(path.len(), |(at, _)| at);
    (path[..cut].to_owned(), remainder.is_empty())
}

/// Links of a page at `/proxy` would lead out of it, so clients are sent to `/proxy/` (upstream's `proxyRedirectsforRootPath`).
fn into_directory(path: &str, query: &str) -> Response<Body> {
    let location = if query.is_empty() { format!("{path}/") } else { format!("{path}/?{query}") };
    let mut answer = crate::pipeline::bare(StatusCode::MOVED_PERMANENTLY);
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

fn host(headers: &HeaderMap) -> String {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned()
}

/// The headers that go on to the peer, and back from it.
pub(crate) fn passed(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| !NOT_PASSED.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A decoded path as it may stand in a request line.
fn encoded(path: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');
    utf8_percent_encode(path, UNSAFE).to_string()
}

/// `[scheme:]name[:port]`.
#[derive(Debug, PartialEq, Eq)]
struct Address<'a> {
    tls: bool,
    name: &'a str,
    port: &'a str,
}

fn address(name: &str) -> Result<Address<'_>, Status> {
    let parts: Vec<&str> = name.split(':').collect();
    match parts[..] {
        [name] => Ok(Address { tls: false, name, port: "" }),
        [name, port] => Ok(Address { tls: false, name, port }),
        [scheme @ ("http" | "https" | ""), name, port] => Ok(Address { tls: scheme == "https", name, port }),
        _ => Err(Status::bad_request(format!(
            "invalid proxy request {name:?}: want name, name:port or scheme:name:port"
        ))),
    }
}

async fn target(call: &Call, resource: &Resource) -> Result<Target, Status> {
    let address = address(&call.attributes.name)?;
    match resource.names.plural {
        "nodes" => node(call, &address),
        "pods" => pod(&named(call, resource, address.name).await?, &address),
        _ => service(call, &named(call, resource, address.name).await?, &address),
    }
}

fn node(call: &Call, address: &Address<'_>) -> Result<Target, Status> {
    let target = node_target(call, address.name)?;
    match address.port {
        "" => Ok(target),
        port => {
            let port = number(port)?;
            let tls = if port == target.port { Tls::Cluster } else { tls(address) };
            Ok(Target { port, tls, ..target })
        }
    }
}

fn pod(pod: &Value, address: &Address<'_>) -> Result<Target, Status> {
    let host = object::str_at(pod, "/status/podIP").filter(|ip| !ip.is_empty()).ok_or_else(|| {
        Status::service_unavailable(format!("pod {} has no address yet; see kubectl describe pod {0}", address.name))
    })?;
    let containers = object::list_at(pod, "/spec/containers");
    let mut ports = containers.iter().flat_map(|container| object::list_at(container, "/ports"));
    let port = match address.port {
        "" => ports.next().and_then(|port| object::i64_at(port, "/containerPort")).unwrap_or(80),
        text => match text.parse() {
            Ok(port) => port,
            Err(_) => ports
                .find(|port| object::str_at(port, "/name") == Some(text))
                .and_then(|port| object::i64_at(port, "/containerPort"))
                .ok_or_else(|| Status::bad_request(format!("pod {} has no port named {text:?}", address.name)))?,
        },
    };
    Ok(Target { host: host.to_owned(), port: in_range(port)?, tls: tls(address) })
}

/// One of the ready endpoints, by chance.
fn service(call: &Call, service: &Value, address: &Address<'_>) -> Result<Target, Status> {
    let port_name = service_port(service, address)?;
    let slices = GroupResource::new("discovery.k8s.io", "endpointslices");
    let mut targets = Vec::new();
    for slice in Lister::list(&*call.server.registry, &slices, Some(object::namespace(service))) {
        if object::label(&slice, "kubernetes.io/service-name") == Some(address.name) {
            targets.extend(ready(&slice, &port_name, tls(address)));
        }
    }
    if targets.is_empty() {
        return Err(Status::service_unavailable(format!("no endpoints available for service {:?}", address.name)));
    }
    let mut bytes = [0; 4];
    call.server.entropy.fill(&mut bytes);
    Ok(targets.swap_remove(u32::from_le_bytes(bytes) as usize % targets.len()))
}

/// The name of the service's port that the address means: by name or number; the only one if it says nothing.
fn service_port(service: &Value, address: &Address<'_>) -> Result<String, Status> {
    let ports = object::list_at(service, "/spec/ports");
    let name = |port: &Value| object::str_at(port, "/name").unwrap_or_default().to_owned();
    let wanted = |port: &&Value| match address.port {
        "" => true,
        text => name(port) == text || object::i64_at(port, "/port").is_some_and(|number| number.to_string() == text),
    };
    match ports.iter().find(wanted) {
        Some(port) => Ok(name(port)),
        None => Err(Status::bad_request(format!("service {} has no port {:?}", address.name, address.port))),
    }
}

/// The ready endpoints of a slice, at the port of this name.
pub(crate) fn ready(slice: &Value, port_name: &str, tls: Tls) -> Vec<Target> {
    let ports = object::list_at(slice, "/ports");
    let port = ports.iter().find(|port| object::str_at(port, "/name").unwrap_or_default() == port_name);
    let Some(port) = port.and_then(|port| object::i64_at(port, "/port")).and_then(|port| in_range(port).ok()) else {
        return Vec::new();
    };
    let endpoints = object::list_at(slice, "/endpoints").iter();
    let ready = endpoints.filter(|endpoint| object::bool_at(endpoint, "/conditions/ready").unwrap_or(true));
    let hosts = ready.filter_map(|endpoint| object::str_at(endpoint, "/addresses/0"));
    hosts.map(|host| Target { host: host.to_owned(), port, tls }).collect()
}

fn tls(address: &Address<'_>) -> Tls {
    if address.tls { Tls::Unverified } else { Tls::None }
}

fn number(port: &str) -> Result<u16, Status> {
    port.parse().map_err(|_| Status::bad_request(format!("invalid port {port:?}")))
}

fn in_range(port: i64) -> Result<u16, Status> {
    u16::try_from(port).map_err(|_| Status::bad_request(format!("invalid port {port}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_say_scheme_and_port() {
        assert_eq!(address("a").unwrap(), Address { tls: false, name: "a", port: "" });
        assert_eq!(address("a:http").unwrap(), Address { tls: false, name: "a", port: "http" });
        assert_eq!(address("https:a:443").unwrap(), Address { tls: true, name: "a", port: "443" });
        assert_eq!(address("ftp:a:21").unwrap_err().code, 400);
    }

    #[test]
    fn the_prefix_ends_where_the_peer_s_path_begins() {
        let of = |path: &str, remainder: &str| prefix(path, remainder);
        assert_eq!(of("/api/v1/nodes/n/proxy/a/b", "/a/b"), ("/api/v1/nodes/n/proxy".to_owned(), false));
        assert_eq!(of("/api/v1/nodes/n/proxy/", "/"), ("/api/v1/nodes/n/proxy".to_owned(), false));
        assert_eq!(of("/api/v1/nodes/n/proxy", ""), ("/api/v1/nodes/n/proxy".to_owned(), true));
    }

    #[test]
    fn a_pod_is_reached_at_its_address_and_port() {
        let spec = json!({"containers": [{"ports": [{"name": "web", "containerPort": 8080}]}]});
        let running = json!({"spec": spec, "status": {"podIP": "127.64.0.9"}});
        let at = |name: &str| pod(&running, &address(name).unwrap()).map(|target| target.authority());
        assert_eq!(at("a").unwrap(), "127.64.0.9:8080");
        assert_eq!(at("a:web").unwrap(), "127.64.0.9:8080");
        assert_eq!(at("a:81").unwrap(), "127.64.0.9:81");
        assert_eq!(at("a:x").unwrap_err().code, 400);
        assert_eq!(at("a:70000").unwrap_err().code, 400);
        assert_eq!(pod(&json!({"spec": spec}), &address("a").unwrap()).unwrap_err().code, 503);
    }

    #[test]
    fn only_ready_endpoints_of_the_port_are_used() {
        let slice = json!({
            "ports": [{"name": "web", "port": 8080}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false}},
                {"addresses": ["fd00::3"]},
            ],
        });
        let hosts: Vec<String> = ready(&slice, "web", Tls::None).iter().map(Target::authority).collect();
        assert_eq!(hosts, ["10.0.0.1:8080", "[fd00::3]:8080"]);
        assert!(ready(&slice, "other", Tls::None).is_empty());
    }
}
