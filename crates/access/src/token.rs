//! Service-account tokens: JSON web tokens signed with the cluster's own key (ES256), bound to the objects they are for.

mod bound;
mod claims;
mod mint;
mod review;
mod signing;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use sampan_api::request::{Lister, User};
use sampan_meta::{Clock, Entropy};
use serde_json::{Value, json};

use crate::authn::Unauthorized;
use crate::pki::TokenKey;

pub use bound::BoundObject;
pub use claims::Claims;
pub use mint::{Minted, Request};

/// What an [`Issuer`] writes into `iss` and which audiences are the API's own.
#[derive(Clone, Debug)]
pub struct Options {
    /// `iss`, upstream's `--service-account-issuer`.
    pub issuer: String,
    /// Audiences of the API itself, upstream's `--api-audiences`; what a request without audiences gets. Never empty.
    pub audiences: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let issuer = "https://kubernetes.default.svc.cluster.local".to_owned();
        Self { audiences: vec![issuer.clone()], issuer }
    }
}

/// A token that holds: whose it is and which of the audiences asked for it is good for.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    /// The identity, without `system:authenticated`, which [`crate::Authenticator`] adds.
    pub user: User,
    /// The audiences both asked for and written in the token.
    pub audiences: Vec<String>,
}

/// Mints and judges service-account tokens.
pub struct Issuer {
    options: Options,
    encoding: EncodingKey,
    decoding: DecodingKey,
    key: TokenKey,
    lister: Arc<dyn Lister>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    remembered: review::Verified,
}

impl Issuer {
    /// `key` comes from [`crate::Authority::token_key`]; `lister` is asked whether the objects a token is bound to still exist.
    pub fn new(
        key: TokenKey,
        options: Options,
        lister: Arc<dyn Lister>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        signing::install();
        let encoding = EncodingKey::from_ec_der(key.private_der());
        let decoding = DecodingKey::from_ec_der(key.public_point());
        let remembered = review::Verified::default();
        Self { options, encoding, decoding, key, lister, clock, entropy, remembered }
    }

    /// `/openid/v1/jwks`: the public key in the form of RFC 7517.
    pub fn jwks(&self) -> Value {
        let (x, y) = self.key.public_point()[1..].split_at(32);
        json!({ "keys": [{
            "use": "sig", "kty": "EC", "kid": self.key.id(), "crv": "P-256", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }] })
    }

    /// `/.well-known/openid-configuration`; `jwks_uri` is where this server serves [`Issuer::jwks`].
    pub fn openid_configuration(&self, jwks_uri: &str) -> Value {
        json!({
            "issuer": self.options.issuer, "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    /// A user known by other means than a token of ours, who may be spoken of to the API alone.
    pub(crate) fn restrict_to_api(&self, user: User, audiences: &[String]) -> Result<Reviewed, Unauthorized> {
        let wanted = if audiences.is_empty() { &self.options.audiences } else { audiences };
        let common: Vec<String> = self.options.audiences.iter().filter(|own| wanted.contains(own)).cloned().collect();
        if common.is_empty() {
            return Err(Unauthorized::because("this token is for the API alone"));
        }
        Ok(Reviewed { user, audiences: common })
    }
}
