//! The authority itself: a key and a certificate that signs others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rcgen::{PublicKeyData, SerialNumber};
use rustls_pki_types::CertificateDer;
use sampan_meta::{Clock, Entropy};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::validity::{self, Validity};
use super::{Error, Identity, Subject, TokenKey, files, identity, pinned};

const NAME: &str = "ca";
const TOKEN_KEY: &str = "service-account.key";
const COMMON_NAME: &str = "sampan";

/// The cluster's certificate authority and the key of its service-account tokens, kept in one directory:
/// `ca.crt`, `ca.key`, `service-account.key`, and `NAME.crt` and `NAME.key` of what [`Authority::keep`] is asked for.
pub struct Authority {
    directory: PathBuf,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    validity: Validity,
    issuer: Issuer<'static, KeyPair>,
    token_key: TokenKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Authority {
    /// Finds the authority in `directory`, or makes it there (mode 0700, files 0600). With less than a third of its life left
    /// its certificate is made anew for the same key, so that all it has issued still holds.
    ///
    /// Keys come from the operating system's generator; `entropy` is for serial numbers.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        Self::open_as(COMMON_NAME, directory, clock, entropy)
    }

    /// As [`Authority::open`], of an authority of another name: who is vouched for by it is nobody to the cluster's own.
    pub fn open_as(
        common_name: &str,
        directory: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        files::make_directory(directory)?;
        let certificate_path = directory.join(format!("{NAME}.crt"));
        let kept = files::read(&certificate_path)?;
        let key = open_key(&directory.join(format!("{NAME}.key")), kept.is_none())?;
        let token_key = TokenKey::new(&open_key(&directory.join(TOKEN_KEY), true)?);
        let kept = kept.map(|pem| load(&certificate_path, pem, &key)).transpose()?;
        let (certificate_pem, certificate) = match kept {
            Some((pem, der)) if !validity_of(&der)?.needs_renewal(clock.now()) => (pem, der),
            _ => {
                let made = self_signed(common_name, &key, clock.as_ref(), entropy.as_ref())?;
                files::write(&certificate_path, &made.0)?;
                made
            }
        };
        let validity = validity_of(&certificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| failed(common_name, &error))?;
        let directory = directory.to_owned();
        Ok(Self { directory, certificate, certificate_pem, validity, issuer, token_key, clock, entropy })
    }

    /// What everybody who is to trust the cluster gets: `certificate-authority-data`, ConfigMap `kube-root-ca.crt`.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The same in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The SHA-256 of its public key (SPKI) in hex: survives the renewal of the certificate. Part of join tokens.
    pub fn pin(&self) -> String {
        pinned::hex_digest(&self.issuer.key().subject_public_key_info())
    }

    /// The key for [`crate::token::Issuer`].
    pub fn token_key(&self) -> TokenKey {
        self.token_key.clone()
    }

    /// A new certificate and key for `subject`, for one year. The chain ends in the authority's own certificate, by which
    /// somebody who only has the [`Authority::pin`] recognises it.
    pub fn issue(&self, subject: &Subject) -> Result<Identity, Error> {
        let key = KeyPair::generate().map_err(|error| subject.failed(&error))?;
        let leaf = self.certify(subject, &key, None)?;
        Identity::from_pem(&format!("{leaf}{}", self.certificate_pem), &key.serialize_pem())
    }

    /// The certificate `name` of this authority's directory: the kept one as long as it was issued by this authority for this
    /// subject and has a third of its life left, else a new one.
    pub fn keep(&self, name: &str, subject: &Subject) -> Result<Identity, Error> {
        let kept = match Identity::load(&self.directory, name) {
            // What cannot be used is not worth an error here: unlike the authority it can be made again.
            Err(Error::Damaged { path, why }) => {
                tracing::warn!(path = %path.display(), why, "certificate cannot be used, issuing another");
                None
            }
            other => other?,
        };
        if let Some(kept) = kept
            && self.is_current(&kept, subject)
        {
            return Ok(kept);
        }
        let issued = self.issue(subject)?;
        issued.save(&self.directory, name)?;
        Ok(issued)
    }

    fn is_current(&self, identity: &Identity, subject: &Subject) -> bool {
        let chain = identity.chain();
        let by_us = chain.last() == Some(&self.certificate);
        by_us
            && !identity.needs_renewal(self.clock.now())
            && super::signer::subject_of(&chain[0]).as_ref() == Some(subject)
    }

    /// Signs `public_key` for `subject` for `life` seconds (at most, and by default, a year); the certificate alone, in PEM.
    pub(super) fn certify(
        &self,
        subject: &Subject,
        public_key: &impl PublicKeyData,
        life: Option<std::time::Duration>,
    ) -> Result<String, Error> {
        let mut params = subject.params()?;
        let life = life.unwrap_or(validity::ISSUED).min(validity::ISSUED);
        Validity::starting(self.clock.now(), life, Some(self.validity.not_after)).write(&mut params);
        params.serial_number = Some(serial_number(self.entropy.as_ref()));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(public_key, &self.issuer).map_err(|error| subject.failed(&error))?;
        Ok(certificate.pem())
    }
}

fn self_signed(
    common_name: &str,
    key: &KeyPair,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<(String, CertificateDer<'static>), Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.serial_number = Some(serial_number(entropy));
    Validity::starting(clock.now(), validity::AUTHORITY, None).write(&mut params);
    let certificate = params.self_signed(key).map_err(|error| failed(common_name, &error))?;
    Ok((certificate.pem(), certificate.into()))
}

/// Reads a key, or makes it when there is none and that is all right.
fn open_key(path: &Path, may_create: bool) -> Result<KeyPair, Error> {
    let damaged = |why: String| Error::Damaged { path: path.to_owned(), why };
    match files::read(path)? {
        Some(text) => {
            let key = KeyPair::from_pem(&text).map_err(|error| damaged(error.to_string()))?;
            let is_p256 = key.algorithm() == &rcgen::PKCS_ECDSA_P256_SHA256;
            if is_p256 { Ok(key) } else { Err(damaged("it is not an ECDSA P-256 key".to_owned())) }
        }
        None if may_create => {
            let key = KeyPair::generate().map_err(|error| failed("a key", &error))?;
            files::write(path, &key.serialize_pem())?;
            Ok(key)
        }
        None => Err(damaged("it is missing while its certificate is there".to_owned())),
    }
}

fn load(path: &Path, pem: String, key: &KeyPair) -> Result<(String, CertificateDer<'static>), Error> {
    let damaged = |why: String| Error::Damaged { path: path.to_owned(), why };
    let found = identity::certificates(&pem).map_err(|error| damaged(error.to_string()))?;
    let certificate = found.into_iter().next().ok_or_else(|| damaged("it holds no certificate".to_owned()))?;
    let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| damaged(error.to_string()))?;
    if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
        return Err(damaged("its key is another one".to_owned()));
    }
    Ok((pem, certificate))
}

fn validity_of(certificate: &CertificateDer<'_>) -> Result<Validity, Error> {
    let parsed = X509Certificate::from_der(certificate);
    let (_, parsed) = parsed.map_err(|error| identity::pem_error("certificate", &error))?;
    Ok(Validity::read(&parsed))
}

/// 127 random bits: positive, and not to be guessed.
fn serial_number(entropy: &dyn Entropy) -> SerialNumber {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn failed(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Issue { name: name.to_owned(), why: error.to_string() }
}
