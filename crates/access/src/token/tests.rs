use std::sync::Arc;

use sampan_meta::{ManualClock, SeededEntropy, Status};
use serde_json::{Value, json};
use std::time::Duration;

use super::*;
use crate::pki::Authority;
use crate::testing::{Objects, object};

struct Fixture {
    _directory: tempfile::TempDir,
    objects: Arc<Objects>,
    clock: Arc<ManualClock>,
    issuer: Issuer,
}

fn account() -> Value {
    object("v1", "ServiceAccount", "default", "runner")
}

fn pod() -> Value {
    let mut pod = object("v1", "Pod", "default", "web");
    pod["spec"] = json!({ "serviceAccountName": "runner", "nodeName": "edge-1" });
    pod
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let entropy = Arc::new(SeededEntropy::new(1));
    let authority = Authority::open(directory.path(), clock.clone(), entropy.clone()).unwrap();
    let objects = Objects::with([account(), pod(), object("v1", "Node", "", "edge-1")]);
    let issuer = Issuer::new(authority.token_key(), Options::default(), objects.clone(), clock.clone(), entropy);
    Fixture { _directory: directory, objects, clock, issuer }
}

fn bound_to_pod() -> Request {
    Request { bound: Some((BoundObject::Pod, "web".to_owned(), Some("web-uid".to_owned()))), ..Request::default() }
}

impl Fixture {
    fn mint(&self, request: &Request) -> String {
        self.issuer.mint("default", "runner", request).unwrap().token
    }

    fn why_refused(&self, token: &str) -> String {
        self.issuer.review(token, &[]).unwrap_err().reason
    }

    fn request(&self, spec: Value) -> Result<Value, Status> {
        self.issuer.token_request("default", "runner", &json!({ "spec": spec }))
    }
}

#[test]
fn a_token_says_whose_it_is_and_what_it_is_bound_to() {
    let fixture = fixture();
    let token = fixture.mint(&bound_to_pod());
    let user = fixture.issuer.review(&token, &[]).unwrap().user;
    assert_eq!(user.name, "system:serviceaccount:default:runner");
    assert_eq!(user.uid, "runner-uid");
    assert!(user.in_group("system:serviceaccounts:default"));
    let extra =
        |key: &str| user.extra.get(&format!("authentication.kubernetes.io/{key}")).map(|values| values[0].as_str());
    assert_eq!(extra("pod-name"), Some("web"));
    assert_eq!(extra("pod-uid"), Some("web-uid"));
    assert_eq!(extra("node-name"), Some("edge-1"));
    assert_eq!(extra("node-uid"), Some("edge-1-uid"));
    assert!(extra("credential-id").unwrap().starts_with("JTI="));
}

#[test]
fn the_claims_are_upstreams() {
    let fixture = fixture();
    let token = fixture.mint(&bound_to_pod());
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.kid.as_deref(), Some(fixture.issuer.key.id()));
    let mut claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&token).unwrap().claims;
    claims["jti"].take();
    assert_eq!(
        claims,
        json!({
            "aud": ["https://kubernetes.default.svc.cluster.local"],
            "exp": 1_767_326_645, "iat": 1_767_323_045, "nbf": 1_767_323_045,
            "iss": "https://kubernetes.default.svc.cluster.local",
            "jti": null,
            "kubernetes.io": {
                "namespace": "default",
                "node": { "name": "edge-1", "uid": "edge-1-uid" },
                "pod": { "name": "web", "uid": "web-uid" },
                "serviceaccount": { "name": "runner", "uid": "runner-uid" },
            },
            "sub": "system:serviceaccount:default:runner",
        })
    );
}

#[test]
fn a_token_is_worth_nothing_once_its_pod_is_deleted_even_if_another_has_its_name() {
    let fixture = fixture();
    let token = fixture.mint(&bound_to_pod());
    assert!(fixture.issuer.review(&token, &[]).is_ok());
    fixture.objects.delete(&pod());
    assert_eq!(
        fixture.why_refused(&token),
        "service account token has been invalidated: pods default/web does not exist"
    );
    let mut successor = pod();
    successor["metadata"]["uid"] = json!("another");
    fixture.objects.put(successor);
    assert_eq!(
        fixture.why_refused(&token),
        "service account token has been invalidated: pods default/web is another one of the same name"
    );
}

#[test]
fn a_pod_that_is_going_away_keeps_its_token_for_its_last_minute() {
    let fixture = fixture();
    let token = fixture.mint(&bound_to_pod());
    let mut going = pod();
    going["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    fixture.objects.put(going);
    fixture.clock.advance(Duration::from_secs(59));
    assert!(fixture.issuer.review(&token, &[]).is_ok());
    fixture.clock.advance(Duration::from_secs(2));
    assert_eq!(
        fixture.why_refused(&token),
        "service account token has been invalidated: pods default/web has been deleted"
    );
}

#[test]
fn a_token_ends_with_its_service_account() {
    let fixture = fixture();
    let token = fixture.mint(&Request::default());
    let mut successor = account();
    successor["metadata"]["uid"] = json!("another");
    fixture.objects.put(successor);
    assert!(fixture.why_refused(&token).contains("serviceaccounts default/runner is another one"));
    fixture.objects.delete(&account());
    assert!(fixture.why_refused(&token).contains("does not exist"));
}

#[test]
fn a_token_in_a_secret_that_was_marked_invalid_is_refused_until_the_mark_is_gone() {
    let fixture = fixture();
    let mut secret = object("v1", "Secret", "default", "s");
    secret["type"] = "kubernetes.io/service-account-token".into();
    fixture.objects.put(secret.clone());
    let bound = Request { bound: Some((BoundObject::Secret, "s".to_owned(), None)), ..Request::default() };
    let token = fixture.mint(&bound);
    assert!(fixture.issuer.review(&token, &[]).is_ok());
    secret["metadata"]["labels"] = json!({"kubernetes.io/legacy-token-invalid-since": "2026-01-02"});
    fixture.objects.put(secret.clone());
    assert!(
        fixture
            .why_refused(&token)
            .contains("the token in secret default/s for service account default/runner has been marked")
    );
    secret["metadata"]["labels"] = json!({});
    fixture.objects.put(secret);
    assert!(fixture.issuer.review(&token, &[]).is_ok());
}

#[test]
fn a_token_ends_with_its_secret_or_node() {
    let fixture = fixture();
    let secret = object("v1", "Secret", "default", "s");
    fixture.objects.put(secret.clone());
    let bound = |kind, name: &str| Request { bound: Some((kind, name.to_owned(), None)), ..Request::default() };
    let by_secret = fixture.mint(&bound(BoundObject::Secret, "s"));
    let by_node = fixture.mint(&bound(BoundObject::Node, "edge-1"));
    let by_pod = fixture.mint(&bound_to_pod());
    assert!(fixture.issuer.review(&by_secret, &[]).is_ok() && fixture.issuer.review(&by_node, &[]).is_ok());
    fixture.objects.delete(&secret);
    fixture.objects.delete(&object("v1", "Node", "", "edge-1"));
    assert!(fixture.why_refused(&by_secret).contains("secrets default/s does not exist"));
    assert!(fixture.why_refused(&by_node).contains("nodes edge-1 does not exist"));
    assert!(fixture.issuer.review(&by_pod, &[]).is_ok(), "a pod outlives the object of its node");
}

#[test]
fn a_token_holds_from_its_making_to_its_end() {
    let fixture = fixture();
    let token = fixture.mint(&Request { expiration_seconds: Some(600), ..Request::default() });
    fixture.clock.advance(Duration::from_secs(599));
    assert!(fixture.issuer.review(&token, &[]).is_ok());
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.why_refused(&token), "service account token has expired");
    fixture.clock.set("2026-01-02T03:04:04Z".parse().unwrap());
    assert_eq!(fixture.why_refused(&token), "service account token is not valid yet");
}

#[test]
fn a_token_holds_for_its_audiences_alone() {
    let fixture = fixture();
    let vault = vec!["vault".to_owned()];
    let token = fixture.mint(&Request { audiences: vault.clone(), ..Request::default() });
    assert!(fixture.why_refused(&token).contains("is invalid for the target audiences"));
    assert_eq!(fixture.issuer.review(&token, &vault).unwrap().audiences, vault);
    let ours = fixture.mint(&Request::default());
    assert!(fixture.issuer.review(&ours, &vault).is_err());
}

#[test]
fn a_forged_token_is_refused() {
    let (fixture, other) = (fixture(), self::fixture());
    let token = fixture.mint(&Request::default());
    assert!(fixture.why_refused(&other.mint(&Request::default())).contains("InvalidSignature"));
    let parts: Vec<&str> = token.split('.').collect();
    let claims = json!({ "aud": ["https://kubernetes.default.svc.cluster.local"], "exp": 9_999_999_999_i64, "iss": "https://kubernetes.default.svc.cluster.local", "sub": "x" });
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", encoded(&json!({ "alg": "none" })), encoded(&claims));
    let by_public_key = format!("{}.{}.{}", encoded(&json!({ "alg": "HS256" })), parts[1], parts[2]);
    let altered = format!("{}.{}.{}", parts[0], encoded(&claims), parts[2]);
    for forged in [unsigned, by_public_key, altered, String::new(), "..".to_owned(), "a".repeat(100_000)] {
        assert!(fixture.issuer.review(&forged, &[]).is_err(), "{forged:.40}");
    }
}

#[test]
fn a_token_of_another_issuer_with_the_same_key_is_refused() {
    let fixture = fixture();
    let options = Options { issuer: "https://other".to_owned(), ..Options::default() };
    let Fixture { issuer: Issuer { key, lister, clock, entropy, .. }, .. } = &fixture;
    let other = Issuer::new(key.clone(), options, lister.clone(), clock.clone(), entropy.clone());
    let token = other.mint("default", "runner", &Request::default()).unwrap().token;
    assert!(fixture.why_refused(&token).contains("InvalidIssuer"));
}

#[test]
fn a_token_request_is_answered_in_its_own_form() {
    let fixture = fixture();
    let spec = json!({ "audiences": ["vault"], "expirationSeconds": 7200, "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "web-uid" } });
    let answer = fixture.request(spec).unwrap();
    assert_eq!(answer["kind"], "TokenRequest");
    assert_eq!(answer["status"]["expirationTimestamp"], "2026-01-02T05:04:05Z");
    let token = answer["status"]["token"].as_str().unwrap();
    assert!(fixture.issuer.review(token, &["vault".to_owned()]).is_ok());
    let default = fixture.request(json!({})).unwrap();
    assert_eq!(
        default["spec"],
        json!({ "expirationSeconds": 3600, "audiences": ["https://kubernetes.default.svc.cluster.local"] })
    );
}

#[test]
fn a_token_never_outlives_a_year() {
    let fixture = fixture();
    let answer = fixture.request(json!({ "expirationSeconds": 1_i64 << 32 })).unwrap();
    assert_eq!(answer["status"]["expirationTimestamp"], "2027-01-02T03:04:05Z");
    assert_eq!(answer["spec"]["expirationSeconds"], 31_536_000);
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let fixture = fixture();
    let bind = |kind: &str, name: &str, uid: &str| json!({ "boundObjectRef": { "apiVersion": "v1", "kind": kind, "name": name, "uid": uid } });
    fixture.objects.put(object("v1", "Pod", "default", "stranger"));
    let rows = [
        (json!({ "expirationSeconds": 599 }), 422, "may not specify a duration less than 10 minutes"),
        (json!({ "expirationSeconds": (1_i64 << 32) + 1 }), 422, "may not specify a duration larger than 2^32 seconds"),
        (bind("Pod", "none", ""), 404, "pods \"none\" not found"),
        (
            bind("Pod", "web", "old"),
            409,
            "the UID in the bound object reference (old) does not match the UID in record",
        ),
        (bind("ConfigMap", "x", ""), 400, "cannot bind token for serviceaccount to a type object v1, Kind=ConfigMap"),
        (
            bind("Pod", "stranger", ""),
            400,
            "cannot bind token for serviceaccount \"runner\" to pod running with different serviceaccount name",
        ),
    ];
    for (spec, code, message) in rows {
        let status = fixture.request(spec).unwrap_err();
        assert_eq!(status.code, code, "{status}");
        assert!(status.message.contains(message), "{status}");
    }
    let nobody = fixture.issuer.token_request("default", "nobody", &json!({ "spec": {} })).unwrap_err();
    assert_eq!(nobody.message, "serviceaccounts \"nobody\" not found");
}

#[test]
fn the_published_key_verifies_the_tokens() {
    let fixture = fixture();
    let token = fixture.mint(&Request::default());
    let keys = fixture.issuer.jwks();
    let key = &keys["keys"][0];
    let decoding = DecodingKey::from_ec_components(key["x"].as_str().unwrap(), key["y"].as_str().unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    assert!(jsonwebtoken::decode::<Value>(&token, &decoding, &validation).is_ok());
    let configuration = fixture.issuer.openid_configuration("https://example/openid/v1/jwks");
    assert_eq!(configuration["issuer"], "https://kubernetes.default.svc.cluster.local");
}

#[test]
fn the_token_is_not_in_a_debug_form() {
    let minted = fixture().issuer.mint("default", "runner", &Request::default()).unwrap();
    assert!(!format!("{minted:?}").contains(&minted.token));
}
