//! Who is asking.
//!
//! A request shows a client certificate, or a bearer token, or nothing. The first kind that is shown decides: a token that does
//! not hold is refused even if anonymous requests are allowed, as upstream does it (`apiserver/pkg/authentication/request/union`).

mod bootstrap_token;
mod x509;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use sampan_api::request::{AUTHENTICATED, Lister, User};
use sampan_meta::{Clock, Status};
use serde_json::{Value, json};

use crate::{oidc, token};

/// Credentials were shown and do not hold. The reason is for the log and the audit trail; a client is only ever told
/// `Unauthorized`, because a better answer would help somebody who guesses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unauthorized {
    /// Why, lower case, never containing the credential itself.
    pub reason: String,
}

impl Unauthorized {
    /// Refuses with this reason.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// What the client gets: 401, without the reason.
    pub fn status(&self) -> Status {
        Status::unauthorized()
    }
}

/// Turns what a connection and a request show into a [`User`].
pub struct Authenticator {
    clients: x509::Clients,
    tokens: Arc<token::Issuer>,
    providers: Vec<Arc<oidc::Provider>>,
    provider_roots: Vec<CertificateDer<'static>>,
    lister: Arc<dyn Lister>,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// `authority` are the certificates whose clients are believed; `tokens` judges service-account tokens; bootstrap tokens are
    /// looked up as Secrets through `lister`.
    pub fn new(
        authority: Vec<CertificateDer<'static>>,
        tokens: Arc<token::Issuer>,
        lister: Arc<dyn Lister>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            clients: x509::Clients::new(authority),
            tokens,
            providers: Vec::new(),
            provider_roots: Vec::new(),
            lister,
            clock,
        }
    }

    /// Believes the tokens of these issuers, too. `roots` vouch for the servers of those that have no authority of their own.
    #[must_use]
    pub fn with_providers(mut self, providers: Vec<Arc<oidc::Provider>>, roots: Vec<CertificateDer<'static>>) -> Self {
        self.providers = providers;
        self.provider_roots = roots;
        self
    }

    /// Who vouches for an issuer's server.
    pub fn authority_of<'a>(&'a self, provider: &'a oidc::Provider) -> &'a [CertificateDer<'static>] {
        provider.authority().unwrap_or(&self.provider_roots)
    }

    /// The issuers whose tokens are believed.
    pub fn providers(&self) -> &[Arc<oidc::Provider>] {
        &self.providers
    }

    /// Answers who asks. `peer_certificates` is the chain of the TLS connection, leaf first, empty without one (a chain is
    /// verified here again, so that an expired certificate ends even a connection that is still open); `authorization` is the
    /// value of the `Authorization` header.
    ///
    /// `Ok(None)`: nothing was shown; the caller decides whether [`User::anonymous`] may go on.
    /// `Err`: something was shown and does not hold; answer 401.
    pub fn authenticate(
        &self,
        peer_certificates: &[CertificateDer<'_>],
        authorization: Option<&str>,
    ) -> Result<Option<User>, Unauthorized> {
        if let Some(user) = self.clients.authenticate(peer_certificates, self.clock.now())? {
            return Ok(Some(authenticated(user)));
        }
        match authorization.and_then(bearer) {
            Some(token) => self.authenticate_token(token).map(Some),
            None => Ok(None),
        }
    }

    /// Judges a bearer token for the API's own audiences, as [`Authenticator::authenticate`] does.
    pub fn authenticate_token(&self, token: &str) -> Result<User, Unauthorized> {
        self.review_token(token, &[]).map(|reviewed| reviewed.user)
    }

    /// Judges a token for `audiences` (none: the API's own). Bootstrap tokens hold for the API only.
    pub fn review_token(&self, token: &str, audiences: &[String]) -> Result<token::Reviewed, Unauthorized> {
        if let Some(user) = bootstrap_token::authenticate(self.lister.as_ref(), token, self.clock.now())? {
            return self.tokens.restrict_to_api(authenticated(user), audiences);
        }
        let now = self.clock.now();
        if let Some(judged) = self.providers.iter().find_map(|provider| provider.authenticate(token, now)) {
            return self.tokens.restrict_to_api(authenticated(judged?), audiences);
        }
        let token::Reviewed { user, audiences } = self.tokens.review(token, audiences)?;
        Ok(token::Reviewed { user: authenticated(user), audiences })
    }

    /// Answers a `TokenReview` (authentication.k8s.io/v1): the given object with its status filled in.
    pub fn token_review(&self, review: &Value) -> Value {
        let token = review.pointer("/spec/token").and_then(Value::as_str).unwrap_or_default();
        let audiences = strings(review.pointer("/spec/audiences"));
        let mut answer = review.clone();
        answer["status"] = match self.review_token(token, &audiences) {
            Ok(reviewed) => json!({
                "authenticated": true,
                "user": user_value(&reviewed.user),
                "audiences": reviewed.audiences,
            }),
            Err(refusal) => json!({ "authenticated": false, "user": {}, "error": refusal.to_string() }),
        };
        answer
    }
}

/// A user as the reviews of authentication.k8s.io/v1 show one (`UserInfo`); empty members are left out.
pub fn user_value(user: &User) -> Value {
    let mut value = json!({ "username": user.name });
    if !user.uid.is_empty() {
        value["uid"] = json!(user.uid);
    }
    if !user.groups.is_empty() {
        value["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        value["extra"] = json!(user.extra);
    }
    value
}

fn authenticated(mut user: User) -> User {
    if !user.in_group(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

/// The token of an `Authorization` header's value, if it is a `Bearer`; another scheme is no credential here, as upstream's bearer token authenticator has it.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
