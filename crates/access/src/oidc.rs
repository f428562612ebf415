//! Users whom somebody else knows: ID tokens of OpenID Connect providers, as an AuthenticationConfiguration or kube-apiserver's `--oidc-*`
//! flags name them. Upstream: `apiserver/plugin/pkg/authenticator/token/oidc`.
//!
//! A [`Provider`] judges tokens by the keys it has been given; getting them is up to who can: [`Provider::lacks_key`] says when.

mod configuration;
mod keys;
mod mapping;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use parking_lot::RwLock;
use rustls_pki_types::CertificateDer;
use sampan_api::request::User;
use serde_json::Value;

use crate::authn::Unauthorized;

pub use configuration::{ConfigurationError, Flags};
use keys::Keys;
use mapping::Mapping;

/// Longer than any token that fits into a header.
const LONGEST_TOKEN: usize = 64 * 1024;
/// How far the clocks of provider and server may differ for `nbf`, in seconds. Upstream: go-oidc.
const LEEWAY: i64 = 300;

/// One issuer of tokens, and what its tokens make of their bearers.
pub struct Provider {
    issuer: String,
    discovery: String,
    audiences: Vec<String>,
    algorithms: Vec<String>,
    authority: Option<Vec<CertificateDer<'static>>>,
    mapping: Mapping,
    keys: RwLock<Arc<Keys>>,
}

/// A token taken apart, its signature not yet looked at.
struct Token<'t> {
    algorithm: String,
    key_id: String,
    claims: Value,
    signed: &'t [u8],
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    fn parse(token: &'t str) -> Option<Self> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let header: Value = serde_json::from_slice(&part(header)?).ok()?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self {
            algorithm: text("alg"),
            key_id: text("kid"),
            claims: serde_json::from_slice(&part(claims)?).ok()?,
            signed: signed.as_bytes(),
            signature: part(signature)?,
        })
    }

    fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Provider {
    /// Where its discovery document is, an `https` URL.
    pub fn discovery(&self) -> &str {
        &self.discovery
    }

    /// Who vouches for its certificate, if its configuration says so.
    pub(crate) fn authority(&self) -> Option<&[CertificateDer<'static>]> {
        self.authority.as_deref()
    }

    /// What a discovery document says about where the keys are.
    ///
    /// # Errors
    /// When it is another issuer's, or names none.
    pub fn keys_url<'d>(&self, discovery: &'d Value) -> Result<&'d str, String> {
        let issuer = discovery.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if issuer != self.issuer {
            return Err(format!(
                "issuer did not match the issuer returned by provider, expected {:?} got {issuer:?}",
                self.issuer
            ));
        }
        let url = discovery.get("jwks_uri").and_then(Value::as_str).filter(|url| url.starts_with("https://"));
        url.ok_or_else(|| "the provider names no https jwks_uri".to_owned())
    }

    /// Takes over a key set (RFC 7517); keys of kinds that are not known are left out.
    pub fn set_keys(&self, set: &Value) {
        *self.keys.write() = Arc::new(Keys::parse(set));
    }

    /// Whether this is a token of the issuer's, as far as it says, whose key is not at hand.
    pub fn lacks_key(&self, token: &str) -> bool {
        let Some(token) = Token::parse(token) else { return false };
        token.issuer() == self.issuer && !self.keys.read().has(&token.key_id)
    }

    /// Judges a token; `None`: it is of another issuer.
    pub(crate) fn authenticate(&self, token: &str, now: Timestamp) -> Option<Result<User, Unauthorized>> {
        let token = Token::parse(token).filter(|token| token.issuer() == self.issuer)?;
        Some(self.judge(&token, now).map_err(|why| Unauthorized::because(format!("oidc: {why}"))))
    }

    fn judge(&self, token: &Token<'_>, now: Timestamp) -> Result<User, String> {
        if !self.algorithms.contains(&token.algorithm) {
            return Err(format!(
                "verify token: id token signed with unsupported algorithm, expected {:?} got {:?}",
                self.algorithms, token.algorithm
            ));
        }
        let keys = Arc::clone(&self.keys.read());
        if !keys.verify(&token.algorithm, &token.key_id, token.signed, &token.signature) {
            return Err("verify token: failed to verify signature: failed to verify id token signature".to_owned());
        }
        self.check_audience(&token.claims)?;
        check_time(&token.claims, now)?;
        self.mapping.user(&token.claims)
    }

    fn check_audience(&self, claims: &Value) -> Result<(), String> {
        let given: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if given.iter().any(|given| self.audiences.iter().any(|audience| audience == given)) {
            return Ok(());
        }
        Err(format!("verify token: expected audience in {:?} got {given:?}", self.audiences))
    }
}

fn check_time(claims: &Value, now: Timestamp) -> Result<(), String> {
    // Times may be fractions, which are cut off as everywhere.
    #[expect(clippy::cast_possible_truncation, reason = "seconds beyond those of a timestamp saturate")]
    let time = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
    let now = now.as_second();
    match (time("exp"), time("nbf")) {
        (None, _) => Err("verify token: the token never expires".to_owned()),
        (Some(expires), _) if now >= expires => Err("verify token: token is expired".to_owned()),
        (_, Some(begins)) if now + LEEWAY < begins => {
            Err("verify token: current time is before the nbf (not before) time".to_owned())
        }
        _ => Ok(()),
    }
}
