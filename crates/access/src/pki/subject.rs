//! Whose certificate it is and what it is for.

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};

use super::Error;

/// What a certificate may be shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// By a client.
    Client,
    /// By a server.
    Server,
}

/// The holder of a certificate: a user with groups, or a server with names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user name, or a server's name for people to read.
    pub common_name: String,
    /// The groups.
    pub organizations: Vec<String>,
    /// DNS names and IP addresses a server answers to.
    pub alternative_names: Vec<String>,
    /// Client or server.
    pub purpose: Purpose,
}

impl Subject {
    /// A client of this name in these groups.
    pub fn client(common_name: impl Into<String>, groups: &[&str]) -> Self {
        Self {
            common_name: common_name.into(),
            organizations: groups.iter().map(|group| (*group).to_owned()).collect(),
            alternative_names: Vec::new(),
            purpose: Purpose::Client,
        }
    }

    /// The person who runs the cluster: `kubernetes-admin` in `system:masters`, for whom every check says yes.
    pub fn admin() -> Self {
        Self::client("kubernetes-admin", &["system:masters"])
    }

    /// The agent of a node: `system:node:NAME` in `system:nodes`.
    pub fn node(name: &str) -> Self {
        Self::client(format!("system:node:{name}"), &["system:nodes"])
    }

    /// The scheduler, when it is a process of its own.
    pub fn scheduler() -> Self {
        Self::client("system:kube-scheduler", &[])
    }

    /// All controllers, when they are one process of their own.
    pub fn controller_manager() -> Self {
        Self::client("system:kube-controller-manager", &[])
    }

    /// One controller, as the service account `kube-system/NAME` that its role is bound to.
    pub fn controller(name: &str) -> Self {
        let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
        Self::client(format!("system:serviceaccount:kube-system:{name}"), &groups)
    }

    /// The API server as client of the nodes' own API; the bootstrap policy binds it to `system:kubelet-api-admin`.
    pub fn kubelet_api_client() -> Self {
        Self::client("kube-apiserver-kubelet-client", &[])
    }

    /// The API server as it passes requests on to extension servers.
    pub fn front_proxy() -> Self {
        Self::client(crate::extension_authentication::FRONT_PROXY, &[])
    }

    /// The API server, by the names every cluster has and those of this machine: its host name, its addresses, the address of
    /// Service `default/kubernetes`.
    pub fn api_server(names: &[String]) -> Self {
        let known = [
            "localhost",
            "127.0.0.1",
            "::1",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let mut alternative_names: Vec<String> = known.map(str::to_owned).to_vec();
        for name in names {
            if !alternative_names.contains(name) {
                alternative_names.push(name.clone());
            }
        }
        Self {
            common_name: "kube-apiserver".to_owned(),
            organizations: Vec::new(),
            alternative_names,
            purpose: Purpose::Server,
        }
    }

    /// The server of a node's own API, reached by these names and addresses.
    pub fn node_server(node: &str, names: &[String]) -> Self {
        let alternative_names = names.to_vec();
        Self { alternative_names, purpose: Purpose::Server, ..Self::node(node) }
    }

    /// The certificate-to-be. Never an authority, whatever asked for it.
    pub(super) fn params(&self) -> Result<CertificateParams, Error> {
        let params = CertificateParams::new(self.alternative_names.clone());
        let mut params = params.map_err(|error| self.failed(&error))?;
        params.distinguished_name = self.distinguished_name()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.purpose {
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        Ok(params)
    }

    /// rcgen keeps one value for each type of name; the second organization goes in under the number of its type
    /// (2.5.4.10), which is the same in the certificate. Nobody here has more than two groups.
    fn distinguished_name(&self) -> Result<DistinguishedName, Error> {
        let types = [DnType::OrganizationName, DnType::CustomDnType(vec![2, 5, 4, 10])];
        if self.organizations.len() > types.len() {
            return Err(self.failed(&"a certificate can carry at most two groups; use a service account token instead"));
        }
        let mut name = DistinguishedName::new();
        for (kind, organization) in types.into_iter().zip(&self.organizations) {
            name.push(kind, organization.as_str());
        }
        name.push(DnType::CommonName, self.common_name.as_str());
        Ok(name)
    }

    pub(super) fn failed(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Issue { name: self.common_name.clone(), why: error.to_string() }
    }
}
