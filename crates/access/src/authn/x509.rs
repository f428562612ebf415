//! Client certificates: the common name is the user, the organizations are the groups (upstream's `x509.CommonNameUserConversion`).

use std::collections::HashMap;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use sampan_api::request::User;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Unauthorized;
use crate::pki;

/// More certificates than clients at once; when it is reached the memory is emptied, which costs time, nothing else.
const MOST_REMEMBERED: usize = 1_000;

/// The certificates whose clients are believed, and those already verified: a signature need not be checked again with every
/// request of a connection, but the time must.
pub(super) struct Clients {
    authority: Vec<CertificateDer<'static>>,
    verified: Mutex<HashMap<Vec<u8>, Known>>,
}

/// A certificate that was verified.
#[derive(Clone)]
struct Known {
    user: User,
    /// Seconds since 1970, both inclusive.
    valid: RangeInclusive<i64>,
}

impl Clients {
    pub(super) fn new(authority: Vec<CertificateDer<'static>>) -> Self {
        Self { authority, verified: Mutex::default() }
    }

    /// The user of a chain (leaf first) that the authority vouches for; `None` without a chain.
    pub(super) fn authenticate(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<Option<User>, Unauthorized> {
        let Some((leaf, intermediates)) = chain.split_first() else { return Ok(None) };
        let remembered = self.verified.lock().get(leaf.as_ref()).cloned();
        if let Some(known) = remembered.filter(|known| known.valid.contains(&now.as_second())) {
            return Ok(Some(known.user));
        }
        verify(&self.authority, leaf, intermediates, now)?;
        let known = read(leaf)?;
        // Only what the authority itself has issued: the time of an intermediate would have to be looked at as well.
        if verify(&self.authority, leaf, &[], now).is_ok() {
            self.remember(leaf, known.clone());
        }
        Ok(Some(known.user))
    }

    fn remember(&self, leaf: &CertificateDer<'_>, known: Known) {
        let mut verified = self.verified.lock();
        if verified.len() >= MOST_REMEMBERED {
            verified.clear();
        }
        verified.insert(leaf.to_vec(), known);
    }
}

/// The chain was verified in the handshake; a connection may be older than its certificate, though, and a caller in the same
/// process may have no handshake at all, so that it is done again here.
fn verify(
    authority: &[CertificateDer<'static>],
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<(), Unauthorized> {
    let refuse = |error: &dyn std::fmt::Display| Unauthorized::because(format!("client certificate refused: {error}"));
    let roots = pki::roots(authority).map_err(|error| refuse(&error))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), pki::provider());
    let verifier = verifier.build().map_err(|error| refuse(&error))?;
    let intermediates: Vec<_> = intermediates.iter().map(|der| der.clone().into_owned()).collect();
    verifier.verify_client_cert(leaf, &intermediates, unix_time(now)).map(|_| ()).map_err(|error| refuse(&error))
}

fn unix_time(now: Timestamp) -> UnixTime {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn read(leaf: &CertificateDer<'_>) -> Result<Known, Unauthorized> {
    let (_, certificate) =
        X509Certificate::from_der(leaf).map_err(|_| Unauthorized::because("client certificate cannot be read"))?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    if name.is_empty() {
        return Err(Unauthorized::because("client certificate has no common name"));
    }
    let groups = subject.iter_organization().filter_map(|name| name.as_str().ok()).map(str::to_owned).collect();
    let validity = certificate.validity();
    let valid = validity.not_before.timestamp()..=validity.not_after.timestamp();
    Ok(Known { user: User { name: name.to_owned(), groups, ..User::default() }, valid })
}
