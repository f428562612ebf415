//! Nobody gives away by a role or binding more than they hold. Upstream does this in the storage of the four kinds
//! (`pkg/registry/rbac/*/policybased`); here it is admission like everything else that may refuse an object.

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::Status;
use serde_json::Value;

use super::{Context, Plugin, writes};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) struct RoleEscalation;

impl Plugin for RoleEscalation {
    fn name(&self) -> &'static str {
        "RoleEscalation"
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &Value) -> Result<(), Status> {
        let writes = |plural: &str| writes(request, GROUP, plural, &[Operation::Create, Operation::Update]);
        if writes("roles") || writes("clusterroles") {
            return context.authorizer.check_role(request.attributes, request.old, object);
        }
        if writes("rolebindings") || writes("clusterrolebindings") {
            return context.authorizer.check_binding(request.attributes, request.old, object);
        }
        Ok(())
    }
}
