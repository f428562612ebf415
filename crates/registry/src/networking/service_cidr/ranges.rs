//! The networks addresses of Services come from.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sampan_meta::object;
use sampan_store::At;
use serde_json::Value;

use super::{DEFAULT, STORAGE, parsed, plan};
use crate::allocator::Ranges;
use crate::registry::Registry;

/// The ranges of the moment: made anew when a ServiceCIDR has changed.
#[derive(Default)]
pub(crate) struct Networks(ArcSwap<(u64, Arc<Vec<Ranges>>)>);

impl Networks {
    /// The cluster's own network first, unless it is going, then those of the other ServiceCIDRs that are ready.
    pub(crate) fn current(&self, registry: &Registry) -> Arc<Vec<Ranges>> {
        let version = registry.cache.resource_version(STORAGE);
        let known = self.0.load();
        if known.0 == version && !known.1.is_empty() {
            return Arc::clone(&known.1);
        }
        let made = Arc::new(ready(&registry.ranges, &registry.service_cidrs()));
        self.0.store(Arc::new((version, Arc::clone(&made))));
        made
    }
}

impl Registry {
    pub(super) fn service_cidrs(&self) -> Vec<Value> {
        let Ok(snapshot) = self.cache.snapshot(STORAGE, &At::Latest) else { return Vec::new() };
        snapshot.range(None, None).map(|object| object.value()).collect()
    }
}

fn ready(own: &Ranges, service_cidrs: &[Value]) -> Vec<Ranges> {
    let default = service_cidrs.iter().find(|cidr| object::name(cidr) == DEFAULT);
    // Before it is there, and before anybody has said that it is ready, it is.
    let mut ranges: Vec<Ranges> = match default.is_none_or(|default| !plan::is_going(default)) {
        true => vec![own.clone()],
        false => Vec::new(),
    };
    for cidr in service_cidrs.iter().filter(|cidr| plan::is_ready(cidr)) {
        let more = parsed(cidr).filter_map(|network| own.of_network(network));
        let more: Vec<Ranges> = more.filter(|more| more.family() == own.family()).collect();
        ranges.extend(more.into_iter().filter(|more| more.describe_network() != own.describe_network()));
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(service_cidrs: &[Value], expected: &[&str]) {
        let own = Ranges::new(("10.96.0.0".parse().unwrap(), 16), 30000..=32767).unwrap();
        let found: Vec<String> = ready(&own, service_cidrs).iter().map(Ranges::describe_network).collect();
        assert_eq!(found, expected);
    }

    fn cidr(name: &str, networks: Value, ready: &str) -> Value {
        json!({"metadata": {"name": name}, "spec": {"cidrs": networks},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[test]
    fn addresses_come_from_the_own_network_and_from_those_that_are_ready() {
        let default = |ready| cidr("kubernetes", json!(["10.96.0.0/16"]), ready);
        check(&[], &["10.96.0.0/16"]);
        check(&[default("True")], &["10.96.0.0/16"]);
        check(&[default("True"), cidr("a", json!(["10.97.0.0/24"]), "True")], &["10.96.0.0/16", "10.97.0.0/24"]);
        check(&[default("True"), cidr("a", json!(["10.97.0.0/24"]), "False")], &["10.96.0.0/16"]);
        check(&[cidr("a", json!(["fd00::/112", "10.98.0.0/24"]), "True")], &["10.96.0.0/16", "10.98.0.0/24"]);
        let mut going = default("False");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        check(&[going, cidr("a", json!(["10.97.0.0/24"]), "True")], &["10.97.0.0/24"]);
    }
}
