//! Where a Service is that this server asks itself, and whom to trust there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sampan_api::request::Lister;
use sampan_meta::{GroupResource, object};

use crate::connect::proxy::ready;
use crate::node_client::Tls;

/// The ready endpoints behind a port of a Service, at least one; of an external one its name.
///
/// # Errors
/// What is missing, in upstream's words.
pub(crate) fn targets(
    lister: &dyn Lister,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<Vec<(String, u16)>, String> {
    let service = lister.get(&GroupResource::new("", "services"), namespace, name);
    let service = service.ok_or_else(|| format!("service {name:?} not found"))?;
    if object::str_at(&service, "/spec/type") == Some("ExternalName") {
        let host = object::str_at(&service, "/spec/externalName").unwrap_or_default();
        return Ok(vec![(host.to_owned(), port)]);
    }
    let ports = object::list_at(&service, "/spec/ports").iter();
    let mut ports = ports.filter(|known| object::i64_at(known, "/port") == Some(i64::from(port)));
    let port = ports.next().ok_or_else(|| format!("no service port {port} found for service {name:?}"))?;
    let port = object::str_at(port, "/name").unwrap_or_default();
    let slices = lister.list(&GroupResource::new("discovery.k8s.io", "endpointslices"), Some(namespace));
    let own = slices.iter().filter(|slice| object::label(slice, "kubernetes.io/service-name") == Some(name));
    let found: Vec<_> =
        own.flat_map(|slice| ready(slice, port, Tls::Unverified)).map(|target| (target.host, target.port)).collect();
    match found.is_empty() {
        true => Err(format!("no endpoints available for service {name:?}")),
        false => Ok(found),
    }
}

/// The certificates of a `caBundle`: PEM in base64.
pub(crate) fn authorities(bundle: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let unable = |why: String| format!("unable to load root certificates: {why}");
    let pem = STANDARD.decode(bundle).map_err(|error| unable(error.to_string()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| unable(error.to_string()))?;
    match certificates.is_empty() {
        true => Err(unable("there is none in the bundle".to_owned())),
        false => Ok(certificates),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_certificates_vouches_for_nobody() {
        assert!(authorities("bm90aGluZw==").is_err_and(|why| why.contains("there is none")));
        assert!(authorities("***").is_err());
    }
}
