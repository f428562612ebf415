//! The node's API over real TLS with client certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sampan_runtime::fake::{FakeImage, Program};
use serde_json::json;

use super::authorize::subresource;
use crate::testing::{Bed, one};
use crate::{Api, Caller, NodeAuthorizer};

struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self { issuer: rcgen::Issuer::new(params, key), certificate }
    }

    fn issue(&self, name: &str, group: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, group);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        Arc::new(roots)
    }
}

/// Lets the apiserver do everything and others read metrics.
struct Rules;

impl NodeAuthorizer for Rules {
    fn allowed<'a>(&'a self, caller: &'a Caller, _: &'a str, path: &'a str) -> BoxFuture<'a, bool> {
        let allowed = caller.groups.contains(&"system:masters".to_owned()) || subresource(path) == "metrics";
        Box::pin(async move { allowed })
    }
}

struct Served {
    bed: Bed,
    authority: Authority,
    address: SocketAddr,
}

impl Served {
    async fn start() -> Self {
        let mut bed = Bed::new();
        let authority = Authority::new();
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let verifier =
            WebPkiClientVerifier::builder(authority.roots()).allow_unauthenticated().build().expect("a verifier");
        let (chain, key) = authority.issue("edge-1", "nodes");
        let tls = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .expect("a configuration");
        let mut config = bed.config();
        config.api = Some(Api { listener, tls: Arc::new(tls), authorizer: Arc::new(Rules) });
        bed.start_with(config).await;
        Self { bed, authority, address }
    }

    async fn connect(&self, who: Option<(&str, &str)>) -> SendRequest<Empty<Bytes>> {
        let config = ClientConfig::builder().with_root_certificates(self.authority.roots());
        let config = match who {
            Some((name, group)) => {
                let (chain, key) = self.authority.issue(name, group);
                config.with_client_auth_cert(chain, key).expect("a certificate")
            }
            None => config.with_no_client_auth(),
        };
        let stream = tokio::net::TcpStream::connect(self.address).await.expect("it listens");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        sender
    }

    async fn get(&self, who: Option<(&str, &str)>, path: &str) -> (u16, String) {
        let mut sender = self.connect(who).await;
        let request = http::Request::get(path).header("host", "node").body(Empty::new()).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        let code = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (code, String::from_utf8(body.to_vec()).expect("text"))
    }
}

const SERVER: Option<(&str, &str)> = Some(("kube-apiserver", "system:masters"));

#[tokio::test]
async fn everybody_has_to_say_who_they_are_and_be_allowed() {
    let served = Served::start().await;
    assert_eq!(served.get(None, "/healthz").await, (401, "Unauthorized".to_owned()));
    assert_eq!(served.get(SERVER, "/healthz").await, (200, "ok".to_owned()));
    let stranger = Some(("eve", "people"));
    assert_eq!(served.get(stranger, "/metrics").await.0, 200);
    let (code, message) = served.get(stranger, "/containerLogs/default/web/main").await;
    assert_eq!((code, message.as_str()), (403, "Forbidden (user=eve, verb=get, resource=nodes, subresource=proxy)"));
}

#[tokio::test]
async fn logs_are_served_with_their_options_and_refusals_are_clear() {
    let served = Served::start().await;
    let program =
        Program { stdout: vec!["one".into(), "two".into()], stderr: vec!["three".into()], ..Program::sleeps() };
    served.bed.runtime.add_image(FakeImage::new("r.test/prints:1", program));
    served.bed.simple("web", "r.test/prints:1");
    served.bed.until_ready("web").await;
    let logs = "/containerLogs/default/web/main";
    assert_eq!(served.get(SERVER, logs).await, (200, "one\ntwo\nthree\n".to_owned()));
    assert_eq!(served.get(SERVER, &format!("{logs}?tailLines=1")).await.1, "three\n");
    assert_eq!(served.get(SERVER, &format!("{logs}?limitBytes=5")).await.1, "one\nt");
    assert_eq!(served.get(SERVER, &format!("{logs}?sinceTime=2030-01-01T00:00:00Z")).await.1, "");
    assert!(served.get(SERVER, &format!("{logs}?timestamps=true")).await.1.starts_with("2026-01-02T03:04:"));
    for (path, code, message) in [
        ("/containerLogs/default/none/main", 404, "pod \"none\" not found"),
        ("/containerLogs/default/web/other", 404, "container \"other\" not found in pod \"web\""),
        (
            "/containerLogs/default/web/main?previous=true",
            400,
            "previous terminated container \"main\" in pod \"web\" not found",
        ),
    ] {
        assert_eq!(served.get(SERVER, path).await, (code, message.to_owned()), "{path}");
    }
    served.bed.simple("stuck", "r.test/absent:1");
    served
        .bed
        .until("stuck", "waits", |pod| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImagePull"
        })
        .await;
    assert_eq!(
        served.get(SERVER, "/containerLogs/default/stuck/main").await,
        (400, "container \"main\" in pod \"stuck\" is waiting to start: ErrImagePull".to_owned())
    );
}

#[tokio::test]
async fn a_followed_log_ends_with_its_container_and_previous_is_the_run_before() {
    let served = Served::start().await;
    let program = Program { stdout: vec!["hello".into()], ..Program::exits(1, std::time::Duration::from_millis(300)) };
    served.bed.runtime.add_image(FakeImage::new("r.test/short:1", program));
    served.bed.simple("web", "r.test/short:1");
    served.bed.until_event("web", "Started").await;
    assert_eq!(served.get(SERVER, "/containerLogs/default/web/main?follow=true").await, (200, "hello\n".to_owned()));
    served
        .bed
        .until("web", "waits", |pod| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })
        .await;
    assert_eq!(served.get(SERVER, "/containerLogs/default/web/main?previous=true").await, (200, "hello\n".to_owned()));
}

#[tokio::test]
async fn pods_and_figures_are_shown() {
    let served = Served::start().await;
    let uid = served.bed.create("web", one("r.test/sleeps:1"));
    served.bed.until_ready("web").await;
    let (_, pods) = served.get(SERVER, "/pods").await;
    let pods: serde_json::Value = serde_json::from_str(&pods).expect("JSON");
    assert_eq!(
        (&pods["kind"], &pods["items"][0]["metadata"]["uid"], &pods["items"][0]["status"]["phase"]),
        (&json!("PodList"), &json!(uid), &json!("Running"))
    );
    let (_, summary) = served.get(SERVER, "/stats/summary").await;
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["pods"][0]["containers"][0]["memory"]["workingSetBytes"], 65536);
    assert!(summary["node"]["cpu"]["usageCoreNanoSeconds"].as_u64() > Some(0), "{summary}");
    let (_, resource) = served.get(SERVER, "/metrics/resource").await;
    let labels = "{container=\"main\",namespace=\"default\",pod=\"web\"}";
    for expected in [
        format!("container_memory_working_set_bytes{labels} 65536 17673230"),
        format!("container_start_time_seconds{labels} 17673230"),
        "pod_memory_working_set_bytes{namespace=\"default\",pod=\"web\"} 65536 17673230".to_owned(),
        "\nnode_cpu_usage_seconds_total ".to_owned(),
        "\nresource_scrape_error 0\n".to_owned(),
    ] {
        assert!(resource.contains(&expected), "{expected}: {resource}");
    }
    let (_, cadvisor) = served.get(SERVER, "/metrics/cadvisor").await;
    let labels = format!("container=\"main\",id=\"wasm://{uid}");
    assert!(cadvisor.contains(&format!("container_memory_usage_bytes{{{labels}")), "{cadvisor}");
    let (_, metrics) = served.get(SERVER, "/metrics").await;
    assert!(
        metrics.contains("sampan_node_pods{phase=\"Running\"} 1\n")
            && metrics.contains("kubelet_running_containers 1\n"),
        "{metrics}"
    );
}
