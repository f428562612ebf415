//! Asking an extension server whether it is there, and what it serves.

use std::time::Duration;

use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use sampan_api::request::{MASTERS, User};
use sampan_registry::Registry;
use serde_json::Value;
use tokio_rustls::TlsConnector;

use super::availability::Condition;
use super::learned::{self, Learned};
use super::{Remote, proxy};
use crate::body::Body;
use crate::decode::RequestBody;
use crate::node_client::{authority, send_over};
use crate::service_endpoints::targets;

/// The answer should come quickly.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a discovery document that are read.
const MAX_DOCUMENT: usize = 4 << 20;

/// Asks once; the certificate is not looked at, as upstream does not. What is learned is `None` when it is not available.
pub(super) async fn check(registry: &Registry, remote: &Remote, tls: &TlsConnector) -> (Condition, Option<Learned>) {
    let found = match targets(registry, &remote.namespace, &remote.service, remote.port) {
        Ok(found) => found,
        Err(why) => return (Condition::failed(why), None),
    };
    let path = format!("/apis/{}/{}", remote.group, remote.version);
    let mut failure = String::new();
    for target in &found {
        let url = format!("https://{}{path}", authority(&target.0, target.1));
        match tokio::time::timeout(PATIENCE, document(remote, tls, target, &path)).await {
            Ok(Ok(list)) => {
                let learned = learn(remote, tls, target, &list).await;
                return (Condition::passed(), Some(learned));
            }
            Ok(Err(why)) => failure = format!("failing or missing response from {url}: {why}"),
            Err(_) => failure = format!("timed out waiting for {url}"),
        }
    }
    (Condition::failed(failure), None)
}

async fn learn(remote: &Remote, tls: &TlsConnector, target: &(String, u16), list: &Value) -> Learned {
    let index = tokio::time::timeout(PATIENCE, document(remote, tls, target, "/openapi/v3")).await;
    let openapi = match index {
        Ok(Ok(index)) => learned::openapi(&index, &remote.group, &remote.version),
        // A server need not describe what it serves.
        _ => None,
    };
    Learned { resources: learned::resources(list), openapi }
}

/// One document. A body that is no JSON is an empty one: that the server answers is what counts.
async fn document(remote: &Remote, tls: &TlsConnector, target: &(String, u16), path: &str) -> Result<Value, String> {
    let mut headers = HeaderMap::new();
    proxy::identify(
        &mut headers,
        &User { groups: vec![MASTERS.to_owned()], name: "system:kube-aggregator".to_owned(), ..User::default() },
    );
    let host = authority(&target.0, target.1);
    let mut request = Request::get(path)
        .header(header::HOST, &host)
        .header(header::ACCEPT, "application/json")
        .body(RequestBody::new(http_body_util::Empty::new().map_err(|never: std::convert::Infallible| match never {})))
        .map_err(|error| error.to_string())?;
    request.headers_mut().extend(headers);
    let name = format!("{}.{}.svc", remote.service, remote.namespace);
    let answer = send_over(tls, &name, std::slice::from_ref(target), request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    if !(StatusCode::OK..StatusCode::MULTIPLE_CHOICES).contains(&status) {
        return Err(format!("bad status from https://{host}{path}: {}", status.as_u16()));
    }
    let body: Body = answer.into_body();
    let bytes = Limited::new(body, MAX_DOCUMENT).collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}
