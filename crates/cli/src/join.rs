//! How a machine becomes a node: it recognises the server by the pin in its token, asks for a certificate with the token, and from then
//! on speaks as `system:node:NAME` with that certificate (upstream's TLS bootstrapping, with the authority pinned). Before a
//! certificate ends it asks for another one by the one it has, as a kubelet with `rotateCertificates` does.

mod replaceable;
mod request;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use sampan_access::join::JoinToken;
use sampan_access::kubeconfig;
use sampan_access::pki::{self, Identity, LiveCertificate, Subject};
use sampan_client::Client;

use crate::arguments::Agent;
use crate::certificates::keep_renewed;
use crate::layout::{Layout, write_atomically};
use crate::outside::Outside;
use crate::parts::{Hint, Parts};
use replaceable::Replaceable;

const IDENTITY: &str = "node-client";
const SERVING: &str = "node-server";

/// A node that the server knows.
pub(crate) struct Member {
    client: Client,
    authority: CertificateDer<'static>,
    place: Place,
}

/// What a node needs to speak to its server, and to ask it for certificates.
#[derive(Clone)]
struct Place {
    name: String,
    url: String,
    layout: Layout,
    outside: Outside,
}

impl Member {
    /// Takes up the membership of an earlier start, or joins with the token; keeps the node's certificate renewed from then on.
    pub(crate) async fn join(
        options: &Agent,
        layout: &Layout,
        name: &str,
        outside: &Outside,
        parts: &mut Parts,
    ) -> Result<Self> {
        let pki = layout.pki();
        std::fs::create_dir_all(&pki).with_context(|| format!("failed to make {}", pki.display()))?;
        let url = options.server.trim_end_matches('/').to_owned();
        let place = Place { name: name.to_owned(), url, layout: layout.clone(), outside: outside.clone() };
        let (authority, identity) = match kept(layout, outside)? {
            Some(kept) => kept,
            None => {
                let token = options.token.as_deref().with_context(|| {
                    Hint("make one on the server with: sampan token create; then start with --token TOKEN".into())
                });
                let token: JoinToken =
                    token.context("this machine is not a node yet and has no token to join with")?.parse()?;
                first_join(&place, &token).await?
            }
        };
        let client = place.keep_client(identity, &authority, parts).await?;
        Ok(Self { client, authority, place })
    }

    /// Speaks to the server as this node, whichever certificate it has at the time.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The certificate of the node's own API, made by the server's authority and renewed in time, and that authority.
    pub(crate) async fn serving(
        &self,
        names: &[String],
        parts: &mut Parts,
    ) -> Result<(Arc<LiveCertificate>, CertificateDer<'static>)> {
        let Self { client, authority, place } = self;
        let subject = Subject::node_server(&place.name, names);
        let kept = Identity::load(&place.layout.pki(), SERVING)?;
        let identity = match kept.filter(|identity| !identity.needs_renewal(place.outside.clock.now())) {
            Some(identity) => identity,
            None => place.serving_identity(client, &subject).await?,
        };
        let certificate = LiveCertificate::new(&identity)?;
        let (shown, client, own) = (certificate.clone(), client.clone(), place.clone());
        keep_renewed(parts, SERVING, identity, &place.outside, move || {
            let (shown, client, place, subject) = (shown.clone(), client.clone(), own.clone(), subject.clone());
            async move {
                let identity = place.serving_identity(&client, &subject).await?;
                shown.replace(&identity)?;
                Ok(identity)
            }
        });
        Ok((certificate, authority.clone()))
    }
}

impl Place {
    /// A client as this node. Its certificate is renewed in time, by asking with the one it has.
    async fn keep_client(
        &self,
        identity: Identity,
        authority: &CertificateDer<'static>,
        parts: &mut Parts,
    ) -> Result<Client> {
        let replaceable = Replaceable::new(self.speak_as(&identity, authority).await?);
        let client = replaceable.client();
        let (asking, place, authority) = (client.clone(), self.clone(), authority.clone());
        keep_renewed(parts, IDENTITY, identity, &self.outside, move || {
            let (asking, place, authority) = (asking.clone(), place.clone(), authority.clone());
            let replaceable = replaceable.clone();
            async move {
                let identity = place.client_identity(&asking).await?;
                replaceable.replace(place.speak_as(&identity, &authority).await?);
                Ok(identity)
            }
        });
        Ok(client)
    }

    async fn speak_as(&self, identity: &Identity, authority: &CertificateDer<'_>) -> Result<Client> {
        self.speak(authority, kubeconfig::Credentials::Certificate(identity)).await
    }

    /// Writes a kubeconfig with these credentials and speaks by it.
    async fn speak(&self, authority: &CertificateDer<'_>, credentials: kubeconfig::Credentials<'_>) -> Result<Client> {
        let (authority_pem, path) = (request::pem(authority), self.layout.kubeconfig());
        let server = &self.url;
        let text = kubeconfig::Kubeconfig { name: "sampan", server, authority_pem: &authority_pem, credentials };
        write_atomically(&path, text.to_yaml().as_bytes(), 0o600)?;
        sampan_client::from_kubeconfig(&path).await.with_context(|| format!("failed to use {}", path.display()))
    }

    async fn client_identity(&self, client: &Client) -> Result<Identity> {
        self.ask(client, &Subject::node(&self.name), request::Signer::Client, IDENTITY).await
    }

    async fn serving_identity(&self, client: &Client, subject: &Subject) -> Result<Identity> {
        self.ask(client, subject, request::Signer::Serving, SERVING).await
    }

    /// Asks for a certificate and keeps it.
    async fn ask(&self, client: &Client, subject: &Subject, signer: request::Signer, file: &str) -> Result<Identity> {
        let identity = request::certificate(client, subject, signer, &self.name, &self.outside).await?;
        identity.save(&self.layout.pki(), file)?;
        Ok(identity)
    }
}

fn kept(layout: &Layout, outside: &Outside) -> Result<Option<(CertificateDer<'static>, Identity)>> {
    let Ok(pem) = std::fs::read(layout.pki().join("ca.crt")) else { return Ok(None) };
    let authority =
        CertificateDer::from_pem_slice(&pem).context("ca.crt of the data directory holds no certificate")?;
    let identity = Identity::load(&layout.pki(), IDENTITY)?;
    Ok(identity.filter(|identity| identity.not_after() > outside.clock.now()).map(|identity| (authority, identity)))
}

async fn first_join(place: &Place, token: &JoinToken) -> Result<(CertificateDer<'static>, Identity)> {
    let authority = recognise(&place.url, token, &place.outside).await?;
    let bearer = token.bearer();
    let client = place.speak(&authority, kubeconfig::Credentials::Token(kubeconfig::Secret(&bearer))).await?;
    let identity = place.client_identity(&client).await?;
    write_atomically(&place.layout.pki().join("ca.crt"), request::pem(&authority).as_bytes(), 0o600)?;
    Ok((authority, identity))
}

/// Shakes hands with the server and takes the authority its token pins from the chain it shows.
async fn recognise(url: &str, token: &JoinToken, outside: &Outside) -> Result<CertificateDer<'static>> {
    let uri: http::Uri = url.parse().with_context(|| format!("--server {url:?} is no URL"))?;
    let (Some(host), true) = (uri.host(), uri.scheme_str() == Some("https")) else {
        bail!("--server {url:?} must have the form https://HOST:PORT");
    };
    let port = uri.port_u16().unwrap_or(6443);
    let socket = tokio::net::TcpStream::connect((host, port)).await;
    let socket = socket
        .with_context(|| Hint("check that the server runs and that its address is right".into()))
        .with_context(|| format!("failed to reach {host}:{port}"))?;
    let tls = tokio_rustls::TlsConnector::from(Arc::new(pki::pinned_client_config(&token.pin, outside.clock.clone())?));
    let name = ServerName::try_from(host.to_owned()).with_context(|| format!("{host:?} is no host name"))?;
    let stream = tls.connect(name, socket).await;
    let stream = stream
        .with_context(|| {
            Hint("the token may belong to another cluster; make a new one with: sampan token create".into())
        })
        .with_context(|| format!("{host}:{port} is not the server this token was made by"))?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let authority = shown.iter().find(|certificate| pki::pin_of(certificate).as_deref() == Some(token.pin.as_str()));
    authority.cloned().map(CertificateDer::into_owned).context("the server showed no authority")
}
