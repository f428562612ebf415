//! How a machine becomes a node: it recognises the server by the pin in its token, asks for a certificate with the token, and from then
//! on speaks as `system:node:NAME` with that certificate (upstream's TLS bootstrapping, with the authority pinned).

mod request;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use sampan_access::join::JoinToken;
use sampan_access::kubeconfig;
use sampan_access::pki::{self, Identity, Subject};
use sampan_client::Client;

use crate::arguments::Agent;
use crate::layout::{Layout, write_atomically};
use crate::outside::Outside;
use crate::parts::Hint;

const IDENTITY: &str = "node-client";
const SERVING: &str = "node-server";

/// A node that the server knows.
pub(crate) struct Member {
    url: String,
    authority: CertificateDer<'static>,
    identity: Identity,
    layout: Layout,
    outside: Outside,
}

impl Member {
    /// Takes up the membership of an earlier start, or joins with the token.
    pub(crate) async fn join(options: &Agent, layout: &Layout, name: &str, outside: &Outside) -> Result<Self> {
        let pki = layout.pki();
        std::fs::create_dir_all(&pki).with_context(|| format!("failed to make {}", pki.display()))?;
        let url = options.server.trim_end_matches('/').to_owned();
        let (authority, identity) = match kept(layout, outside)? {
            Some(kept) => kept,
            None => {
                let token = options.token.as_deref().with_context(|| {
                    Hint("make one on the server with: sampan token create; then start with --token TOKEN".into())
                });
                let token: JoinToken =
                    token.context("this machine is not a node yet and has no token to join with")?.parse()?;
                first_join(&url, &token, layout, name, outside).await?
            }
        };
        Ok(Self { url, authority, identity, layout: layout.clone(), outside: outside.clone() })
    }

    /// Speaks to the server as this node, by the kubeconfig it leaves in the data directory.
    pub(crate) async fn client(&self) -> Result<Client> {
        let credentials = kubeconfig::Credentials::Certificate(&self.identity);
        speak(&self.url, &self.authority, credentials, &self.layout.kubeconfig()).await
    }

    /// The certificate of the node's own API, made by the server's authority, and that authority.
    pub(crate) async fn serving_identity(
        &self,
        name: &str,
        names: &[String],
    ) -> Result<(Identity, CertificateDer<'static>)> {
        if let Some(identity) = Identity::load(&self.layout.pki(), SERVING)?
            && !identity.needs_renewal(self.outside.clock.now())
        {
            return Ok((identity, self.authority.clone()));
        }
        let client = self.client().await?;
        let subject = Subject::node_server(name, names);
        let identity = request::certificate(&client, &subject, request::Signer::Serving, name, &self.outside).await?;
        identity.save(&self.layout.pki(), SERVING)?;
        Ok((identity, self.authority.clone()))
    }
}

fn kept(layout: &Layout, outside: &Outside) -> Result<Option<(CertificateDer<'static>, Identity)>> {
    let Ok(pem) = std::fs::read(layout.pki().join("ca.crt")) else { return Ok(None) };
    let authority =
        CertificateDer::from_pem_slice(&pem).context("ca.crt of the data directory holds no certificate")?;
    let identity = Identity::load(&layout.pki(), IDENTITY)?;
    Ok(identity.filter(|identity| identity.not_after() > outside.clock.now()).map(|identity| (authority, identity)))
}

async fn first_join(
    url: &str,
    token: &JoinToken,
    layout: &Layout,
    name: &str,
    outside: &Outside,
) -> Result<(CertificateDer<'static>, Identity)> {
    let authority = recognise(url, token, outside).await?;
    let bearer = token.bearer();
    let credentials = kubeconfig::Credentials::Token(kubeconfig::Secret(&bearer));
    let client = speak(url, &authority, credentials, &layout.kubeconfig()).await?;
    let identity = request::certificate(&client, &Subject::node(name), request::Signer::Client, name, outside).await?;
    identity.save(&layout.pki(), IDENTITY)?;
    write_atomically(&layout.pki().join("ca.crt"), request::pem(&authority).as_bytes(), 0o600)?;
    Ok((authority, identity))
}

/// Writes a kubeconfig with these credentials and speaks by it.
async fn speak(
    url: &str,
    authority: &CertificateDer<'_>,
    credentials: kubeconfig::Credentials<'_>,
    path: &std::path::Path,
) -> Result<Client> {
    let authority_pem = request::pem(authority);
    let text =
        kubeconfig::Kubeconfig { name: "sampan", server: url, authority_pem: &authority_pem, credentials }.to_yaml();
    write_atomically(path, text.as_bytes(), 0o600)?;
    sampan_client::from_kubeconfig(path).await.with_context(|| format!("failed to use {}", path.display()))
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
