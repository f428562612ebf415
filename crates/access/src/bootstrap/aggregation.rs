//! Roles that take the rules of others by their labels (upstream's `clusterroleaggregation` controller), as a pure function.

use std::borrow::Borrow;

use sampan_meta::object;
use sampan_meta::selector::LabelSelector;
use serde_json::{Value, json};

/// The rules `role` should have, if it aggregates others: those of every ClusterRole its selectors match, in the order of
/// their names, each rule once. `None` for a role that does not aggregate.
pub fn aggregate<R: Borrow<Value>>(role: &Value, roles: &[R]) -> Option<Vec<Value>> {
    role.get("aggregationRule").filter(|rule| !rule.is_null())?;
    let mut others: Vec<&Value> = roles.iter().map(Borrow::borrow).filter(|other| is_other_role(role, other)).collect();
    others.sort_by_key(|other| object::name(other));
    let mut rules: Vec<Value> = Vec::new();
    for selector in object::list_at(role, "/aggregationRule/clusterRoleSelectors") {
        // A selector that cannot be read matches nothing: it must not match everything.
        let Ok(selector) = LabelSelector::from_json(selector) else { continue };
        let matching = others.iter().filter(|other| selector.matches_map(object::labels(other)));
        for rule in matching.flat_map(|other| object::list_at(other, "/rules")) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    Some(rules)
}

fn is_other_role(role: &Value, other: &Value) -> bool {
    object::kind(other) == "ClusterRole" && object::name(other) != object::name(role)
}

/// The aggregated ones among `roles` whose rules are not what they should be, with the right rules. Roles that aggregate
/// aggregated roles (admin takes edit, edit takes view) are settled in the same call.
pub fn aggregated<R: Borrow<Value>>(roles: &[R]) -> Vec<Value> {
    let before: Vec<&Value> = roles.iter().map(Borrow::borrow).collect();
    let mut now: Vec<Value> = before.iter().map(|role| (*role).clone()).collect();
    // Each round settles one level more; as many rounds as roles end even a chain of all of them, and a circle.
    for _ in 0..now.len() {
        let changes: Vec<(usize, Value)> =
            now.iter().enumerate().filter_map(|(place, role)| Some((place, change(role, &now)?))).collect();
        if changes.is_empty() {
            break;
        }
        for (place, role) in changes {
            now[place] = role;
        }
    }
    now.into_iter().zip(before).filter(|(now, before)| now != *before).map(|(now, _)| now).collect()
}

fn change(role: &Value, roles: &[Value]) -> Option<Value> {
    let rules = aggregate(role, roles)?;
    let same = object::list_at(role, "/rules") == rules.as_slice();
    (!same).then(|| {
        let mut role = role.clone();
        role["rules"] = json!(rules);
        role
    })
}
