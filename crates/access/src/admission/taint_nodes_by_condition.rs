//! A new node gets no pods before it has said that it is ready (upstream's `plugin/pkg/admission/nodetaint`). The taint is taken
//! away by the node lifecycle controller; a node may not change its own taints.

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::{Context, Plugin, append, writes};

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const EFFECT: &str = "NoSchedule";

pub(super) struct TaintNodesByCondition;

impl Plugin for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    fn mutate(&self, _: &Context, request: &AdmissionRequest<'_>, object: &mut Value) -> Result<(), Status> {
        if writes(request, "", "nodes", &[Operation::Create]) && !has_taint(object) {
            append(object, &["spec", "taints"], json!({ "key": NOT_READY, "effect": EFFECT }));
        }
        Ok(())
    }
}

fn has_taint(node: &Value) -> bool {
    let mut taints = object::list_at(node, "/spec/taints").iter();
    taints.any(|taint| {
        object::str_at(taint, "/key") == Some(NOT_READY) && object::str_at(taint, "/effect") == Some(EFFECT)
    })
}
