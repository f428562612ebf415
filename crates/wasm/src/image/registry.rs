//! Talking to registries: credentials, plain HTTP, bounds, and digests computed here.

mod explain;

use std::net::IpAddr;

use futures::StreamExt as _;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use sampan_runtime::{Credentials, ImagePull, Result};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;

use self::explain::is_refusal;
use super::manifest::{ACCEPTED, Raw};
use super::store::{digest_of, format_digest};
use super::{bad, unavailable};
use crate::{Config, Limits, Mirror};

/// How registries are reached.
pub(super) struct Registries {
    plain_http: Vec<String>,
    authorities: Vec<Vec<u8>>,
    mirrors: Vec<Mirror>,
    limits: Limits,
}

impl Registries {
    pub(super) fn new(config: &Config) -> Self {
        Registries {
            plain_http: config.plain_http.clone(),
            authorities: config.registry_authorities.clone(),
            mirrors: config.mirrors.clone(),
            limits: config.limits.clone(),
        }
    }

    /// A client for one pull. Not kept for the next: it remembers tokens, and the next may have other credentials.
    pub(super) fn connect(&self, image: &ImagePull) -> Result<Registry> {
        let (address, credentials) = self.resolve(image);
        let reference: Reference = address.parse().map_err(|error| {
            bad(
                &image.reference,
                format!("it is not a valid image name: {error}; use HOST/NAME:TAG or HOST/NAME@sha256:DIGEST"),
            )
        })?;
        let host = reference.resolve_registry().to_owned();
        let plain = is_loopback(&host) || self.plain_http.iter().chain(&image.plain_http).any(|name| *name == host);
        let mut candidates: Vec<_> = credentials
            .iter()
            .filter(|credentials| same_registry(&credentials.registry, &reference))
            .map(|credentials| RegistryAuth::Basic(credentials.username.clone(), credentials.password.clone()))
            .collect();
        candidates.push(RegistryAuth::Anonymous);
        let protocol = if plain { ClientProtocol::Http } else { ClientProtocol::Https };
        let attempts = candidates
            .into_iter()
            .rev()
            .map(|credentials| Attempt { client: self.client(protocol.clone()), credentials });
        Ok(Registry {
            attempts: Mutex::new(attempts.collect()),
            name: image.reference.clone(),
            reference,
            limits: self.limits.clone(),
        })
    }

    /// Where the image really is, and what may be shown there: a mirror's own credentials go before the pod's.
    fn resolve(&self, image: &ImagePull) -> (String, Vec<Credentials>) {
        let mirror = self
            .mirrors
            .iter()
            .find_map(|mirror| Some((mirror, image.reference.strip_prefix(&mirror.host)?.strip_prefix('/')?)));
        match mirror {
            Some((mirror, name)) => (format!("{}/{name}", mirror.endpoint.registry), vec![mirror.endpoint.clone()]),
            None => (image.reference.clone(), image.credentials.clone()),
        }
    }

    fn client(&self, protocol: ClientProtocol) -> Client {
        let certificate = |pem: &Vec<u8>| Certificate { encoding: CertificateEncoding::Pem, data: pem.clone() };
        Client::new(ClientConfig {
            protocol,
            extra_root_certificates: self.authorities.iter().map(certificate).collect(),
            read_timeout: Some(self.limits.registry_timeout),
            connect_timeout: Some(self.limits.registry_timeout),
            user_agent: concat!("sampan/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        })
    }
}

/// One image at its registry.
pub(super) struct Registry {
    name: String,
    reference: Reference,
    /// What is to be tried, the next one last; there is always one.
    attempts: Mutex<Vec<Attempt>>,
    limits: Limits,
}

/// Credentials and a client that knows only these: clients keep the first they are given for a registry.
#[derive(Clone)]
struct Attempt {
    client: Client,
    credentials: RegistryAuth,
}

/// A blob to be fetched.
pub(super) struct Fetch<'a> {
    pub(super) digest: &'a str,
    pub(super) limit: u64,
}

impl Registry {
    /// The image's name as it was asked for.
    pub(super) fn image(&self) -> &str {
        &self.name
    }

    /// The manifest the image names, or another of the same image by digest.
    pub(super) async fn manifest(&self, digest: Option<&str>, limit: u64) -> Result<Raw> {
        let reference =
            digest.map_or_else(|| self.reference.clone(), |digest| self.reference.clone_with_digest(digest.to_owned()));
        // The client bounds silence, not the whole: a registry must not drip for ever.
        let patience = self.limits.registry_timeout * 4;
        let bytes = tokio::time::timeout(patience, self.authorized_manifest(&reference)).await;
        let bytes = bytes.map_err(|_| {
            self.pull_error(format!("the registry took longer than {} s; try again later", patience.as_secs()))
        })??;
        if bytes.len() as u64 > limit {
            return Err(bad(
                &self.name,
                format!("its manifest has {} bytes, more than the limit of {limit}", bytes.len()),
            ));
        }
        let actual = digest_of(&bytes);
        match reference.digest() {
            Some(expected) if expected != actual => Err(self.lie(expected, &actual)),
            _ => Ok(Raw { digest: actual, bytes: bytes.to_vec() }),
        }
    }

    async fn authorized_manifest(&self, reference: &Reference) -> Result<bytes::Bytes> {
        let mut attempts = self.attempts.lock().await;
        loop {
            let Attempt { client, credentials } =
                attempts.last().cloned().expect("the last attempt is never taken away");
            match client.pull_manifest_raw(reference, &credentials, &ACCEPTED).await {
                Ok((bytes, _)) => return Ok(bytes),
                Err(error) if attempts.len() > 1 && is_refusal(&error) => drop(attempts.pop()),
                Err(error) => return Err(self.explain(error)),
            }
        }
    }

    /// Writes the blob to `out`. What was written is good only when this succeeds.
    pub(super) async fn blob(&self, fetch: &Fetch<'_>, out: &mut (impl AsyncWrite + Unpin)) -> Result<()> {
        let Fetch { digest, limit } = *fetch;
        if !is_sha256(digest) {
            return Err(bad(
                &self.name,
                format!("its manifest names a blob by {digest:?}, which is not a sha256 digest"),
            ));
        }
        let descriptor = OciDescriptor { digest: digest.to_owned(), ..OciDescriptor::default() };
        let Attempt { client, credentials } =
            self.attempts.lock().await.last().cloned().expect("the last attempt is never taken away");
        client.store_auth_if_needed(self.reference.resolve_registry(), &credentials).await;
        let mut stream =
            client.pull_blob_stream(&self.reference, &descriptor).await.map_err(|error| self.explain(error))?.stream;
        let (mut hash, mut length) = (Sha256::new(), 0_u64);
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| self.explain_stream(digest, &error))?;
            length += piece.len() as u64;
            if length > limit {
                return Err(bad(&self.name, format!("blob {digest} has more bytes than the limit of {limit}")));
            }
            hash.update(&piece);
            out.write_all(&piece).await.map_err(|error| unavailable("write to the content store", &error))?;
        }
        let actual = format_digest(hash);
        if actual == digest { Ok(()) } else { Err(self.lie(digest, &actual)) }
    }
}

fn is_sha256(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_uppercase())
    })
}

fn is_loopback(registry: &str) -> bool {
    let host = registry
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()))
        .map_or(registry, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Docker's configuration files write their own registry in several ways.
fn same_registry(credentials: &str, reference: &Reference) -> bool {
    let name = credentials.trim_start_matches("https://").trim_start_matches("http://");
    let name = name.split('/').next().unwrap_or(name);
    name == reference.registry() || name == reference.resolve_registry()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_registries_need_no_tls() {
        for host in ["localhost:5000", "127.0.0.1:5000", "127.64.0.1", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["registry.example", "10.0.0.1:5000", "localhost.example:5000"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn credentials_are_for_their_registry_alone() {
        let reference: Reference = "docker.io/library/hello:1".parse().unwrap();
        assert!(same_registry("https://index.docker.io/v1/", &reference));
        assert!(same_registry("docker.io", &reference));
        assert!(!same_registry("registry.example", &reference));
    }
}
