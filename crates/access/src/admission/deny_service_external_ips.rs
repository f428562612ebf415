//! Nobody makes a node take packets for an address of somebody else (upstream's `plugin/pkg/admission/network/denyserviceexternalips`).

use std::collections::BTreeSet;

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{Status, object};
use serde_json::Value;

use super::{Context, Plugin, forbidden, writes};

pub(super) struct DenyServiceExternalIPs;

impl Plugin for DenyServiceExternalIPs {
    fn name(&self) -> &'static str {
        "DenyServiceExternalIPs"
    }

    fn validate(&self, _: &Context, request: &AdmissionRequest<'_>, service: &Value) -> Result<(), Status> {
        if !writes(request, "", "services", &[Operation::Create, Operation::Update]) {
            return Ok(());
        }
        let before = request.old.map(addresses).unwrap_or_default();
        match addresses(service).is_subset(&before) {
            true => Ok(()),
            false => Err(forbidden(request, service, "Use of external IPs is denied by admission control.")),
        }
    }
}

fn addresses(service: &Value) -> BTreeSet<&str> {
    object::list_at(service, "/spec/externalIPs").iter().filter_map(Value::as_str).collect()
}
