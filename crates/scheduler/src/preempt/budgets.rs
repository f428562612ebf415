//! Disruption budgets, as far as making room has to mind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sampan_api::k8s::api::policy::v1::PodDisruptionBudget;
use sampan_meta::NamespacedName;

use crate::PodRequest;
use crate::selector::Selector;

/// One PodDisruptionBudget.
#[derive(Clone, Debug)]
pub struct Budget {
    selector: Selector,
    allowed: i64,
    /// Pods whose going is counted already, by name.
    disrupted: BTreeSet<String>,
}

impl Budget {
    /// Reads a budget.
    pub fn new(budget: &PodDisruptionBudget) -> Self {
        let status = budget.status.as_ref();
        let disrupted = status.and_then(|status| status.disrupted_pods.as_ref());
        Self {
            selector: Selector::new(budget.spec.as_ref().and_then(|spec| spec.selector.as_ref())),
            allowed: status.and_then(|status| status.disruptions_allowed).map_or(0, i64::from),
            disrupted: disrupted.map(|pods| pods.keys().cloned().collect()).unwrap_or_default(),
        }
    }

    /// An empty selector protects nobody here, as upstream has it.
    fn protects(&self, pod: &PodRequest) -> bool {
        !self.selector.is_everything()
            && self.selector.matches(pod.labels())
            && !self.disrupted.contains(&pod.name.name)
    }
}

/// All budgets, by namespace.
#[derive(Clone, Debug, Default)]
pub struct Budgets(BTreeMap<String, BTreeMap<String, Budget>>);

impl Budgets {
    /// A budget is there.
    pub fn set(&mut self, name: &NamespacedName, budget: Budget) {
        self.0.entry(name.namespace.clone()).or_default().insert(name.name.clone(), budget);
    }

    /// A budget went.
    pub fn remove(&mut self, name: &NamespacedName) {
        if let Some(budgets) = self.0.get_mut(&name.namespace) {
            budgets.remove(&name.name);
        }
    }

    /// Divides pods that would go, in that order, into those whose going exceeds a budget and the others.
    pub(super) fn divide(&self, pods: Vec<Arc<PodRequest>>) -> (Vec<Arc<PodRequest>>, Vec<Arc<PodRequest>>) {
        if self.0.is_empty() {
            return (Vec::new(), pods);
        }
        let mut taken: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        pods.into_iter().partition(|pod| self.exceeds(pod, &mut taken))
    }

    fn exceeds<'a>(&'a self, pod: &PodRequest, taken: &mut BTreeMap<(&'a str, &'a str), i64>) -> bool {
        let Some((namespace, budgets)) = self.0.get_key_value(&pod.name.namespace) else { return false };
        let mut exceeded = false;
        for (name, budget) in budgets.iter().filter(|(_, budget)| budget.protects(pod)) {
            let taken = taken.entry((namespace, name)).or_default();
            *taken += 1;
            exceeded |= *taken > budget.allowed;
        }
        exceeded
    }
}
