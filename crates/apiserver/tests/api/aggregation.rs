//! An extension server behind the API: its availability, its discovery, and requests passed on to it.

use std::convert::Infallible;
use std::sync::Arc;

use expect_test::{Expect, expect};
use futures::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use sampan_access::Authority;
use sampan_access::pki::{LiveCertificate, Subject};
use sampan_api::request::User;
use sampan_apiserver::{Body, FrontProxy};
use sampan_meta::SeededEntropy;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::{Cluster, Stream};
use crate::https::{Answer, HttpsServer, bundle};
use crate::tls::Listening;

const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
const ZOO: &str = "/apis/zoo.example.com/v1";

/// A cluster that passes requests on, and the authority of its front proxy.
struct Aggregating {
    cluster: Cluster,
    front_proxy: Authority,
    _directory: tempfile::TempDir,
    _running: DropGuard,
}

impl Aggregating {
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let directory = tempfile::tempdir().unwrap();
        let entropy = Arc::new(SeededEntropy::new(8));
        let front_proxy = Authority::open_as("front", directory.path(), Arc::clone(&cluster.clock), entropy).unwrap();
        let certificate = LiveCertificate::new(&front_proxy.issue(&Subject::front_proxy()).unwrap()).unwrap();
        let stop = CancellationToken::new();
        let server = Arc::clone(&cluster.server);
        tokio::spawn(server.aggregate(FrontProxy { certificate, roots: Vec::new() }, stop.clone()));
        Self { cluster, front_proxy, _directory: directory, _running: stop.drop_guard() }
    }

    /// Starts the zoo's server, which only listens to the front proxy.
    async fn zoo(&self) -> HttpsServer {
        let answer: Answer = Arc::new(|request| Box::pin(answer(request)));
        let clients = Some(self.front_proxy.certificate().clone());
        HttpsServer::for_clients(&self.cluster, &["zoo.default.svc"], clients, answer).await
    }

    async fn register(&self, more: Value) {
        let mut spec = json!({"group": "zoo.example.com", "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 10,
            "service": {"namespace": "default", "name": "zoo"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.cluster.create(API_SERVICES, json!({"metadata": {"name": "v1.zoo.example.com"}, "spec": spec})).await;
    }

    async fn serve(&self) {
        let service = json!({"metadata": {"name": "zoo"}, "spec": {"ports": [{"name": "https", "port": 443}]}});
        self.cluster.create("/api/v1/namespaces/default/services", service).await;
    }

    async fn lead_to(&self, server: &HttpsServer) {
        let slice = json!({
            "metadata": {"name": "zoo-1", "labels": {"kubernetes.io/service-name": "zoo"}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": server.address.port(), "protocol": "TCP"}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}],
        });
        self.cluster.create("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice).await;
    }

    /// A zoo that is there.
    async fn with_zoo() -> (Self, HttpsServer) {
        let aggregating = Self::start().await;
        let server = aggregating.zoo().await;
        aggregating.serve().await;
        aggregating.lead_to(&server).await;
        let mut conditions = aggregating.watch().await;
        aggregating.register(json!({"caBundle": bundle(&aggregating.cluster)})).await;
        conditions.until("True Passed: all checks passed").await;
        (aggregating, server)
    }

    async fn watch(&self) -> Conditions {
        let path = format!("{API_SERVICES}?watch=1&fieldSelector=metadata.name=v1.zoo.example.com");
        Conditions(self.cluster.open(&path).await)
    }
}

/// How the zoo's APIService is, and becomes.
struct Conditions(Stream);

impl Conditions {
    async fn next(&mut self) -> String {
        loop {
            let event = self.0.event().await.expect("the watch goes on");
            let condition = &event["object"]["status"]["conditions"][0];
            let text = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
            if condition.is_object() {
                return format!("{} {}: {}", text("status"), text("reason"), text("message"));
            }
        }
    }

    async fn until(&mut self, wanted: &str) {
        while self.next().await != wanted {}
    }
}

/// What the zoo serves: lions, who is asking, and a connection that says back what it hears.
async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let said = |name: &str| -> Vec<String> {
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    let document = match path.as_str() {
        ZOO => {
            json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "zoo.example.com/v1", "resources": [
            {"name": "lions", "singularName": "lion", "namespaced": true, "kind": "Lion", "verbs": ["get", "list", "watch"]}]})
        }
        "/openapi/v3" => {
            json!({"paths": {"apis/zoo.example.com/v1": {"serverRelativeURL": "/openapi/v3/apis/zoo.example.com/v1?hash=1"}}})
        }
        "/openapi/v3/apis/zoo.example.com/v1" => json!({"openapi": "3.0.0", "info": {"title": "zoo"}}),
        "/apis/zoo.example.com/v1/whoami" => {
            json!({"method": request.method().as_str(), "query": request.uri().query(),
            "user": said("x-remote-user"), "groups": said("x-remote-group"), "extra": said("x-remote-extra-scopes"),
            "credentials": said("authorization"), "impersonated": said("impersonate-user")})
        }
        "/apis/zoo.example.com/v1/lions" if request.uri().query() == Some("watch=1") => {
            let events = futures::stream::iter([Ok(
                "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"leo\"}}}\n".into(),
            )]);
            return Ok(Response::new(Body::stream(events.chain(futures::stream::pending()))));
        }
        "/apis/zoo.example.com/v1/deep/er/than/any/kind/of/ours" => json!({"deep": true}),
        "/apis/zoo.example.com/v1/namespaces/default/lions/leo/roar" => {
            let upgraded = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgraded.await.unwrap());
                let mut heard = [0; 5];
                stream.read_exact(&mut heard).await.unwrap();
                stream.write_all(&heard).await.unwrap();
            });
            let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            return Ok(answer.header("connection", "Upgrade").header("upgrade", "roar").body(Body::empty()).unwrap());
        }
        _ => return Ok(Response::builder().status(404).body(Body::from("no such animal")).unwrap()),
    };
    Ok(Response::builder().header("content-type", "application/json").body(Body::from(document.to_string())).unwrap())
}

#[tokio::test]
async fn an_extension_server_is_available_once_everything_on_the_way_is_there() {
    let aggregating = Aggregating::start().await;
    let mut conditions = aggregating.watch().await;
    aggregating.register(json!({"caBundle": bundle(&aggregating.cluster)})).await;
    expect![[r#"False ServiceNotFound: service/zoo in "default" is not present"#]].assert_eq(&conditions.next().await);
    let refused = aggregating.cluster.ask(&format!("GET {ZOO}/lions")).await;
    assert_eq!((refused.code, refused.text().as_str()), (503, "service unavailable\n"));
    aggregating.serve().await;
    expect![[r#"False EndpointsNotFound: cannot find endpointslices for service/zoo in "default""#]]
        .assert_eq(&conditions.next().await);
    let server = aggregating.zoo().await;
    aggregating.lead_to(&server).await;
    expect![[r#"True Passed: all checks passed"#]].assert_eq(&conditions.next().await);
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/zoo-1";
    aggregating.cluster.ask(&format!("DELETE {slices}")).await;
    conditions.until(r#"False EndpointsNotFound: cannot find endpointslices for service/zoo in "default""#).await;
}

#[tokio::test]
async fn a_server_that_goes_is_noticed_by_the_first_request() {
    let (aggregating, server) = Aggregating::with_zoo().await;
    let mut conditions = aggregating.watch().await;
    assert_eq!(conditions.next().await, "True Passed: all checks passed");
    let port = server.address.port();
    drop(server);
    assert_eq!(aggregating.cluster.ask(&format!("GET {ZOO}/whoami")).await.code, 503);
    let told = conditions.next().await.replace(&port.to_string(), "PORT");
    expect!["False FailedDiscoveryCheck: failing or missing response from https://127.0.0.1:PORT/apis/zoo.example.com/v1: 127.0.0.1:PORT does not take connections: Connection refused (os error 111)"].assert_eq(&told);
}

#[tokio::test]
async fn requests_are_passed_on_with_who_asks_and_without_their_credentials() {
    let (aggregating, _server) = Aggregating::with_zoo().await;
    let mut user = User::new("jane", ["system:masters"]);
    user.extra.insert("scopes".to_owned(), vec!["all".to_owned()]);
    let asked = format!(
        "POST {ZOO}/whoami?a=b%20c\nAuthorization: Bearer x\nX-Remote-User: admin\nX-Remote-Group: evil\n\n{{}}"
    );
    let reply = aggregating.cluster.ask_as(&user, &asked).await;
    expect![[r#"{"credentials":[],"extra":["all"],"groups":["system:masters","system:authenticated"],"impersonated":[],"method":"POST","query":"a=b%20c","user":["jane"]}"#]].assert_eq(&reply.text());
    let as_other = format!("GET {ZOO}/whoami\nImpersonate-User: otto\nImpersonate-Group: system:masters");
    let reply = aggregating.cluster.ask_as(&user, &as_other).await.json();
    assert_eq!((&reply["user"], &reply["impersonated"]), (&json!(["otto"]), &json!([])));
    let nobody = aggregating.cluster.ask_as(&User::new("nobody", [""; 0]), &format!("GET {ZOO}/lions")).await;
    assert_eq!(nobody.code, 403);
    let missing = aggregating.cluster.ask(&format!("GET {ZOO}/tigers")).await;
    assert_eq!((missing.code, missing.text().as_str()), (404, "no such animal"));
    let deep = aggregating.cluster.ask(&format!("GET {ZOO}/deep/er/than/any/kind/of/ours")).await;
    assert_eq!(deep.json(), json!({"deep": true}));
    let mut watch = aggregating.cluster.open(&format!("{ZOO}/lions?watch=1")).await;
    assert_eq!(watch.told().await, "ADDED leo");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_taken_only_where_that_was_asked_for() {
    let aggregating = Aggregating::start().await;
    let stranger = Cluster::start().await;
    let server = aggregating.zoo().await;
    aggregating.serve().await;
    aggregating.lead_to(&server).await;
    let mut conditions = aggregating.watch().await;
    aggregating.register(json!({"caBundle": bundle(&stranger)})).await;
    conditions.until("True Passed: all checks passed").await;
    let refused = aggregating.cluster.ask(&format!("GET {ZOO}/whoami")).await;
    let told = refused.text().replace(&server.address.to_string(), "ADDRESS");
    assert_eq!(refused.code, 503);
    expect![[r#"
        error trying to reach service: ADDRESS does not take connections: invalid peer certificate: BadSignature
    "#]]
    .assert_eq(&told);
    let patch = json!({"spec": {"caBundle": null, "insecureSkipTLSVerify": true}});
    let path = format!("{API_SERVICES}/v1.zoo.example.com");
    let patched =
        aggregating.cluster.ask(&format!("PATCH {path}\nContent-Type: application/merge-patch+json\n\n{patch}")).await;
    assert_eq!(patched.code, 200, "{}", patched.text());
    assert_eq!(aggregating.cluster.ask(&format!("GET {ZOO}/whoami")).await.code, 200);
}

#[tokio::test]
async fn discovery_and_openapi_tell_of_what_others_serve() {
    let (aggregating, _server) = Aggregating::with_zoo().await;
    let cluster = &aggregating.cluster;
    let accept = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let found = cluster.ask(&format!("GET /apis\n{accept}")).await.json();
    let groups = found["items"].as_array().unwrap();
    let zoo = groups.iter().find(|group| group["metadata"]["name"] == "zoo.example.com").unwrap();
    expect![[r#"{"metadata":{"name":"zoo.example.com"},"versions":[{"freshness":"Current","resources":[{"resource":"lions","responseKind":{"group":"zoo.example.com","kind":"Lion","version":"v1"},"scope":"Namespaced","singularResource":"lion","verbs":["get","list","watch"]}],"version":"v1"}]}"#]].assert_eq(&zoo.to_string());
    let legacy = cluster.ask("GET /apis").await.json();
    assert!(legacy["groups"].as_array().unwrap().iter().any(|group| group["name"] == "zoo.example.com"));
    let group = cluster.ask("GET /apis/zoo.example.com").await.json();
    assert_eq!(group["preferredVersion"], json!({"groupVersion": "zoo.example.com/v1", "version": "v1"}));
    assert_eq!(cluster.ask(&format!("GET {ZOO}")).await.json()["resources"][0]["kind"], "Lion");
    let index = cluster.ask("GET /openapi/v3").await.json();
    let url = index["paths"]["apis/zoo.example.com/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    assert_eq!(cluster.ask(&format!("GET {url}")).await.json()["info"]["title"], "zoo");
    cluster.ask(&format!("DELETE {API_SERVICES}/v1.zoo.example.com")).await;
    assert_eq!(cluster.ask("GET /apis/zoo.example.com").await.code, 404);
    assert_eq!(cluster.ask(&format!("GET {ZOO}/lions")).await.code, 404);
}

#[tokio::test]
async fn what_this_server_serves_has_api_services_of_its_own() {
    let aggregating = Aggregating::start().await;
    let mut made = aggregating.cluster.open(&format!("{API_SERVICES}?watch=1")).await;
    let groups = aggregating.cluster.ask("GET /apis").await.json()["groups"].take();
    let versions = |group: &Value| group["versions"].as_array().unwrap().len();
    // The core group is not among them, and the aggregator's own has none.
    let served: usize = groups.as_array().unwrap().iter().map(versions).sum();
    let mut told = Vec::new();
    while told.len() < served {
        let api_service = made.event().await.unwrap()["object"].take();
        let spec = &api_service["spec"];
        let available = &api_service["status"]["conditions"][0];
        told.push(format!(
            "{} {} {} {} {}",
            api_service["metadata"]["name"].as_str().unwrap(),
            spec["groupPriorityMinimum"],
            spec["versionPriority"],
            api_service["metadata"]["labels"]["kube-aggregator.kubernetes.io/automanaged"].as_str().unwrap(),
            available["reason"].as_str().unwrap_or_default(),
        ));
    }
    told.retain(|line: &String| !line.contains("metrics.k8s.io"));
    told.sort();
    shown(
        &told,
        expect![[r#"
        v1. 18000 1 onstart Local
        v1.admissionregistration.k8s.io 16700 15 onstart Local
        v1.apiextensions.k8s.io 16700 15 onstart Local
        v1.apps 17800 15 onstart Local
        v1.authentication.k8s.io 17700 15 onstart Local
        v1.authorization.k8s.io 17600 15 onstart Local
        v1.autoscaling 17500 15 onstart Local
        v1.batch 17400 15 onstart Local
        v1.certificates.k8s.io 17300 15 onstart Local
        v1.coordination.k8s.io 16500 15 onstart Local
        v1.discovery.k8s.io 16200 15 onstart Local
        v1.events.k8s.io 17750 15 onstart Local
        v1.flowcontrol.apiserver.k8s.io 16100 21 onstart Local
        v1.networking.k8s.io 17200 15 onstart Local
        v1.node.k8s.io 16300 15 onstart Local
        v1.policy 17100 15 onstart Local
        v1.rbac.authorization.k8s.io 17000 15 onstart Local
        v1.resource.k8s.io 16200 15 onstart Local
        v1.scheduling.k8s.io 16600 15 onstart Local
        v1.storage.k8s.io 16800 15 onstart Local
        v2.autoscaling 17500 30 onstart Local"#]],
    );
    aggregating.cluster.define(&crate::custom_resources::pots()).await;
    let custom = made.event().await.unwrap()["object"].take();
    assert_eq!(
        (&custom["metadata"]["name"], &custom["spec"]["groupPriorityMinimum"], &custom["spec"]["versionPriority"]),
        (&json!("v1.example.com"), &json!(1000), &json!(100))
    );
    let definitions = crate::custom_resources::DEFINITIONS;
    aggregating.cluster.ask(&format!("DELETE {definitions}/pots.example.com")).await;
    loop {
        let event = made.event().await.unwrap();
        if event["type"] == "DELETED" {
            assert_eq!(event["object"]["metadata"]["name"], "v1.example.com");
            break;
        }
    }
}

fn shown(lines: &[String], expected: Expect) {
    expected.assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn a_connection_that_is_upgraded_leads_to_the_extension_server() {
    let (aggregating, _server) = Aggregating::with_zoo().await;
    let Aggregating { cluster, front_proxy: _, _directory, _running } = aggregating;
    let listening = Listening::over(cluster).await;
    let admin = listening.cluster.authority.issue(&Subject::admin()).unwrap();
    let io = TokioIo::new(listening.connect(Some(&admin), "http/1.1").await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let request = Request::get(format!("{ZOO}/namespaces/default/lions/leo/roar"));
    let request = request.header("host", "127.0.0.1").header("connection", "Upgrade").header("upgrade", "roar");
    let answer = sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}
