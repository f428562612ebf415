//! When an indexed Job has succeeded well enough. As upstream's `success_policy.go` and KEP-3998.

use std::collections::BTreeSet;

use sampan_api::k8s::api::batch::v1::{SuccessPolicy, SuccessPolicyRule};

use super::{count, indexes};

/// Which rule is met, in upstream's words; `None`: none.
pub(super) fn met(policy: Option<&SuccessPolicy>, completions: usize, done: &BTreeSet<u32>) -> Option<String> {
    let rules = policy.map(|policy| policy.rules.as_slice()).unwrap_or_default();
    let at = rules.iter().position(|rule| !done.is_empty() && is_met(rule, completions, done))?;
    Some(format!("Matched rules at index {at}"))
}

/// All of the indexes, or as many of them as the count says.
fn is_met(rule: &SuccessPolicyRule, completions: usize, done: &BTreeSet<u32>) -> bool {
    let wanted = rule.succeeded_count.map(count);
    let Some(text) = rule.succeeded_indexes.as_deref() else {
        return wanted.is_some_and(|wanted| done.len() >= wanted);
    };
    let required = indexes::parse(text, completions);
    required.intersection(done).count() >= wanted.unwrap_or(required.len())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::object;

    #[test]
    fn a_rule_is_met_by_its_indexes_or_as_many_as_it_counts() {
        let met = |rules: Value, done: &[u32]| {
            super::met(Some(&object(json!({ "rules": rules }))), 10, &done.iter().copied().collect()).is_some()
        };
        let all = || json!([{ "succeededIndexes": "0-2,5" }]);
        assert!(met(all(), &[0, 1, 2, 5, 7]) && !met(all(), &[0, 1, 2]));
        let two = || json!([{ "succeededIndexes": "0-2,5", "succeededCount": 2 }]);
        assert!(met(two(), &[1, 5]) && !met(two(), &[1, 6, 7]));
        assert!(met(json!([{ "succeededCount": 1 }]), &[9]) && !met(json!([{ "succeededCount": 2 }]), &[9]));
        let policy = object(json!({ "rules": [{ "succeededCount": 3 }, { "succeededCount": 1 }] }));
        assert_eq!(super::met(Some(&policy), 10, &BTreeSet::from([4])).as_deref(), Some("Matched rules at index 1"));
        assert_eq!(super::met(None, 10, &BTreeSet::from([4])), None);
    }
}
