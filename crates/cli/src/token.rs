//! `sampan token`: how nodes are let in.

use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sampan_access::join::JoinToken;
use sampan_access::pki;

use crate::arguments::{self, Cluster};
use crate::cluster::{Stored, appears, connect, create};
use crate::outside::Outside;

/// How long a cluster that has just started may take to publish its authority.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(command: arguments::Token) -> Result<()> {
    match command {
        arguments::Token::Create { ttl, cluster } => make(&ttl, &cluster).await,
    }
}

#[expect(clippy::print_stdout, reason = "the token is the output")]
async fn make(ttl: &str, cluster: &Cluster) -> Result<()> {
    let outside = Outside::real();
    let ttl: jiff::Span = ttl.parse().with_context(|| format!("--ttl {ttl:?} is no time; write 30m, 24h or 7d"))?;
    let days_are_24_hours = jiff::SpanRelativeTo::days_are_24_hours();
    let expires = outside.clock.now().checked_add(ttl.to_duration(days_are_24_hours)?).context("--ttl is too long")?;
    let client = connect(cluster).await?;
    let token = JoinToken::generate(&pin(&client).await?, outside.entropy.as_ref());
    let secret = token.secret_object(expires, "made by sampan token create");
    create(&client, &Stored::of(&secret)?, &secret).await?;
    println!("{token}");
    Ok(())
}

/// The pin of the cluster's authority, which every namespace holds for its pods.
async fn pin(client: &sampan_client::Client) -> Result<String> {
    let published = Stored::named("v1", "ConfigMap", "kube-system", "kube-root-ca.crt")?;
    let published = appears(client, &published, PATIENCE).await?;
    let pem = published["data"]["ca.crt"].as_str().context("configmap kube-system/kube-root-ca.crt holds no ca.crt")?;
    let certificate =
        CertificateDer::from_pem_slice(pem.as_bytes()).context("the cluster's authority is no certificate")?;
    pki::pin_of(&certificate).context("the cluster's authority is no certificate")
}
