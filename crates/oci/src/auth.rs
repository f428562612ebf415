//! Who may pull and push: asked of somebody else for every request.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::{Code, Error};
use crate::name::Repository;

/// Decides about every request.
///
/// # Contract
/// `authorize` is called once or (a mount also reads another repository) twice a request, before anything is read or written
/// on its behalf. It may take its time; it must not log credentials.
pub trait Authorize: Send + Sync {
    /// Whether the bearer of these credentials may do this. Without a repository it is asked about `/v2/` itself, with which
    /// clients find out whether they are logged in.
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials,
        action: Action,
        repository: Option<&'a Repository>,
    ) -> BoxFuture<'a, Access>;
}

/// What a client shows.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing, or something that cannot be read.
    None,
    /// A user name and a password.
    Basic {
        /// the name
        user: String,
        /// the password
        password: String,
    },
    /// A bearer token.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Bearer(_) => f.write_str("Bearer(..)"),
        }
    }
}

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Delete manifests, tags and blobs.
    Delete,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    Granted,
    /// Not without (better) credentials: the client is asked for a user name and password.
    Unauthenticated,
    /// Not with these.
    Denied,
}

/// Lets anybody do anything: for tests, and for a registry that listens on loopback alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anybody;

impl Authorize for Anybody {
    fn authorize<'a>(&'a self, _: &'a Credentials, _: Action, _: Option<&'a Repository>) -> BoxFuture<'a, Access> {
        futures::future::ready(Access::Granted).boxed()
    }
}

/// One user who may do everything; anybody else may at most pull.
pub struct SingleUser {
    user: String,
    password: String,
    anybody_may_pull: bool,
}

impl SingleUser {
    /// `password` is also taken as a bearer token.
    pub fn new(user: impl Into<String>, password: impl Into<String>, anybody_may_pull: bool) -> Self {
        Self { user: user.into(), password: password.into(), anybody_may_pull }
    }

    fn knows(&self, credentials: &Credentials) -> bool {
        match credentials {
            Credentials::None => false,
            Credentials::Basic { user, password } => equal(user, &self.user) & equal(password, &self.password),
            Credentials::Bearer(token) => equal(token, &self.password),
        }
    }
}

impl Authorize for SingleUser {
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials,
        action: Action,
        _: Option<&'a Repository>,
    ) -> BoxFuture<'a, Access> {
        let access = match (self.knows(credentials), credentials) {
            (true, _) => Access::Granted,
            (false, Credentials::None) if self.anybody_may_pull && action == Action::Pull => Access::Granted,
            (false, _) => Access::Unauthenticated,
        };
        futures::future::ready(access).boxed()
    }
}

/// Compares without ending at the first difference, so that the time taken says nothing about where it is.
fn equal(first: &str, second: &str) -> bool {
    let (first, second) = (first.as_bytes(), second.as_bytes());
    let difference = first.iter().zip(second).fold(0, |difference, (first, second)| difference | (first ^ second));
    first.len() == second.len() && std::hint::black_box(difference) == 0
}

/// The credentials of a request.
pub(crate) fn credentials(headers: &HeaderMap) -> Credentials {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, value)) = header.and_then(|value| value.trim().split_once(' ')) else { return Credentials::None };
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Credentials::Bearer(value.trim().to_owned()),
        "basic" => basic(value.trim()).unwrap_or(Credentials::None),
        _ => Credentials::None,
    }
}

fn basic(value: &str) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
}

/// Goes on, or ends the request with 401 or 403.
pub(crate) async fn require(
    authorize: &dyn Authorize,
    credentials: &Credentials,
    action: Action,
    repository: Option<&Repository>,
) -> Result<(), Error> {
    let place = repository.map_or_else(|| "this registry".to_owned(), |repository| format!("repository {repository}"));
    match authorize.authorize(credentials, action, repository).await {
        Access::Granted => Ok(()),
        Access::Unauthenticated => {
            let why = format!("log in to {} {place}", action.word());
            Err(Error::new(Code::Unauthorized, why))
        }
        Access::Denied => Err(Error::new(Code::Denied, format!("these credentials may not {} {place}", action.word()))),
    }
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Pull => "pull from",
            Self::Push => "push to",
            Self::Delete => "delete in",
        }
    }
}
