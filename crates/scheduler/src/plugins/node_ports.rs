//! Two pods cannot have the same port of one node.

use super::{Plugin, PreFilter, Verdict};
use crate::pod::HostPort;
use crate::{Event, PodRequest, Snapshot};

pub(super) struct NodePorts;

impl Plugin for NodePorts {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn pre_filter<'a>(&self, pod: &'a PodRequest, _: &'a Snapshot) -> PreFilter<'a> {
        if pod.host_ports.is_empty() {
            return PreFilter::Skip;
        }
        PreFilter::Check(Box::new(|candidate| match clash(&pod.host_ports, candidate.node.host_ports.keys()) {
            true => Verdict::refused("node(s) didn't have free ports for the requested pod ports"),
            false => Verdict::Fits,
        }))
    }

    fn helps(&self, pod: &PodRequest, event: &Event<'_>) -> bool {
        match event {
            Event::NodeCame(_) => true,
            Event::PodGone(gone) => clash(&pod.host_ports, gone.host_ports.iter()),
            _ => false,
        }
    }
}

fn clash<'a>(wanted: &[HostPort], mut used: impl Iterator<Item = &'a HostPort>) -> bool {
    used.any(|used| wanted.iter().any(|wanted| wanted.clashes_with(used)))
}
