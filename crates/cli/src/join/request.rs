//! Asking the server for a certificate with a CertificateSigningRequest, and waiting for it on a watch.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, pin_mut};
use rustls::pki_types::CertificateDer;
use sampan_access::pki::{Identity, Pending, Subject};
use sampan_api::k8s::api::certificates::v1::CertificateSigningRequest;
use sampan_client::{Api, Client, PostParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::outside::Outside;
use crate::parts::Hint;

/// How long the server may take to approve and sign: it does so at once, unless approval is left to a person.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Which of the built-in signers is asked.
#[derive(Clone, Copy)]
pub(super) enum Signer {
    /// For the node as a client of the server.
    Client,
    /// For the node's own API.
    Serving,
}

impl Signer {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "kubernetes.io/kube-apiserver-client-kubelet",
            Self::Serving => "kubernetes.io/kubelet-serving",
        }
    }

    fn usages(self) -> [&'static str; 2] {
        match self {
            Self::Client => ["digital signature", "client auth"],
            Self::Serving => ["digital signature", "server auth"],
        }
    }
}

pub(super) async fn certificate(
    client: &Client,
    subject: &Subject,
    signer: Signer,
    node: &str,
    outside: &Outside,
) -> Result<Identity> {
    let pending = Pending::new(subject)?;
    let name = format!("node-csr-{}", sampan_meta::random_suffix(outside.entropy.as_ref(), 10));
    let request = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {"request": STANDARD.encode(pending.request_pem()), "signerName": signer.name(), "usages": signer.usages()}});
    let api: Api<CertificateSigningRequest> = Api::all(client.clone());
    let created = api.create(&PostParams::default(), &serde_json::from_value(request)?).await;
    created
        .with_context(|| {
            Hint(
                "the token, or the node's certificate, may have expired; make a new token with: sampan token create"
                    .into(),
            )
        })
        .with_context(|| format!("the server refused to take node {node}'s request for a certificate"))?;
    let signed = tokio::time::timeout(PATIENCE, signed(&api, &name)).await;
    let signed = signed.with_context(|| {
        format!("nobody approved certificatesigningrequest {name} in {} s; approve it with: kubectl certificate approve {name}", PATIENCE.as_secs())
    })??;
    pending.complete(&signed).context("the server sent a certificate that does not fit the request")
}

async fn signed(api: &Api<CertificateSigningRequest>, name: &str) -> Result<String> {
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
    let events = api.watch(&parameters, "0").await.context("failed to watch the request for a certificate")?;
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let (WatchEvent::Added(request) | WatchEvent::Modified(request)) = event.context("the watch broke off")? else {
            continue;
        };
        let status = request.status.unwrap_or_default();
        if let Some(refusal) =
            status.conditions.iter().flatten().find(|condition| matches!(condition.type_.as_str(), "Denied" | "Failed"))
        {
            bail!("the server refused the certificate: {}", refusal.message.as_deref().unwrap_or("it gave no reason"));
        }
        if let Some(certificate) = status.certificate.filter(|certificate| !certificate.0.is_empty()) {
            return String::from_utf8(certificate.0).context("the certificate is no PEM");
        }
    }
    bail!("the watch ended before the certificate came")
}

/// A certificate as PEM text.
pub(super) fn pem(certificate: &CertificateDer<'_>) -> String {
    let body = STANDARD.encode(certificate);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
