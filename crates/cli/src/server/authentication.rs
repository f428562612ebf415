//! OpenID Connect, from `--authentication-config` or the words of the `--oidc-*` flags.

use std::sync::Arc;

use anyhow::{Context, Result};
use sampan_access::oidc::{Flags, Provider};

use crate::arguments::Authentication;

/// The issuers whose tokens are believed.
pub(super) fn providers(options: &Authentication) -> Result<Vec<Arc<Provider>>> {
    if let Some(path) = &options.authentication_config {
        let shown = path.display();
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("failed to read the authentication configuration {shown}"))?;
        let providers = Provider::configured(&text);
        return providers.with_context(|| format!("the authentication configuration {shown} cannot be used"));
    }
    let Some(issuer_url) = options.oidc_issuer_url.clone() else { return Ok(Vec::new()) };
    let provider = Provider::flagged(&Flags {
        issuer_url,
        client_id: options.oidc_client_id.clone().unwrap_or_default(),
        username_claim: options.oidc_username_claim.clone(),
        username_prefix: options.oidc_username_prefix.clone(),
        groups_claim: options.oidc_groups_claim.clone(),
        groups_prefix: options.oidc_groups_prefix.clone(),
        required_claims: options.oidc_required_claim.iter().map(|claim| required(claim)).collect::<Result<_>>()?,
        authority_pem: authority(options)?,
        algorithms: options.oidc_signing_algs.clone(),
    });
    Ok(vec![provider.context("the --oidc-* flags cannot be used")?])
}

fn required(claim: &str) -> Result<(String, String)> {
    let (name, value) =
        claim.split_once('=').with_context(|| format!("--oidc-required-claim wants CLAIM=VALUE, got {claim:?}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn authority(options: &Authentication) -> Result<String> {
    let Some(path) = &options.oidc_ca_file else { return Ok(String::new()) };
    std::fs::read_to_string(path).with_context(|| format!("failed to read the issuer's authority {}", path.display()))
}
