use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sampan_meta::{ManualClock, SeededEntropy};
use serde_json::json;

use super::*;
use crate::join::JoinToken;
use crate::pki::{Authority, Subject};
use crate::testing::{Objects, object};
use crate::token::{Issuer, Options, Request};

struct Fixture {
    _directory: tempfile::TempDir,
    authority: Authority,
    clock: Arc<ManualClock>,
    objects: Arc<Objects>,
    tokens: Arc<Issuer>,
    authenticator: Authenticator,
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let entropy = Arc::new(SeededEntropy::new(1));
    let authority = Authority::open(directory.path(), clock.clone(), entropy.clone()).unwrap();
    let objects = Objects::with([object("v1", "ServiceAccount", "default", "runner")]);
    let tokens = Issuer::new(authority.token_key(), Options::default(), objects.clone(), clock.clone(), entropy);
    let tokens = Arc::new(tokens);
    let roots = vec![authority.certificate().clone()];
    let authenticator = Authenticator::new(roots, tokens.clone(), objects.clone(), clock.clone());
    Fixture { _directory: directory, authority, clock, objects, tokens, authenticator }
}

impl Fixture {
    fn join_token(&self) -> JoinToken {
        let token = JoinToken::generate(&self.authority.pin(), &SeededEntropy::new(5));
        let expires = "2026-01-02T04:04:05Z".parse().unwrap();
        self.objects.put(token.secret_object(expires, "for a test"));
        token
    }

    fn bearer(&self, token: &str) -> Result<Option<User>, Unauthorized> {
        self.authenticator.authenticate(&[], Some(&format!("Bearer {token}")))
    }

    fn why_refused(&self, token: &str) -> String {
        self.bearer(token).unwrap_err().reason
    }
}

#[test]
fn a_certificate_names_user_and_groups() {
    let fixture = fixture();
    let identity = fixture.authority.issue(&Subject::controller("job-controller")).unwrap();
    let user = fixture.authenticator.authenticate(identity.chain(), None).unwrap().unwrap();
    let mut expected = User::service_account("kube-system", "job-controller");
    expected.groups.sort();
    let mut groups = user.groups.clone();
    groups.sort();
    assert_eq!((user.name.as_str(), groups), (expected.name.as_str(), expected.groups));
}

#[test]
fn a_certificate_counts_before_a_token() {
    let fixture = fixture();
    let identity = fixture.authority.issue(&Subject::node("edge-1")).unwrap();
    let user = fixture.authenticator.authenticate(identity.chain(), Some("Bearer nonsense")).unwrap().unwrap();
    assert_eq!(user.node_name(), Some("edge-1"));
}

#[test]
fn a_certificate_that_expires_ends_an_open_connection() {
    let fixture = fixture();
    let identity = fixture.authority.issue(&Subject::admin()).unwrap();
    let ask = || fixture.authenticator.authenticate(identity.chain(), None);
    assert!(ask().is_ok());
    fixture.clock.set(identity.not_after());
    assert!(ask().is_ok());
    fixture.clock.advance(Duration::from_secs(1));
    let reason = ask().unwrap_err().reason;
    assert!(reason.contains("expired"), "{reason}");
    fixture.clock.set("2020-01-01T00:00:00Z".parse().unwrap());
    assert!(ask().is_err(), "not valid yet");
}

#[test]
fn a_certificate_of_a_stranger_or_for_a_server_is_refused() {
    let fixture = fixture();
    let stranger = self::fixture().authority.issue(&Subject::admin()).unwrap();
    assert!(fixture.authenticator.authenticate(stranger.chain(), None).is_err());
    let server = fixture.authority.issue(&Subject::api_server(&[])).unwrap();
    assert!(fixture.authenticator.authenticate(server.chain(), None).is_err());
    let nameless = fixture.authority.issue(&Subject::client("", &["system:masters"])).unwrap();
    let refusal = fixture.authenticator.authenticate(nameless.chain(), None).unwrap_err();
    assert_eq!(refusal.reason, "client certificate has no common name");
    let garbage = [rustls_pki_types::CertificateDer::from(vec![1, 2, 3])];
    assert!(fixture.authenticator.authenticate(&garbage, None).is_err());
}

#[test]
fn who_shows_nothing_is_nobody_yet() {
    let fixture = fixture();
    for header in [None, Some(""), Some("Bearer"), Some("Bearer  "), Some("Basic YTpi")] {
        assert_eq!(fixture.authenticator.authenticate(&[], header), Ok(None), "{header:?}");
    }
}

#[test]
fn a_wrong_token_is_refused_without_saying_why_to_the_client() {
    let fixture = fixture();
    let refusal = fixture.bearer("nonsense").unwrap_err();
    assert_eq!(refusal.status().code, 401);
    assert_eq!(refusal.status().message, "Unauthorized");
}

#[test]
fn a_service_account_token_makes_its_bearer_that_account() {
    let fixture = fixture();
    let token = fixture.tokens.mint("default", "runner", &Request::default()).unwrap().token;
    let user = fixture.bearer(&token).unwrap().unwrap();
    assert_eq!(user.name, "system:serviceaccount:default:runner");
    assert!(user.in_group(AUTHENTICATED));
    assert_eq!(fixture.authenticator.authenticate(&[], Some(&format!("bearer {token}"))).unwrap().unwrap(), user);
    fixture.clock.advance(Duration::from_secs(3600));
    assert_eq!(fixture.why_refused(&token), "service account token has expired");
}

#[test]
fn a_join_token_makes_its_bearer_a_bootstrapper() {
    let fixture = fixture();
    let token = fixture.join_token();
    let user = fixture.bearer(&token.bearer()).unwrap().unwrap();
    assert_eq!(user.name, format!("system:bootstrap:{}", token.id));
    assert_eq!(user.groups, ["system:bootstrappers", "system:bootstrappers:sampan:default-node-token", AUTHENTICATED]);
}

#[test]
fn a_join_token_expires_to_the_second() {
    let fixture = fixture();
    let token = fixture.join_token();
    fixture.clock.advance(Duration::from_secs(3599));
    assert!(fixture.bearer(&token.bearer()).is_ok());
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.why_refused(&token.bearer()), format!("bootstrap token {}: expired", token.id));
}

#[test]
fn a_join_token_that_is_not_as_it_should_be_is_refused() {
    let fixture = fixture();
    let token = fixture.join_token();
    let expires = "2026-01-02T04:04:05Z".parse().unwrap();
    let stored = token.secret_object(expires, "");
    let wrong_secret = format!("{}.{}", token.id, "a".repeat(16));
    assert!(fixture.why_refused(&wrong_secret).ends_with("the secret does not match"));
    assert!(fixture.why_refused("zzzzzz.0123456789abcdef").ends_with("there is no such token"));
    let rows = [
        ("/data/usage-bootstrap-authentication", json!(STANDARD.encode("false")), "it may not be used to authenticate"),
        ("/data/token-secret", json!(""), "the secret does not match"),
        ("/data/token-id", json!(STANDARD.encode("abcdef")), "there is no such token"),
        ("/data/expiration", json!(STANDARD.encode("soon")), "expired"),
        ("/data/expiration", json!(7), "expired"),
        ("/type", json!("Opaque"), "there is no such token"),
    ];
    for (path, value, expected) in rows {
        let mut secret = stored.clone();
        *secret.pointer_mut(path).unwrap() = value.clone();
        fixture.objects.put(secret);
        if value == json!(7) {
            assert!(fixture.bearer(&token.bearer()).is_err(), "a malformed expiration must not mean for ever");
            continue;
        }
        assert!(fixture.why_refused(&token.bearer()).ends_with(expected), "{path} {value}");
    }
    let mut going = stored;
    going["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    fixture.objects.put(going);
    assert!(fixture.why_refused(&token.bearer()).ends_with("there is no such token"));
}

#[test]
fn a_reason_never_shows_the_secret() {
    let fixture = fixture();
    let token = fixture.join_token();
    let wrong = format!("{}.{}", token.id, "secretsecretsecr");
    assert!(!fixture.why_refused(&wrong).contains("secretsecret"));
}

#[test]
fn a_token_review_is_answered() {
    let fixture = fixture();
    let token = fixture.tokens.mint("default", "runner", &Request::default()).unwrap().token;
    let review = |token: &str| json!({ "kind": "TokenReview", "spec": { "token": token } });
    let status = fixture.authenticator.token_review(&review(&token))["status"].clone();
    assert_eq!(status["authenticated"], json!(true));
    assert_eq!(status["user"]["username"], json!("system:serviceaccount:default:runner"));
    assert_eq!(status["audiences"], json!(["https://kubernetes.default.svc.cluster.local"]));
    let refused = fixture.authenticator.token_review(&review("nonsense"))["status"].clone();
    assert_eq!(refused["authenticated"], json!(false));
    let join = fixture.join_token();
    let bootstrap = |audiences: &[&str]| {
        let review = json!({ "spec": { "token": join.bearer(), "audiences": audiences } });
        fixture.authenticator.token_review(&review)["status"]["authenticated"].clone()
    };
    assert_eq!((bootstrap(&[]), bootstrap(&["vault"])), (json!(true), json!(false)));
}
