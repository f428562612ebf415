//! Who asks the node's API, and whether they may.

use axum::http::Method;
use futures::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who asks: the common name and the organisations of a certificate that the TLS configuration verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `system:apiserver`, `admin`, …
    pub name: String,
    /// `system:masters`, …
    pub groups: Vec<String>,
}

/// Decides who may use the node's API, by asking the apiserver (SubjectAccessReview) in a real cluster.
///
/// # Contract
/// Called once per request; answers `false` when it cannot find out.
pub trait NodeAuthorizer: Send + Sync + 'static {
    /// Whether `caller` may use `verb` (`get`, `create`, …) on the path, which stands for [`subresource`] of this node.
    fn allowed<'a>(&'a self, caller: &'a Caller, verb: &'a str, path: &'a str) -> BoxFuture<'a, bool>;
}

/// Allows every authenticated caller everything. For tests.
pub struct AllowAll;

impl NodeAuthorizer for AllowAll {
    fn allowed<'a>(&'a self, _: &'a Caller, _: &'a str, _: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async { true })
    }
}

/// The subresource of `nodes` that a path stands for, as `NodeRequestAttributesGetter` (pkg/kubelet/server/auth.go) has it.
pub fn subresource(path: &str) -> &'static str {
    match path.split('/').nth(1).unwrap_or_default() {
        "stats" => "stats",
        "metrics" => "metrics",
        "logs" => "log",
        "healthz" => "healthz",
        "pods" => "pods",
        "configz" => "configz",
        "checkpoint" => "checkpoint",
        _ => "proxy",
    }
}

/// The word for an HTTP method.
pub(super) fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "get",
    }
}

/// `None` without a certificate, or with one that names nobody.
pub(super) fn caller(certificates: Option<&[CertificateDer<'_>]>) -> Option<Caller> {
    let (_, certificate) = X509Certificate::from_der(certificates?.first()?).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().find_map(|name| name.as_str().ok())?.to_owned();
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned).collect();
    Some(Caller { name, groups }).filter(|caller| !caller.name.is_empty())
}
