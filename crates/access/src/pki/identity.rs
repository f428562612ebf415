//! A certificate with its key, and one that is still to be signed.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::validity::Validity;
use super::{Error, Subject, files};

/// A certificate (or a chain of them) and the private key that belongs to it.
pub struct Identity {
    certificate_pem: String,
    key_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    validity: Validity,
}

impl Identity {
    /// Reads both from PEM and checks that they belong together.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let chain = certificates(certificate_pem)?;
        let leaf = chain.first().ok_or_else(|| pem_error("certificate", &"the text holds none"))?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| pem_error("certificate", &error))?;
        let validity = Validity::read(&parsed);
        let pair = KeyPair::from_pem(key_pem).map_err(|error| pem_error("key", &error))?;
        if parsed.public_key().subject_public_key.data.as_ref() != pair.public_key_raw() {
            return Err(pem_error("key", &"it belongs to another certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| pem_error("key", &error))?;
        Ok(Self { certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned(), chain, key, validity })
    }

    /// Finds `NAME.crt` and `NAME.key` in a directory; `None` when either is not there.
    pub fn load(directory: &Path, name: &str) -> Result<Option<Self>, Error> {
        let (certificate_path, key_path) = paths(directory, name);
        let (Some(certificate), Some(key)) = (files::read(&certificate_path)?, files::read(&key_path)?) else {
            return Ok(None);
        };
        let damaged = |error: Error| Error::Damaged { path: certificate_path, why: error.to_string() };
        Self::from_pem(&certificate, &key).map(Some).map_err(damaged)
    }

    /// Keeps both as `NAME.crt` and `NAME.key` in a directory, readable by the owner alone.
    pub fn save(&self, directory: &Path, name: &str) -> Result<(), Error> {
        files::make_directory(directory)?;
        let (certificate_path, key_path) = paths(directory, name);
        // A crash between the two leaves a pair that does not belong together, which is found and replaced at the next start.
        files::write(&key_path, &self.key_pem)?;
        files::write(&certificate_path, &self.certificate_pem)
    }

    /// The certificate chain in PEM, leaf first.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key in PEM (PKCS #8).
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate chain in DER, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The private key in DER.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The last moment it holds.
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    pub(super) fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether it should be replaced: less than a third of its life is left.
    pub fn needs_renewal(&self, now: Timestamp) -> bool {
        self.validity.needs_renewal(now)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// A key of one's own and the request to have it certified: what a node makes before it is known.
pub struct Pending {
    key_pem: String,
    request_pem: String,
}

impl Pending {
    /// Makes a key and a request for `subject`.
    pub fn new(subject: &Subject) -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(|error| subject.failed(&error))?;
        let mut params = subject.params()?;
        // The request asks for a name and for usages; whether the bearer may become an authority is not up to it.
        params.is_ca = rcgen::IsCa::NoCa;
        let request = params.serialize_request(&key).map_err(|error| subject.failed(&error))?;
        let request_pem = request.pem().map_err(|error| subject.failed(&error))?;
        Ok(Self { key_pem: key.serialize_pem(), request_pem })
    }

    /// The request (PKCS #10) in PEM, for `spec.request` of a CertificateSigningRequest.
    pub fn request_pem(&self) -> &str {
        &self.request_pem
    }

    /// Puts the certificate that came back and the key together.
    pub fn complete(self, certificate_pem: &str) -> Result<Identity, Error> {
        Identity::from_pem(certificate_pem, &self.key_pem)
    }
}

/// All certificates of a PEM text.
/// The certificates in a PEM text.
///
/// # Errors
/// When one of them is damaged.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    all.map_err(|error| pem_error("certificate", &error))
}

pub(super) fn pem_error(what: &'static str, why: &dyn fmt::Display) -> Error {
    Error::Pem { what, why: why.to_string() }
}

fn paths(directory: &Path, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")))
}
