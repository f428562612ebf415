//! A Wasm plugin as the scheduler asks it.

use std::sync::Arc;

use sampan_scheduler::plugins::Sifted;
use sampan_scheduler::{Extended, Extension, NodeState, PodRequest};
use sampan_wasm::plugin::{self, Failure, Node, Pod, PodJson, Refused, Usage};

pub(super) fn plugin(name: &str, plugin: plugin::Plugin) -> Box<dyn sampan_scheduler::Plugin> {
    let (filters, scores) = (plugin.filters(), plugin.scores());
    Box::new(Extended::new(name, Box::new(Component(plugin)), filters, scores))
}

struct Component(plugin::Plugin);

impl Extension for Component {
    fn start(&mut self) -> Result<bool, String> {
        self.0.start().map_err(said)
    }

    fn nodes(&mut self, changed: &[&NodeState], gone: &[u32]) -> Result<(), String> {
        self.0.nodes(&changed.iter().map(|node| told(node)).collect::<Vec<_>>(), gone).map_err(said)
    }

    fn usage(&mut self, changed: &[&NodeState]) -> Result<(), String> {
        self.0.usage(&changed.iter().map(|node| usage(node)).collect::<Vec<_>>()).map_err(said)
    }

    fn filter(&mut self, pod: &PodRequest, nodes: &[u32]) -> Result<Sifted, String> {
        let Refused { places, reason } = self.0.filter(looked_at(pod), whole(pod), nodes).map_err(said)?;
        Ok(Sifted { refused: places, reason: reason.into() })
    }

    fn score(&mut self, pod: &PodRequest, nodes: &[u32]) -> Result<Vec<u8>, String> {
        self.0.score(looked_at(pod), whole(pod), nodes).map_err(said)
    }
}

fn said(failure: Failure) -> String {
    failure.0
}

fn told(node: &NodeState) -> Node<'_> {
    Node {
        number: count(node.number()),
        name: &node.name,
        labels: pairs(node.labels()),
        allocatable: resources(&node.allocatable),
        pods: count(node.most_pods),
    }
}

fn usage(node: &NodeState) -> Usage<'_> {
    Usage { number: count(node.number()), requested: resources(&node.requested), pods: count(node.pod_count()) }
}

fn looked_at(pod: &PodRequest) -> Pod<'_> {
    Pod {
        namespace: &pod.name.namespace,
        name: &pod.name.name,
        labels: pairs(pod.labels()),
        priority: pod.priority,
        requests: resources(&pod.resources),
    }
}

/// Written only when the plugin asks for it.
fn whole(pod: &PodRequest) -> PodJson {
    let pod = pod.pod.clone();
    Arc::new(move || serde_json::to_string(&*pod).unwrap_or_default())
}

fn resources(amounts: &sampan_scheduler::Resources) -> plugin::Resources<'_> {
    plugin::Resources {
        cpu: amounts.cpu,
        memory: amounts.memory,
        ephemeral_storage: amounts.ephemeral_storage,
        other: amounts.other.iter().map(|(name, amount)| (name.as_str(), *amount)).collect(),
    }
}

fn pairs(labels: &sampan_scheduler::selector::Labels) -> Vec<(&str, &str)> {
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn count(number: impl TryInto<u32>) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}
