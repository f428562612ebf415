//! Custom resource definitions (`apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go`).

use super::fill::{Members, if_absent, if_zero, object, text};

/// Objects are the same in all versions unless a definition says who converts them.
pub(super) fn definition_spec(spec: &mut Members) {
    if let Some(names) = object(spec, "names") {
        let kind = text(names, "kind").to_owned();
        if !kind.is_empty() {
            if_zero(names, "singular", kind.to_lowercase());
            if_zero(names, "listKind", format!("{kind}List"));
        }
    }
    if let Some(conversion) = object(spec, "conversion") {
        if_zero(conversion, "strategy", "None");
    }
}

pub(super) fn webhook_service(service: &mut Members) {
    if_absent(service, "port", 443);
}
