//! Fills the rules of ClusterRoles that are sums of others. As upstream's `pkg/controller/clusterroleaggregation`.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::rbac::v1::{ClusterRole, PolicyRule};
use sampan_client::{Informer, Patch, PatchParams, ResourceExt};
use serde_json::json;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::ownership::selector;
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "clusterrole-aggregation-controller",
    identity: "clusterrole-aggregation-controller",
    requires: &[],
    permissions: &[Rule {
        group: "rbac.authorization.k8s.io",
        resources: &["clusterroles"],
        verbs: &["get", "list", "watch", "patch", "update", "escalate"],
    }],
    make: |context| Arc::new(AggregationController { roles: context.informer(), cx: context.clone() }),
};

struct AggregationController {
    cx: Context,
    roles: Informer<ClusterRole>,
}

/// The rules the role shall have, in the order of the names they come from, each once; `None`: it has them, or is no sum.
fn plan(role: &ClusterRole, all: &[Arc<ClusterRole>]) -> Result<Option<Vec<PolicyRule>>, Failure> {
    let Some(aggregation) = &role.aggregation_rule else { return Ok(None) };
    let selectors = aggregation.cluster_role_selectors.iter().flatten().map(selector).collect::<Result<Vec<_>, _>>()?;
    let mut rules: Vec<PolicyRule> = Vec::new();
    for source in all.iter().filter(|source| source.metadata.name != role.metadata.name) {
        if !selectors.iter().any(|selector| sampan_client::informer::matches(selector, &**source)) {
            continue;
        }
        for rule in source.rules.iter().flatten() {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    Ok((role.rules.as_deref().unwrap_or_default() != rules).then_some(rules))
}

impl AggregationController {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(role) = self.roles.get(key).filter(|role| role.metadata.deletion_timestamp.is_none()) else {
            return Ok(Next::Settled);
        };
        if let Some(rules) = plan(&role, &self.roles.list())? {
            let metadata = json!({ "resourceVersion": role.metadata.resource_version });
            let patch = Patch::Merge(json!({ "metadata": metadata, "rules": rules }));
            self.cx.cluster::<ClusterRole>().patch(&key.name, &PatchParams::default(), &patch).await?;
        }
        Ok(Next::Settled)
    }
}

impl Controller for AggregationController {
    /// Any role may be a part of any sum.
    fn watches(&self) -> Vec<Watch> {
        let roles = self.roles.clone();
        vec![Watch::new(&self.roles, move |_| {
            let sums = roles.list().into_iter().filter(|role| role.aggregation_rule.is_some());
            sums.map(|role| Key::new("", role.name_any())).collect()
        })]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::object;

    fn role(name: &str, label: &str, verbs: &[&str]) -> Arc<ClusterRole> {
        let rule = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": verbs });
        Arc::new(object(json!({ "metadata": { "name": name, "labels": { "to": label } }, "rules": [rule] })))
    }

    #[test]
    fn a_sum_has_the_rules_of_all_it_selects_each_once() {
        let mut sum: ClusterRole = object(json!({
            "metadata": { "name": "view", "labels": { "to": "view" } },
            "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "to": "view" } }] },
        }));
        let all = [
            role("a", "view", &["get"]),
            role("b", "view", &["list"]),
            role("c", "view", &["get"]),
            role("d", "edit", &["create"]),
        ];
        let rules = plan(&sum, &all).expect("valid").expect("it has none yet");
        let verbs: Vec<_> = rules.iter().map(|rule| rule.verbs.join(",")).collect();
        assert_eq!(verbs, ["get", "list"]);
        sum.rules = Some(rules);
        assert_eq!(plan(&sum, &all).expect("valid"), None);
        assert_eq!(plan(&all[0], &all).expect("valid"), None);
    }
}
