//! Recognising a cluster by the hash of its authority's public key, before anything else of it is known.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sampan_meta::Clock;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::tls::Time;
use super::{Error, provider, roots};

/// The SHA-256 of a certificate's public key (SPKI) in hex, as [`crate::Authority::pin`] gives it; `None` for what is no certificate.
pub fn pin_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(hex_digest(parsed.public_key().raw))
}

pub(super) fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a machine that only has a join token speaks TLS: the server's chain must hold the authority with this pin, and the
/// server's certificate must be vouched for by it, for the name that was dialled, now. After the handshake the authority's
/// certificate is the one of the peer's certificates with this [`pin_of`].
pub fn pinned_client_config(pin: &str, clock: Arc<dyn Clock>) -> Result<ClientConfig, Error> {
    let verifier = Arc::new(Pinned { pin: pin.to_owned(), provider: provider() });
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Time(clock)));
    let builder = builder.with_protocol_versions(&[&TLS13]).map_err(Error::Tls)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

struct Pinned {
    pin: String,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("pin", &self.pin).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The pin alone proves nothing (anybody can show the authority's certificate): it picks the root the leaf must chain to.
        let authority = intermediates.iter().find(|certificate| pin_of(certificate).as_deref() == Some(&self.pin));
        let authority = authority.ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let general = |error: &dyn fmt::Display| rustls::Error::General(error.to_string());
        let roots = roots(&[authority.clone().into_owned()]).map_err(|error| general(&error))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        verifier.map_err(|error| general(&error))?.verify_server_cert(leaf, &[], name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
