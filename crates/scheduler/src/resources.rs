//! Amounts of what nodes have and pods ask for.

use std::collections::BTreeMap;

use sampan_api::k8s::api::core::v1::{Container, PodSpec};
use sampan_api::k8s::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use sampan_meta::Quantity;

/// Amounts of every resource, in whole units except CPU, which is in thousandths of a core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// Everything else by name: extended resources, huge pages.
    pub other: BTreeMap<String, i64>,
}

type List = BTreeMap<String, WireQuantity>;

impl Resources {
    /// Reads a resource list; amounts that are no quantities count as nothing, because the apiserver lets none in.
    pub fn from_list(list: &List) -> Self {
        let mut resources = Self::default();
        for (name, quantity) in list {
            let Ok(quantity) = Quantity::parse(&quantity.0) else { continue };
            match name.as_str() {
                "cpu" => resources.cpu = saturate(quantity.milli()),
                "memory" => resources.memory = quantity.value(),
                "ephemeral-storage" => resources.ephemeral_storage = quantity.value(),
                // The number of pods is counted by node state, not summed.
                "pods" => {}
                _ => drop(resources.other.insert(name.clone(), quantity.value())),
            }
        }
        resources
    }

    /// What a pod asks for while it runs: the sum of its containers and sidecars, or what the greediest init container needs with the
    /// sidecars started before it, whichever is more; plus the overhead of its sandbox. Matches upstream's
    /// `component-helpers/resource.PodRequests`.
    pub fn requested_by(spec: &PodSpec) -> Self {
        let mut running = Self::default();
        for container in &spec.containers {
            running.add(&container_requests(container));
        }
        let (sidecars, starting) = starting(spec);
        running.add(&sidecars);
        running.raise_to(&starting);
        running.add(&spec.overhead.as_ref().map(Self::from_list).unwrap_or_default());
        running
    }

    /// Adds every amount of `other`.
    pub fn add(&mut self, other: &Self) {
        self.merge(other, i64::saturating_add);
    }

    /// Takes every amount of `other` away.
    pub fn subtract(&mut self, other: &Self) {
        self.merge(other, i64::saturating_sub);
    }

    /// Names of what does not fit into `free`, as upstream says them: `cpu`, `memory`, `ephemeral-storage`, then the rest.
    pub fn missing_from(&self, free: &Self) -> Vec<String> {
        let fixed = [
            ("cpu", self.cpu, free.cpu),
            ("memory", self.memory, free.memory),
            ("ephemeral-storage", self.ephemeral_storage, free.ephemeral_storage),
        ];
        let fixed = fixed.into_iter().map(|(name, wanted, free)| (name.to_owned(), wanted, free));
        let other =
            self.other.iter().map(|(name, wanted)| (name.clone(), *wanted, free.other.get(name).copied().unwrap_or(0)));
        fixed.chain(other).filter(|(_, wanted, free)| *wanted > 0 && wanted > free).map(|(name, ..)| name).collect()
    }

    fn raise_to(&mut self, other: &Self) {
        self.merge(other, i64::max);
    }

    fn merge(&mut self, other: &Self, with: fn(i64, i64) -> i64) {
        self.cpu = with(self.cpu, other.cpu);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.other {
            let mine = self.other.entry(name.clone()).or_default();
            *mine = with(*mine, *amount);
        }
    }
}

/// What the sidecars ask for, and the most that is needed at once while init containers run.
fn starting(spec: &PodSpec) -> (Resources, Resources) {
    let (mut sidecars, mut most) = (Resources::default(), Resources::default());
    for container in spec.init_containers.iter().flatten() {
        let mut needed = container_requests(container);
        if container.restart_policy.as_deref() == Some("Always") {
            sidecars.add(&needed);
            needed = sidecars.clone();
        } else {
            needed.add(&sidecars);
        }
        most.raise_to(&needed);
    }
    (sidecars, most)
}

fn container_requests(container: &Container) -> Resources {
    let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    requests.map(Resources::from_list).unwrap_or_default()
}

fn saturate(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn requested(spec: serde_json::Value) -> Resources {
        Resources::requested_by(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn containers_add_up_and_a_greedy_init_container_counts_alone() {
        let container =
            |cpu: &str, memory: &str| json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}});
        let resources = requested(json!({
            "initContainers": [container("2", "1Mi")],
            "containers": [container("300m", "64Mi"), container("1", "64Mi")],
            "overhead": {"cpu": "10m"},
        }));
        assert_eq!((resources.cpu, resources.memory), (2010, 128 << 20));
    }

    #[test]
    fn sidecars_run_beside_everything_started_after_them() {
        let resources = requested(json!({
            "initContainers": [
                {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
                {"name": "init", "resources": {"requests": {"cpu": "500m"}}},
            ],
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "200m", "example.com/gpu": "1"}}}],
        }));
        assert_eq!(resources.cpu, 600);
        assert_eq!(resources.other, BTreeMap::from([("example.com/gpu".into(), 1)]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let wanted = Resources {
            cpu: 2,
            memory: 1,
            other: BTreeMap::from([("example.com/gpu".into(), 1)]),
            ..Default::default()
        };
        let free = Resources { cpu: 1, memory: 1, ..Default::default() };
        assert_eq!(wanted.missing_from(&free), ["cpu", "example.com/gpu"]);
    }
}
