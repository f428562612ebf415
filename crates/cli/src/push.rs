//! `sampan push`: a Wasm file becomes an OCI artifact in a registry.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sampan_runtime::Credentials;

use crate::arguments::Push;
use crate::cluster::connect;
use crate::oci;

/// Where to push.
pub(crate) struct Target {
    /// What a pod's `image` says.
    pub(crate) image: String,
    /// Where it really is: HOST:PORT/NAME:TAG
    reference: String,
    credentials: Option<Credentials>,
    plain_http: bool,
}

impl Target {
    /// The cluster's own registry; `name` has no host.
    pub(crate) fn embedded(name: &str, credentials: Credentials) -> Result<Self> {
        let name = with_tag(name);
        if name.starts_with(['/', ':', '@']) || name.contains(char::is_whitespace) {
            bail!("{name:?} is no image name; write NAME:TAG");
        }
        let reference = format!("{}/{name}", credentials.registry);
        Ok(Self { image: format!("{}/{name}", oci::HOST), reference, credentials: Some(credentials), plain_http: true })
    }

    fn elsewhere(options: &Push) -> Self {
        let reference = with_tag(&options.reference);
        let registry = reference.split('/').next().unwrap_or_default().to_owned();
        let credentials = options.username.clone().map(|username| Credentials {
            registry: registry.clone(),
            username,
            password: options.password.clone().unwrap_or_default(),
        });
        let plain_http = options.plain_http || is_loopback(&registry);
        Self { image: reference.clone(), reference, credentials, plain_http }
    }
}

pub(crate) async fn run(options: Push) -> Result<()> {
    let target = match own_name(&options.reference) {
        Some(name) => Target::embedded(name, oci::push_to(&connect(&options.cluster).await?).await?)?,
        None => Target::elsewhere(&options),
    };
    let digest = push_file(&options.file, &target).await?;
    say_pushed(&target.image, &digest);
    Ok(())
}

/// Pushes the file and returns the digest of the manifest.
pub(crate) async fn push_file(file: &Path, target: &Target) -> Result<String> {
    let component = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    let pushed = sampan_wasm::push(component, &target.reference, target.credentials.as_ref(), target.plain_http).await;
    pushed.with_context(|| format!("failed to push {} to {}", file.display(), target.image))
}

#[expect(clippy::print_stdout, reason = "the digest is the output")]
fn say_pushed(image: &str, digest: &str) {
    println!("pushed {image}");
    println!("digest {digest}");
}

/// The name within the cluster's own registry, when the reference means that one: it has no host, or its alias.
fn own_name(reference: &str) -> Option<&str> {
    match reference.split_once('/') {
        Some((host, name)) if host == oci::HOST => Some(name),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => None,
        _ => Some(reference),
    }
}

fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or_default();
    if name.contains([':', '@']) { reference.to_owned() } else { format!("{reference}:latest") }
}

fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_host_means_the_clusters_own_registry() {
        assert_eq!(own_name("hello:1"), Some("hello:1"));
        assert_eq!(own_name("team/hello:1"), Some("team/hello:1"));
        assert_eq!(own_name("sampan.local/hello:1"), Some("hello:1"));
        assert_eq!(own_name("ghcr.io/team/hello:1"), None);
        assert_eq!(own_name("localhost/hello"), None);
        assert_eq!(own_name("127.0.0.1:5000/hello"), None);
    }

    #[test]
    fn a_missing_tag_is_latest() {
        assert_eq!(with_tag("127.0.0.1:5000/hello"), "127.0.0.1:5000/hello:latest");
        assert_eq!(with_tag("hello:2"), "hello:2");
    }

    #[test]
    fn loopback_registries_speak_plain_http() {
        assert!(is_loopback("127.0.0.1:5000") && is_loopback("localhost:5000") && !is_loopback("ghcr.io"));
    }
}
