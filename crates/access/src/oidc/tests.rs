use expect_test::{Expect, expect};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

/// A provider's own key.
struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { id, pair }
    }

    fn key(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
    }

    fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": self.id })), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

const NOW: &str = "2026-01-01T00:00:00Z";

fn claims(more: Value) -> Value {
    let mut claims =
        json!({ "iss": "https://login.example.com", "aud": "sampan", "sub": "jane", "exp": 4_000_000_000_u64 });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn flags() -> Flags {
    Flags {
        issuer_url: "https://login.example.com".to_owned(),
        client_id: "sampan".to_owned(),
        groups_claim: "groups".to_owned(),
        groups_prefix: "oidc:".to_owned(),
        required_claims: vec![("tenant".to_owned(), "blue".to_owned())],
        algorithms: vec!["ES256".to_owned()],
        ..Flags::default()
    }
}

fn judged(provider: &Provider, token: &str) -> String {
    match provider.authenticate(token, NOW.parse().unwrap()) {
        None => "another's".to_owned(),
        Some(Ok(user)) => format!("{} {:?} {} {:?}", user.name, user.groups, user.uid, user.extra),
        Some(Err(refused)) => refused.reason,
    }
}

#[test]
fn a_token_of_the_issuer_names_a_user_and_groups() {
    let signer = Signer::new("a");
    let provider = Provider::flagged(&flags()).unwrap();
    provider.set_keys(&json!({ "keys": [signer.key()] }));
    let check = |more: Value, expected: Expect| expected.assert_eq(&judged(&provider, &signer.sign(&claims(more))));
    check(
        json!({ "tenant": "blue", "groups": ["dev", "ops"] }),
        expect![[r#"https://login.example.com#jane ["oidc:dev", "oidc:ops"]  {}"#]],
    );
    check(
        json!({ "tenant": "blue", "groups": "dev" }),
        expect![[r#"https://login.example.com#jane ["oidc:dev"]  {}"#]],
    );
    check(json!({ "tenant": "red" }), expect!["oidc: required claim tenant value does not match"]);
    check(json!({}), expect!["oidc: required claim tenant not present in ID token"]);
    check(
        json!({ "tenant": "blue", "groups": 1 }),
        expect!["oidc: parse groups claim: expected a string or a list of strings, but got 1"],
    );
    check(
        json!({ "aud": ["other"] }),
        expect![[r#"oidc: verify token: expected audience in ["sampan"] got ["other"]"#]],
    );
    check(json!({ "exp": 1 }), expect!["oidc: verify token: token is expired"]);
    check(
        json!({ "nbf": 4_000_000_000_u64 }),
        expect!["oidc: verify token: current time is before the nbf (not before) time"],
    );
    check(json!({ "iss": "https://other.example.com" }), expect!["another's"]);
    assert_eq!(judged(&provider, "opaque"), "another's");
}

#[test]
fn keys_are_asked_for_when_a_token_names_one_that_is_not_known() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let provider = Provider::flagged(&flags()).unwrap();
    let token = new.sign(&claims(json!({ "tenant": "blue" })));
    assert!(provider.lacks_key(&token) && !provider.lacks_key("opaque"));
    provider.set_keys(&json!({ "keys": [old.key()] }));
    assert!(provider.lacks_key(&token) && !provider.lacks_key(&old.sign(&claims(json!({})))));
    assert!(!provider.lacks_key(&new.sign(&claims(json!({ "iss": "https://other.example.com" })))));
    provider.set_keys(&json!({ "keys": [old.key(), new.key()] }));
    assert!(!provider.lacks_key(&token));
    assert!(judged(&provider, &token).starts_with("https://login.example.com#jane"));
}

#[test]
fn a_forged_token_is_nobodys() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let provider = Provider::flagged(&flags()).unwrap();
    provider.set_keys(&json!({ "keys": [signer.key(), { "kty": "RSA", "kid": "r", "n": "AQAB", "e": "AQAB" }] }));
    let forged = "oidc: verify token: failed to verify signature: failed to verify id token signature";
    assert_eq!(judged(&provider, &stranger.sign(&claims(json!({ "tenant": "blue" })))), forged);
    let token = signer.sign(&claims(json!({ "tenant": "red" })));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(claims(json!({ "tenant": "blue" })).to_string());
    assert_eq!(judged(&provider, &format!("{header}.{other}.{signature}")), forged);
    let unsigned = URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string());
    assert_eq!(
        judged(&provider, &format!("{unsigned}.{other}.")),
        r#"oidc: verify token: id token signed with unsupported algorithm, expected ["ES256"] got "none""#
    );
}

const CONFIGURATION: &str = r#"
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://login.example.com
    audiences: [sampan, other]
    audienceMatchPolicy: MatchAny
  claimValidationRules:
  - expression: 'claims.hd == "example.com"'
    message: the hosted domain must be example.com
  claimMappings:
    username: {expression: 'claims.sub + "@" + claims.hd'}
    groups: {expression: 'claims.roles.split(",")'}
    uid: {claim: id}
    extra: [{key: example.com/tenant, valueExpression: claims.tenant}]
  userValidationRules:
  - expression: "!user.username.startsWith('system:')"
    message: username cannot use the system prefix
"#;

#[test]
fn expressions_map_claims_and_judge_them() {
    let signer = Signer::new("a");
    let provider = Provider::configured(CONFIGURATION).unwrap().remove(0);
    provider.set_keys(&json!({ "keys": [signer.key()] }));
    let check = |more: Value, expected: Expect| {
        let mut all =
            claims(json!({ "hd": "example.com", "roles": "dev,ops", "id": "17", "tenant": "blue", "aud": "other" }));
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        expected.assert_eq(&judged(&provider, &signer.sign(&all)));
    };
    check(json!({}), expect![[r#"jane@example.com ["dev", "ops"] 17 {"example.com/tenant": ["blue"]}"#]]);
    check(
        json!({ "hd": "example.org" }),
        expect!["oidc: validation expression failed: the hosted domain must be example.com"],
    );
    check(
        json!({ "sub": "system:x" }),
        expect!["oidc: validation expression failed: username cannot use the system prefix"],
    );
    check(json!({ "id": 17 }), expect!["oidc: parse uid claim: claim id is not a string"]);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_by_its_field() {
    let told = |from: &str, to: &str| match Provider::configured(&CONFIGURATION.replace(from, to)) {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.to_string(),
    };
    let rows = [
        told("https://login", "http://login"),
        told("audienceMatchPolicy: MatchAny", ""),
        told("claims.sub +", "claim.sub +"),
        told("{claim: id}", "{claim: id, expression: claims.id}"),
        told("{expression: 'claims.roles.split(\",\")'}", "{claim: roles}"),
        told("example.com/tenant", "kubernetes.io/tenant"),
        told("AuthenticationConfiguration", "EncryptionConfiguration"),
    ];
    expect![[r#"
        jwt[0].issuer.url: URL scheme must be https
        jwt[0].issuer.audienceMatchPolicy: must be MatchAny where there are several audiences
        jwt[0].claimMappings.username.expression: compilation failed: ERROR: <input>:1:1: undeclared reference to 'claim' (in container '')
         | claim.sub + "@" + claims.hd
         | ^
        jwt[0].claimMappings.uid: claim and expression can't both be set
        jwt[0].claimMappings.groups.prefix: prefix is required when claim is set. It can be set to an empty string to disable prefixing
        jwt[0].claimMappings.extra[0].key: must be a lower-case path like example.com/name, and none of Kubernetes' own
        kind: want AuthenticationConfiguration of apiserver.config.k8s.io/v1, got EncryptionConfiguration of apiserver.config.k8s.io/v1"#]].assert_eq(&rows.join("\n"));
}
