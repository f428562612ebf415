//! Topology spread constraints, read once.

use sampan_api::k8s::api::core::v1::{Pod, TopologySpreadConstraint};

use crate::selector::Selector;

/// How evenly pods of a kind shall lie over a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The node label whose values are the places.
    pub topology_key: String,
    /// How many more pods than the emptiest place one may have.
    pub max_skew: i64,
    /// With fewer places than this the emptiest counts as empty.
    pub min_domains: usize,
    /// Whether the constraint must hold (`DoNotSchedule`) or is a wish (`ScheduleAnyway`).
    pub hard: bool,
    /// The pods counted, in the pod's own namespace.
    pub labels: Selector,
    /// Only nodes that the pod's node affinity and selector match are places.
    pub honors_affinity: bool,
    /// Only nodes whose taints the pod tolerates are places.
    pub honors_taints: bool,
}

impl Spread {
    /// The pod's own constraints.
    pub fn all(pod: &Pod) -> Vec<Self> {
        let constraints = pod.spec.iter().flat_map(|spec| &spec.topology_spread_constraints).flatten();
        constraints.map(|constraint| Self::new(pod, constraint)).collect()
    }

    /// Upstream's `PodTopologySpread` system defaults, for pods without constraints that a Service or a workload selects.
    pub fn defaults(labels: &Selector) -> Vec<Self> {
        let wish = |topology_key: &str, max_skew| Self {
            topology_key: topology_key.to_owned(),
            max_skew,
            min_domains: 1,
            hard: false,
            labels: labels.clone(),
            honors_affinity: true,
            honors_taints: false,
        };
        vec![wish("kubernetes.io/hostname", 3), wish("topology.kubernetes.io/zone", 5)]
    }

    fn new(pod: &Pod, constraint: &TopologySpreadConstraint) -> Self {
        let mut labels = Selector::new(constraint.label_selector.as_ref());
        for key in constraint.match_label_keys.iter().flatten() {
            if let Some(value) = pod.metadata.labels.as_ref().and_then(|labels| labels.get(key)) {
                labels = labels.and_is(key, value);
            }
        }
        let honors = |policy: &Option<String>, otherwise: &str| policy.as_deref().unwrap_or(otherwise) == "Honor";
        Self {
            topology_key: constraint.topology_key.clone(),
            max_skew: i64::from(constraint.max_skew),
            min_domains: constraint.min_domains.and_then(|least| usize::try_from(least).ok()).unwrap_or(1),
            hard: constraint.when_unsatisfiable != "ScheduleAnyway",
            labels,
            honors_affinity: honors(&constraint.node_affinity_policy, "Honor"),
            honors_taints: honors(&constraint.node_taints_policy, "Ignore"),
        }
    }
}
