//! Tokens of an OpenID Connect provider, whose keys are fetched when they are needed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use http::{Request, Response};
use hyper::body::Incoming;
use parking_lot::Mutex;
use sampan_access::oidc::{Flags, Provider};
use sampan_access::token;
use sampan_apiserver::Body;
use sampan_meta::SeededEntropy;
use serde_json::json;

use crate::harness::{Cluster, Setup};
use crate::https::{Answer, HttpsServer};
use crate::tls::Listening;

/// A provider whose users are the service accounts of a cluster of its own.
struct Login {
    cluster: Cluster,
    server: HttpsServer,
    tokens: token::Issuer,
    asked: Arc<AtomicUsize>,
}

impl Login {
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let account = json!({"metadata": {"name": "jane"}});
        cluster.create("/api/v1/namespaces/default/serviceaccounts", account).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let documents = Arc::new(Mutex::new((json!({}), json!({}))));
        let (counting, shown) = (Arc::clone(&asked), Arc::clone(&documents));
        let answer: Answer = Arc::new(move |request: Request<Incoming>| {
            let (discovery, keys) = shown.lock().clone();
            let document = match request.uri().path() {
                "/.well-known/openid-configuration" => discovery,
                "/keys" => {
                    counting.fetch_add(1, Ordering::SeqCst);
                    keys
                }
                path => panic!("nobody asks for {path}"),
            };
            Box::pin(async move { Ok::<_, Infallible>(Response::new(Body::from(document.to_string()))) })
        });
        let server = HttpsServer::start(&cluster, &["127.0.0.1"], answer).await;
        let issuer = format!("https://{}", server.address);
        let tokens = token::Issuer::new(
            cluster.authority.token_key(),
            token::Options { issuer: issuer.clone(), audiences: vec!["sampan".to_owned()] },
            cluster.registry.clone(),
            Arc::clone(&cluster.clock),
            Arc::new(SeededEntropy::new(9)),
        );
        *documents.lock() = (tokens.openid_configuration(&format!("{issuer}/keys")), tokens.jwks());
        Self { cluster, server, tokens, asked }
    }

    fn token(&self) -> String {
        self.tokens.mint("default", "jane", &token::Request::default()).unwrap().token
    }

    /// A cluster that believes it.
    async fn believer(&self) -> Cluster {
        let certificate = STANDARD.encode(self.cluster.authority.certificate());
        let provider = Provider::flagged(&Flags {
            issuer_url: format!("https://{}", self.server.address),
            client_id: "sampan".to_owned(),
            username_prefix: "login:".to_owned(),
            groups_claim: "aud".to_owned(),
            authority_pem: format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"),
            algorithms: vec!["ES256".to_owned()],
            ..Flags::default()
        });
        Cluster::with(Setup { providers: vec![provider.unwrap()], ..Setup::default() }).await
    }
}

#[tokio::test]
async fn a_token_of_a_provider_is_an_identity_and_its_keys_are_fetched_once() {
    let login = Login::start().await;
    let cluster = login.believer().await;
    let review = json!({"spec": {"token": login.token()}});
    let reviewed = cluster.ask(&format!("POST /apis/authentication.k8s.io/v1/tokenreviews\n\n{review}")).await.json();
    expect![[r#"{"groups":["sampan","system:authenticated"],"username":"login:system:serviceaccount:default:jane"}"#]]
        .assert_eq(&reviewed["status"]["user"].to_string());
    let listening = Listening::over(cluster).await;
    let bearer = format!("Bearer {}", login.token());
    assert_eq!(listening.get("/api/v1/namespaces/default/pods", Some(&bearer)).await, 403);
    let (rest, _) = bearer.rsplit_once('.').unwrap();
    assert_eq!(listening.get("/version", Some(&format!("{rest}.AAAA"))).await, 401);
    assert_eq!(login.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_lets_nobody_in_and_is_not_asked_for_every_token() {
    let login = Login::start().await;
    let listening = Listening::over(login.believer().await).await;
    let bearer = format!("Bearer {}", login.token());
    drop(login.server);
    for _ in 0..3 {
        assert_eq!(listening.get("/version", Some(&bearer)).await, 401);
    }
    assert_eq!(login.asked.load(Ordering::SeqCst), 0);
}
