//! Who may approve and sign requests for certificates, and what may never be asked for (upstream's
//! `plugin/pkg/admission/certificates`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sampan_api::request::{AdmissionRequest, Attributes, MASTERS, Operation};
use sampan_meta::{Status, object};
use serde_json::Value;

use super::{Context, Plugin, forbidden, writes};
use crate::pki;

const GROUP: &str = "certificates.k8s.io";
const RESOURCE: &str = "certificatesigningrequests";

/// Approving or denying needs the verb `approve` on the signer.
pub(super) struct CertificateApproval;
/// Putting a certificate into the status needs the verb `sign` on the signer.
pub(super) struct CertificateSigning;
/// Nobody becomes a member of `system:masters` by asking.
pub(super) struct CertificateSubjectRestriction;

impl Plugin for CertificateApproval {
    fn name(&self) -> &'static str {
        "CertificateApproval"
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        match updates(request, "approval") {
            true => check_signer(context, request, object, "approve"),
            false => Ok(()),
        }
    }
}

impl Plugin for CertificateSigning {
    fn name(&self) -> &'static str {
        "CertificateSigning"
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        let part = |value: &Value, path: &str| value.pointer(path).filter(|part| !part.is_null()).cloned();
        let same = |path: &str| part(object, path) == request.old.and_then(|old| part(old, path));
        let changes_nothing = same("/status/certificate") && same("/status/conditions");
        match updates(request, "status") && !changes_nothing {
            true => check_signer(context, request, object, "sign"),
            false => Ok(()),
        }
    }
}

impl Plugin for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn validate(&self, _: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        let signer = object::str_at(object, "/spec/signerName").unwrap_or_default();
        if !writes(request, GROUP, RESOURCE, &[Operation::Create]) || signer != pki::KUBE_APISERVER_CLIENT {
            return Ok(());
        }
        let bytes = object::str_at(object, "/spec/request").and_then(|text| STANDARD.decode(text).ok());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let organizations = pki::requested_organizations(&text)
            .map_err(|refused| forbidden(request, object, format!("failed to parse CSR: {refused}")))?;
        match organizations.iter().any(|organization| organization == MASTERS) {
            true => {
                Err(forbidden(request, object, format!("use of {signer} signer with {MASTERS} group is not allowed")))
            }
            false => Ok(()),
        }
    }
}

fn updates(request: &AdmissionRequest<'_>, wanted: &str) -> bool {
    let Attributes { group, resource, subresource, .. } = request.attributes;
    group == GROUP && resource == RESOURCE && subresource == wanted && request.operation == Operation::Update
}

/// Whether the user may do `verb` to the request's signer, by its name or by `DOMAIN/*`.
fn check_signer(context: &Context, request: &AdmissionRequest<'_>, object: &Value, verb: &str) -> Result<(), Status> {
    // The signer is read from what is stored: the update could name another one.
    let signer = request.old.and_then(|old| object::str_at(old, "/spec/signerName")).unwrap_or_default();
    let domain = signer.split('/').next().unwrap_or_default();
    let names = [signer.to_owned(), format!("{domain}/*")];
    let question = |name: &String| Attributes {
        user: request.attributes.user.clone(),
        verb: verb.to_owned(),
        group: GROUP.to_owned(),
        resource: "signers".to_owned(),
        name: name.clone(),
        resource_request: true,
        ..Attributes::default()
    };
    match names.iter().any(|name| context.authorizer.authorize(&question(name)).is_allowed()) {
        true => Ok(()),
        false => {
            Err(forbidden(request, object, format!("user not permitted to {verb} requests with signerName {signer:?}")))
        }
    }
}
