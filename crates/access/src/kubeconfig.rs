//! The file kubectl reads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::pki::Identity;

/// What a kubeconfig says.
#[derive(Clone, Copy, Debug)]
pub struct Kubeconfig<'a> {
    /// Name of the cluster, the context and the user.
    pub name: &'a str,
    /// `https://HOST:PORT`
    pub server: &'a str,
    /// The authority's certificate in PEM.
    pub authority_pem: &'a str,
    /// Who the file makes its reader.
    pub credentials: Credentials<'a>,
}

/// How the reader of the file is known to the server.
#[derive(Clone, Copy, Debug)]
pub enum Credentials<'a> {
    /// By a client certificate, embedded.
    Certificate(&'a Identity),
    /// By a bearer token; the debug form does not show it.
    Token(Secret<'a>),
}

/// A text that is not shown.
#[derive(Clone, Copy)]
pub struct Secret<'a>(pub &'a str);

impl std::fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Kubeconfig<'_> {
    /// The file in YAML. It holds a private key or token: write it with mode 0600.
    pub fn to_yaml(&self) -> String {
        let Self { name, server, authority_pem, .. } = *self;
        let cluster = Cluster { server, certificate_authority_data: STANDARD.encode(authority_pem) };
        let config = Config {
            api_version: "v1",
            kind: "Config",
            clusters: [Named { name, cluster }],
            users: [NamedUser { name, user: self.user() }],
            contexts: [NamedContext { name, context: ContextOf { cluster: name, user: name } }],
            current_context: name,
        };
        serde_saphyr::to_string(&config).expect("a kubeconfig is plain text in every place")
    }

    fn user(&self) -> UserOf<'_> {
        match self.credentials {
            Credentials::Certificate(identity) => UserOf {
                client_certificate_data: Some(STANDARD.encode(identity.certificate_pem())),
                client_key_data: Some(STANDARD.encode(identity.key_pem())),
                token: None,
            },
            Credentials::Token(Secret(token)) => {
                UserOf { client_certificate_data: None, client_key_data: None, token: Some(token) }
            }
        }
    }
}

#[derive(Serialize)]
struct Config<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    kind: &'a str,
    clusters: [Named<'a>; 1],
    users: [NamedUser<'a>; 1],
    contexts: [NamedContext<'a>; 1],
    #[serde(rename = "current-context")]
    current_context: &'a str,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    cluster: Cluster<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster<'a> {
    server: &'a str,
    certificate_authority_data: String,
}

#[derive(Serialize)]
struct NamedUser<'a> {
    name: &'a str,
    user: UserOf<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct UserOf<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Serialize)]
struct NamedContext<'a> {
    name: &'a str,
    context: ContextOf<'a>,
}

#[derive(Serialize)]
struct ContextOf<'a> {
    cluster: &'a str,
    user: &'a str,
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_kubeconfig_reads_as_kubectl_expects_it() {
        let credentials = Credentials::Token(Secret("abc"));
        let config = Kubeconfig { name: "sampan", server: "https://127.0.0.1:6443", authority_pem: "PEM", credentials };
        expect![[r#"
            apiVersion: v1
            kind: Config
            clusters:
            - name: sampan
              cluster:
                server: https://127.0.0.1:6443
                certificate-authority-data: UEVN
            users:
            - name: sampan
              user:
                token: abc
            contexts:
            - name: sampan
              context:
                cluster: sampan
                user: sampan
            current-context: sampan
        "#]]
        .assert_eq(&config.to_yaml());
    }

    #[test]
    fn the_token_is_not_in_the_debug_form() {
        assert!(!format!("{:?}", Credentials::Token(Secret("abc"))).contains("abc"));
    }
}
