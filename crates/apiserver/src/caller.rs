//! Who is at the other end of a connection, as far as the connection can say.

use std::net::IpAddr;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use sampan_access::{Authenticator, Unauthorized};
use sampan_api::request::User;
use tokio_util::sync::CancellationToken;

/// A verified certificate is believed this long before the authenticator looks at it again. Verifying costs a signature check, too
/// much for each of thousands of requests; an expired certificate is noticed within this time.
const BELIEVED: SignedDuration = SignedDuration::from_secs(10);

/// One way in: an in-process identity, or a connection with the certificates its peer showed.
pub(crate) struct Caller {
    identity: Identity,
    address: Option<IpAddr>,
    /// Cancelled when the way in closes: watches end.
    pub(crate) closing: CancellationToken,
}

enum Identity {
    Fixed(User),
    Peer { certificates: Vec<CertificateDer<'static>>, verified: Mutex<Option<(Timestamp, User)>> },
}

impl Caller {
    pub(crate) fn fixed(user: User) -> Self {
        Self { identity: Identity::Fixed(user), address: None, closing: CancellationToken::new() }
    }

    pub(crate) fn peer(certificates: Vec<CertificateDer<'static>>, closing: CancellationToken) -> Self {
        Self { identity: Identity::Peer { certificates, verified: Mutex::new(None) }, address: None, closing }
    }

    /// The same, reached from this address.
    pub(crate) fn at(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Where the connection comes from; `None` in the same process.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Who makes a request with this `Authorization` header. Nobody in particular is `system:anonymous`.
    pub(crate) fn identify(
        &self,
        authenticator: &Authenticator,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<User, Unauthorized> {
        let (certificates, verified) = match &self.identity {
            Identity::Fixed(user) => return Ok(user.clone()),
            Identity::Peer { certificates, verified } => (certificates, verified),
        };
        if certificates.is_empty() {
            let user = authenticator.authenticate(certificates, authorization)?;
            return Ok(user.unwrap_or_else(User::anonymous));
        }
        let mut verified = verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*verified {
            Some((since, user)) if now.duration_since(*since).abs() < BELIEVED => Ok(user.clone()),
            _ => {
                *verified = None;
                let user = authenticator.authenticate(certificates, authorization)?.unwrap_or_else(User::anonymous);
                if authorization.is_none() {
                    *verified = Some((now, user.clone()));
                }
                Ok(user)
            }
        }
    }
}
