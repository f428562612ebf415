//! TLS configurations: version 1.3 alone, ring as provider, the time from the given clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, UnixTime};
use sampan_meta::Clock;

use super::{Error, Identity, LiveCertificate};

const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The one cryptography provider of the program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Certificates as the roots of trust.
pub fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(Error::Tls)?;
    }
    Ok(roots)
}

/// What a server asks of its clients during the handshake.
#[derive(Clone, Debug)]
pub enum Clients {
    /// It asks for no certificate.
    NotAsked,
    /// A certificate may be shown; if it is, it must be vouched for by one of these. Who shows none is judged by other means.
    May(Vec<CertificateDer<'static>>),
    /// Without a certificate vouched for by one of these there is no connection.
    Must(Vec<CertificateDer<'static>>),
}

/// How a server speaks TLS: h2 and http/1.1, TLS 1.3.
pub fn server_config(
    certificate: Arc<LiveCertificate>,
    clients: &Clients,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(Time(clock)));
    let builder = builder.with_protocol_versions(&[&TLS13]).map_err(Error::Tls)?;
    let verifier = match clients {
        Clients::NotAsked => WebPkiClientVerifier::no_client_auth(),
        Clients::May(authority) => client_verifier(authority, true)?,
        Clients::Must(authority) => client_verifier(authority, false)?,
    };
    let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(certificate);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

fn client_verifier(
    authority: &[CertificateDer<'static>],
    may_be_absent: bool,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Error> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authority)?), provider());
    let builder = if may_be_absent { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| Error::Tls(rustls::Error::General(error.to_string())))
}

/// How a client speaks TLS to servers vouched for by one of `authority`, showing `identity` if it has one.
pub fn client_config(
    authority: &[CertificateDer<'static>],
    identity: Option<&Identity>,
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, Error> {
    match identity {
        None => Ok(client_builder(authority, clock)?.with_no_client_auth()),
        Some(identity) => live_client_config(authority, LiveCertificate::new(identity)?, clock),
    }
}

/// The same for a client whose certificate is replaced while it runs.
pub fn live_client_config(
    authority: &[CertificateDer<'static>],
    certificate: Arc<LiveCertificate>,
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, Error> {
    let mut config = client_builder(authority, clock)?.with_client_cert_resolver(certificate);
    // A resumed session stands for the certificate it began with, which may be the replaced one.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn client_builder(
    authority: &[CertificateDer<'static>],
    clock: Arc<dyn Clock>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(authority)?), provider()).build();
    let verifier = verifier.map_err(|error| Error::Tls(rustls::Error::General(error.to_string())))?;
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Time(clock)));
    Ok(builder.with_protocol_versions(&[&TLS13]).map_err(Error::Tls)?.with_webpki_verifier(verifier))
}

/// The clock as rustls asks for it.
pub(super) struct Time(pub(super) Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Time").finish_non_exhaustive()
    }
}
