//! A kubeconfig that says where a webhook of the server itself is, and as whom to speak to it: the form kube-apiserver takes for its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sampan_access::pki::{self, Identity};
use serde::Deserialize;

use crate::outside::Outside;

/// What the current context of the file leads to.
pub(super) struct Target {
    pub(super) server: String,
    /// The header `Authorization`.
    pub(super) authorization: Option<String>,
    /// Whom to trust; the system's own authorities when empty.
    roots: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    current_context: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Pair,
}

#[derive(Deserialize)]
struct Pair {
    cluster: String,
    #[serde(default)]
    user: String,
}

impl Target {
    /// Reads a file. Other files that it names are found from where it lies.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).context("it cannot be read")?;
        // What follows the first line of a complaint quotes the file, which may hold a password.
        let first = |error: String| anyhow::anyhow!("{}", error.lines().next().unwrap_or_default().to_owned());
        let file: Kubeconfig = serde_saphyr::from_str(&text).map_err(|error| first(error.to_string()))?;
        file.target(path.parent().unwrap_or_else(|| Path::new(".")))
    }

    /// How to speak TLS to it.
    pub(super) fn tls(&self, outside: &Outside) -> Result<rustls::ClientConfig> {
        let native = || rustls_native_certs::load_native_certs().certs;
        let roots = if self.roots.is_empty() { native() } else { self.roots.clone() };
        Ok(pki::client_config(&roots, self.identity.as_ref(), outside.clock.clone())?)
    }
}

impl Kubeconfig {
    fn target(self, directory: &Path) -> Result<Target> {
        let context = self.contexts.into_iter().find(|context| context.name == self.current_context);
        let context = context.with_context(|| format!("it has no context {:?}", self.current_context))?.context;
        let cluster = self.clusters.into_iter().find(|cluster| cluster.name == context.cluster);
        let cluster = cluster.with_context(|| format!("it has no cluster {:?}", context.cluster))?.cluster;
        if cluster.insecure_skip_tls_verify {
            bail!("insecure-skip-tls-verify is not offered; give the certificate-authority");
        }
        let user = match context.user.as_str() {
            "" => User::default(),
            name => {
                let user = self.users.into_iter().find(|user| user.name == name);
                user.with_context(|| format!("it has no user {name:?}"))?.user
            }
        };
        let roots = match pem(directory, cluster.certificate_authority_data, cluster.certificate_authority)? {
            None => Vec::new(),
            Some(text) => CertificateDer::pem_slice_iter(text.as_bytes())
                .collect::<Result<_, _>>()
                .context("its certificate-authority is no certificate")?,
        };
        let (identity, authorization) = user.credentials(directory)?;
        Ok(Target { server: cluster.server, authorization, roots, identity })
    }
}

impl User {
    fn credentials(self, directory: &Path) -> Result<(Option<Identity>, Option<String>)> {
        let certificate = pem(directory, self.client_certificate_data, self.client_certificate)?;
        let key = pem(directory, self.client_key_data, self.client_key)?;
        let identity = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some(Identity::from_pem(&certificate, &key).context("its client certificate cannot be used")?)
            }
            _ => bail!("it needs both a client certificate and its key, or neither"),
        };
        let authorization = match (self.token, self.username) {
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, Some(name)) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{name}:{}", self.password.unwrap_or_default()))))
            }
            (None, None) => None,
        };
        Ok((identity, authorization))
    }
}

/// PEM that is given in base64, or as a file.
fn pem(directory: &Path, data: Option<String>, file: Option<PathBuf>) -> Result<Option<String>> {
    match (data, file) {
        (Some(data), _) => {
            let bytes = STANDARD.decode(data).context("its data is no base64")?;
            String::from_utf8(bytes).context("its data is no PEM").map(Some)
        }
        (None, Some(file)) => {
            let path = directory.join(file);
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display())).map(Some)
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(cluster: &str, user: &str) -> Result<Target> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("webhook.yaml");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: a, user: u}}}}]\n\
             clusters: [{{name: a, cluster: {cluster}}}]\nusers: [{{name: u, user: {user}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        Target::read(&path)
    }

    #[test]
    fn the_current_context_says_where_and_as_whom() {
        let found = target("{server: 'https://audit.example/x'}", "{token: abc}").unwrap();
        assert_eq!((&*found.server, found.authorization.as_deref()), ("https://audit.example/x", Some("Bearer abc")));
        let found = target("{server: 'http://127.0.0.1:9'}", "{username: a, password: b}").unwrap();
        assert_eq!(found.authorization.as_deref(), Some("Basic YTpi"));
        assert!(target("{server: 'http://127.0.0.1:9'}", "{}").unwrap().authorization.is_none());
    }

    #[test]
    fn what_cannot_be_used_is_said_without_a_password() {
        let rows = [
            ("{server: 'https://a', insecure-skip-tls-verify: true}", "{}", "insecure-skip-tls-verify is not offered"),
            ("{server: 'https://a', certificate-authority: missing.crt}", "{}", "failed to read"),
            ("{server: 'https://a', certificate-authority-data: '%%'}", "{}", "is no base64"),
            ("{server: 'https://a'}", "{client-certificate-data: aGk=}", "both a client certificate and its key"),
            ("{}", "{token: hidden-token}", "server"),
        ];
        for (cluster, user, expected) in rows {
            let said = format!("{:#}", target(cluster, user).map(drop).unwrap_err());
            assert!(said.contains(expected) && !said.contains("hidden-token"), "{said}");
        }
    }
}
