//! `spec.nodeName` given by the user binds nothing by itself here: such a pod never enters the queue. What remains is a pod whose name was
//! set after it was queued.

use super::{Plugin, PreFilter, Verdict};
use crate::{PodRequest, Snapshot};

pub(super) struct NodeName;

impl Plugin for NodeName {
    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, _: &'a Snapshot) -> PreFilter<'a> {
        let wanted = pod.spec().and_then(|spec| spec.node_name.as_deref()).filter(|name| !name.is_empty());
        let Some(wanted) = wanted else { return PreFilter::Skip };
        PreFilter::Check(Box::new(move |candidate| {
            Verdict::impossible_if(candidate.node.name != wanted, "node(s) didn't match the requested node name")
        }))
    }
}
