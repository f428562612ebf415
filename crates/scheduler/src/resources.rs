//! Amounts of what nodes have and pods ask for.

use std::collections::BTreeMap;

use sampan_api::k8s::api::core::v1::{Container, PodCondition, PodSpec, PodStatus};
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

    /// Adds every amount of `other`.
    pub fn add(&mut self, other: &Self) {
        self.merge(other, i64::saturating_add);
    }

    /// Takes every amount of `other` away.
    pub fn subtract(&mut self, other: &Self) {
        self.merge(other, i64::saturating_sub);
        self.other.retain(|_, amount| *amount != 0);
    }

    /// Calls `lacking` with the name of each amount of which `used` leaves too little of `allocatable`: `cpu`, `memory`,
    /// `ephemeral-storage`, then the rest; and whether it were too little even with nothing used.
    pub fn lacking<'a>(&'a self, allocatable: &Self, used: &Self, mut lacking: impl FnMut(&'a str, bool)) {
        let mut check = |name, wanted: i64, allocatable: i64, used: i64| {
            if wanted > 0 && wanted > allocatable.saturating_sub(used) {
                lacking(name, wanted > allocatable);
            }
        };
        check("cpu", self.cpu, allocatable.cpu, used.cpu);
        check("memory", self.memory, allocatable.memory, used.memory);
        check("ephemeral-storage", self.ephemeral_storage, allocatable.ephemeral_storage, used.ephemeral_storage);
        for (name, wanted) in &self.other {
            check(name, *wanted, allocatable.amount(name), used.amount(name));
        }
    }

    fn amount(&self, name: &str) -> i64 {
        self.other.get(name).copied().unwrap_or(0)
    }

    fn raise_to(&mut self, other: &Self) {
        self.merge(other, i64::max);
    }

    /// Takes the amounts that `list` names from it: what a pod asks for as a whole.
    fn replace_by(&mut self, list: &List) {
        let own = Self::from_list(list);
        for name in list.keys() {
            match name.as_str() {
                "cpu" => self.cpu = own.cpu,
                "memory" => self.memory = own.memory,
                "ephemeral-storage" => self.ephemeral_storage = own.ephemeral_storage,
                _ => drop(self.other.insert(name.clone(), own.amount(name))),
            }
        }
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

/// What a pod asks for, exactly and as weight among nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// What is asked for.
    pub exact: Resources,
    /// CPU and memory with something assumed where nothing is asked for, so that pods without requests spread.
    pub weight: (i64, i64),
}

/// What a container without requests is taken for when nodes are compared: upstream's `util.DefaultMilliCPURequest` and
/// `DefaultMemoryRequest`.
const ASSUMED_CPU: i64 = 100;
const ASSUMED_MEMORY: i64 = 200 << 20;

impl Requests {
    /// What a pod asks for while it runs: the sum of its containers and sidecars, or what the greediest init container needs with the
    /// sidecars started before it, whichever is more; requests of the pod itself in place of its containers'; plus the overhead of its
    /// sandbox. While a resize is under way, what it had or gets, whichever is more. Matches upstream's
    /// `component-helpers/resource.PodRequests`.
    pub fn of(spec: &PodSpec, status: Option<&PodStatus>) -> Self {
        let exact = total(spec, |container| container_requests(container, status));
        let weight = total(spec, |container| {
            let mut requests = container_requests(container, status);
            let given = |name: &str| asks_for(container, name);
            requests.cpu = if given("cpu") { requests.cpu } else { ASSUMED_CPU };
            requests.memory = if given("memory") { requests.memory } else { ASSUMED_MEMORY };
            requests
        });
        Self { exact, weight: (weight.cpu, weight.memory) }
    }
}

fn total(spec: &PodSpec, requests: impl Fn(&Container) -> Resources) -> Resources {
    let mut running = Resources::default();
    for container in &spec.containers {
        running.add(&requests(container));
    }
    let (sidecars, starting) = starting(spec, &requests);
    running.add(&sidecars);
    running.raise_to(&starting);
    if let Some(own) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) {
        running.replace_by(own);
    }
    running.add(&spec.overhead.as_ref().map(Resources::from_list).unwrap_or_default());
    running
}

/// What the sidecars ask for, and the most that is needed at once while init containers run.
fn starting(spec: &PodSpec, requests: impl Fn(&Container) -> Resources) -> (Resources, Resources) {
    let (mut sidecars, mut most) = (Resources::default(), Resources::default());
    for container in spec.init_containers.iter().flatten() {
        let mut needed = requests(container);
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

fn asks_for(container: &Container, name: &str) -> bool {
    container
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref())
        .is_some_and(|list| list.contains_key(name))
}

fn container_requests(container: &Container, status: Option<&PodStatus>) -> Resources {
    let list = |list: Option<&List>| list.map(Resources::from_list).unwrap_or_default();
    let mut asked = list(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()));
    let Some(status) = status else { return asked };
    let all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    let Some(current) = all.into_iter().find(|current| current.name == container.name) else { return asked };
    if current.resources.is_none() && current.allocated_resources.is_none() {
        return asked;
    }
    if resize_is_infeasible(status) {
        asked = Resources::default();
    }
    asked.raise_to(&list(current.resources.as_ref().and_then(|resources| resources.requests.as_ref())));
    asked.raise_to(&list(current.allocated_resources.as_ref()));
    asked
}

fn resize_is_infeasible(status: &PodStatus) -> bool {
    let pending = |condition: &PodCondition| {
        condition.type_ == "PodResizePending" && condition.reason.as_deref() == Some("Infeasible")
    };
    status.conditions.iter().flatten().any(pending)
}

fn saturate(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn requested(spec: serde_json::Value) -> Resources {
        Requests::of(&serde_json::from_value(spec).unwrap(), None).exact
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
    fn what_a_pod_asks_for_as_a_whole_stands_for_its_containers() {
        let resources = requested(json!({
            "resources": {"requests": {"cpu": "1"}},
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "200m", "memory": "1Mi"}}}],
            "overhead": {"cpu": "50m"},
        }));
        assert_eq!((resources.cpu, resources.memory), (1050, 1 << 20));
    }

    #[test]
    fn a_pod_that_is_being_resized_counts_for_what_it_has_or_gets_whichever_is_more() {
        let spec = json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "200m"}}}]});
        let status = |reason: &str| {
            json!({"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "resources": {"requests": {"cpu": "150m"}}}],
                "conditions": [{"type": "PodResizePending", "status": "True", "reason": reason}]})
        };
        let cpu = |reason: &str| {
            let status = serde_json::from_value(status(reason)).unwrap();
            Requests::of(&serde_json::from_value(spec.clone()).unwrap(), Some(&status)).exact.cpu
        };
        assert_eq!((cpu("Deferred"), cpu("Infeasible")), (200, 150));
    }

    #[test]
    fn containers_without_requests_weigh_something() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "b", "resources": {"requests": {"cpu": "1"}}}]});
        let requests = Requests::of(&serde_json::from_value(spec).unwrap(), None);
        assert_eq!((requests.exact.cpu, requests.weight), (1000, (1100, 400 << 20)));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let other = BTreeMap::from([("example.com/gpu".into(), 1)]);
        let wanted = Resources { cpu: 2, memory: 1, other, ..Default::default() };
        let allocatable = Resources { cpu: 1, memory: 3, ..Default::default() };
        let used = Resources { memory: 2, ..Default::default() };
        let mut names = Vec::new();
        wanted.lacking(&allocatable, &used, |name, _| names.push(name));
        assert_eq!(names, ["cpu", "example.com/gpu"]);
    }
}
