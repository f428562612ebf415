//! A pod is told where its node is: zone and region of the node become labels of the pod when it is bound (upstream's
//! `plugin/pkg/admission/podtopologylabels`).

use sampan_api::request::{AdmissionRequest, Attributes, Operation};
use sampan_meta::{GroupResource, Status, object};
use serde_json::Value;

use super::{Context, Plugin};

const LABELS: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

pub(super) struct PodTopologyLabels;

impl Plugin for PodTopologyLabels {
    fn name(&self) -> &'static str {
        "PodTopologyLabels"
    }

    fn mutate(&self, context: &Context, request: &AdmissionRequest<'_>, object: &mut Value) -> Result<(), Status> {
        let Some(node) = node_of(request, object) else { return Ok(()) };
        // A node that is not there yet has no labels to give.
        let Some(node) = context.lister.get(&GroupResource::new("", "nodes"), "", &node) else { return Ok(()) };
        for key in LABELS {
            if let Some(value) = object::label(&node, key) {
                object::set_label(object, key, value);
            }
        }
        Ok(())
    }
}

/// The node a binding names, or a pod that is created bound.
fn node_of(request: &AdmissionRequest<'_>, object: &Value) -> Option<String> {
    let Attributes { group, resource, subresource, .. } = request.attributes;
    if !group.is_empty() || request.operation != Operation::Create {
        return None;
    }
    let pointer = match (resource.as_str(), subresource.as_str()) {
        ("pods", "binding") | ("bindings", "") => "/target/name",
        ("pods", "") => "/spec/nodeName",
        _ => return None,
    };
    object::str_at(object, pointer).map(str::to_owned)
}
