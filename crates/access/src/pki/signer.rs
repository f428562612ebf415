//! Signing other people's requests, by upstream's signers (`pkg/controller/certificates/signer`, `pkg/apis/certificates/helpers.go`).
//!
//! A certificate is made from what was checked, never from the request as it came: nothing that is not looked at here can enter.

use std::time::Duration;

use rcgen::CertificateSigningRequestParams;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use sampan_api::request::MASTERS;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use super::{Authority, Purpose, Subject};

/// The signer of nodes' client certificates.
pub const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// The signer of the certificates nodes serve with.
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
/// The signer of client certificates for anybody; approved by a person, never by itself.
pub const KUBE_APISERVER_CLIENT: &str = "kubernetes.io/kube-apiserver-client";

const SHORTEST: u64 = 600;

/// What `spec` of a CertificateSigningRequest asks for.
#[derive(Clone, Copy, Debug)]
pub struct SigningRequest<'a> {
    /// `signerName`
    pub signer_name: &'a str,
    /// `request`, decoded from base64: PEM of a PKCS #10 request.
    pub request_pem: &'a str,
    /// `usages`
    pub usages: &'a [String],
    /// `expirationSeconds`; at least 600, at most (and by default) a year is given.
    pub expiration_seconds: Option<i64>,
}

/// Who a request wants to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// The subject's common name: a user.
    pub common_name: String,
    /// The subject's organizations: groups.
    pub organizations: Vec<String>,
    /// DNS names and addresses; of a name of another kind, the kind.
    pub alternative_names: Vec<String>,
}

/// Why a request is not signed; asking again as it stands is no use. The words are upstream's where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Authority {
    /// Checks a request by the rules of its signer and signs it; gives the certificate in PEM. Who asked, and whether somebody
    /// approved, is the caller's to know.
    pub fn sign(&self, request: &SigningRequest<'_>) -> Result<String, Refused> {
        let der = decode(request.request_pem)?;
        let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(unreadable)?;
        // Proves that whoever asks holds the private key.
        let verified = CertificateSigningRequestParams::from_der(&der).map_err(unreadable)?;
        let asked = Asked::of(&parsed)?;
        let purpose = match request.signer_name {
            KUBELET_CLIENT => asked.check_node_client(request.usages)?,
            KUBELET_SERVING => asked.check_node_server(request.usages)?,
            KUBE_APISERVER_CLIENT => asked.check_client(request.usages)?,
            other => return Err(refuse(format!("signer {other:?} is not one of this cluster's"))),
        };
        let subject = Subject {
            common_name: asked.common_name,
            organizations: asked.organizations,
            alternative_names: asked.dns_names.into_iter().chain(asked.addresses).collect(),
            purpose,
        };
        let life = request.expiration_seconds.map(|seconds| u64::try_from(seconds).unwrap_or_default().max(SHORTEST));
        self.certify(&subject, &verified.public_key, life.map(Duration::from_secs)).map_err(refuse)
    }
}

/// Who a request in PEM wants to be, after checking that it is signed by the key it is for.
pub fn requested(request_pem: &str) -> Result<Requested, Refused> {
    let der = decode(request_pem)?;
    let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(unreadable)?;
    CertificateSigningRequestParams::from_der(&der).map_err(unreadable)?;
    let Asked { common_name, organizations, dns_names, addresses, other_names } = Asked::of(&parsed)?;
    let other_names = other_names.into_iter().map(str::to_owned);
    let alternative_names = dns_names.into_iter().chain(addresses).chain(other_names).collect();
    Ok(Requested { common_name, organizations, alternative_names })
}

/// The organizations (groups) a request in PEM asks for.
pub(crate) fn requested_organizations(request_pem: &str) -> Result<Vec<String>, Refused> {
    let der = decode(request_pem)?;
    let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(unreadable)?;
    Ok(names(&parsed.certification_request_info.subject).1)
}

fn decode(request_pem: &str) -> Result<CertificateSigningRequestDer<'static>, Refused> {
    let der = CertificateSigningRequestDer::from_pem_slice(request_pem.as_bytes());
    der.map_err(|_| refuse("PEM block type must be CERTIFICATE REQUEST"))
}

fn unreadable(error: impl std::fmt::Display) -> Refused {
    refuse(format!("unable to parse csr: {error}"))
}

/// What a request says about its subject.
#[derive(Default)]
struct Asked {
    common_name: String,
    organizations: Vec<String>,
    dns_names: Vec<String>,
    addresses: Vec<String>,
    /// e-mail addresses, URIs and whatever else there is
    other_names: Vec<&'static str>,
}

impl Asked {
    fn of(request: &X509CertificationRequest<'_>) -> Result<Self, Refused> {
        let (common_name, organizations) = names(&request.certification_request_info.subject);
        let mut asked = Self { common_name, organizations, ..Self::default() };
        for extension in request.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                names.general_names.iter().try_for_each(|name| asked.add(name))?;
            }
        }
        Ok(asked)
    }

    fn add(&mut self, name: &GeneralName<'_>) -> Result<(), Refused> {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                self.addresses.push(address(bytes).ok_or_else(|| refuse("an IP subjectAltName is malformed"))?)
            }
            GeneralName::RFC822Name(_) => self.other_names.push("Email"),
            GeneralName::URI(_) => self.other_names.push("URI"),
            _ => self.other_names.push("other"),
        }
        Ok(())
    }

    fn check_node(&self) -> Result<(), Refused> {
        if self.organizations != ["system:nodes"] {
            return Err(refuse("subject organization is not system:nodes"));
        }
        match self.common_name.strip_prefix("system:node:") {
            None | Some("") => Err(refuse("subject common name does not begin with system:node: ")),
            Some(_) => match self.other_names.first() {
                Some(kind) => Err(refuse(format!("{kind} subjectAltNames are not allowed"))),
                None => Ok(()),
            },
        }
    }

    fn check_node_client(&self, usages: &[String]) -> Result<Purpose, Refused> {
        self.check_node()?;
        match () {
            () if !self.dns_names.is_empty() => Err(refuse("DNS subjectAltNames are not allowed")),
            () if !self.addresses.is_empty() => Err(refuse("IP subjectAltNames are not allowed")),
            () => exactly(usages, "client auth").map(|()| Purpose::Client),
        }
    }

    /// Admission refuses the group as well; what is signed must not depend on what was asked before.
    fn check_client(&self, usages: &[String]) -> Result<Purpose, Refused> {
        match self.organizations.iter().any(|organization| organization == MASTERS) {
            true => Err(refuse(format!("use of {KUBE_APISERVER_CLIENT} signer with {MASTERS} group is not allowed"))),
            false => check_client_usages(usages),
        }
    }

    fn check_node_server(&self, usages: &[String]) -> Result<Purpose, Refused> {
        self.check_node()?;
        match self.dns_names.is_empty() && self.addresses.is_empty() {
            true => Err(refuse("DNS or IP subjectAltName is required")),
            false => exactly(usages, "server auth").map(|()| Purpose::Server),
        }
    }
}

/// `digital signature` and the given usage, with or without `key encipherment`.
fn exactly(usages: &[String], usage: &str) -> Result<(), Refused> {
    let mut found: Vec<&str> = usages.iter().map(String::as_str).filter(|usage| *usage != "key encipherment").collect();
    found.sort_unstable();
    found.dedup();
    match found == sorted(["digital signature", usage]) {
        true => Ok(()),
        false => Err(refuse(format!("usages did not match [digital signature key encipherment {usage}]"))),
    }
}

fn sorted<const N: usize>(mut values: [&str; N]) -> [&str; N] {
    values.sort_unstable();
    values
}

fn check_client_usages(usages: &[String]) -> Result<Purpose, Refused> {
    let known = ["digital signature", "key encipherment", "client auth"];
    let only_known = usages.iter().all(|usage| known.contains(&usage.as_str()));
    match only_known && usages.iter().any(|usage| usage == "client auth") {
        true => Ok(Purpose::Client),
        false => {
            Err(refuse("usages did not match [client auth], with or without digital signature and key encipherment"))
        }
    }
}

fn refuse(why: impl ToString) -> Refused {
    Refused(why.to_string())
}

fn names(subject: &X509Name<'_>) -> (String, Vec<String>) {
    let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    let organizations = subject.iter_organization().filter_map(|name| name.as_str().ok()).map(str::to_owned).collect();
    (common_name.to_owned(), organizations)
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| std::net::IpAddr::from(octets).to_string());
    let v6 = <[u8; 16]>::try_from(bytes).map(|octets| std::net::IpAddr::from(octets).to_string());
    v4.or(v6).ok()
}

/// The subject of a certificate this crate has made; `None` for one that cannot be read.
pub(super) fn subject_of(certificate: &CertificateDer<'_>) -> Option<Subject> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let (common_name, organizations) = names(parsed.subject());
    let usage = parsed.extended_key_usage().ok()??.value;
    let purpose = if usage.server_auth { Purpose::Server } else { Purpose::Client };
    let mut alternative_names = Vec::new();
    if let Some(extension) = parsed.subject_alternative_name().ok()? {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => alternative_names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => alternative_names.push(address(bytes)?),
                _ => return None,
            }
        }
    }
    Some(Subject { common_name, organizations, alternative_names, purpose })
}
