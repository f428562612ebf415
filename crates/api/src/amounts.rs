//! What a pod asks for altogether (upstream's `component-helpers/resource`).

use std::collections::BTreeMap;

use sampan_meta::{Quantity, object};
use serde_json::Value;

/// Amounts by the name of what there is an amount of.
pub type Amounts = BTreeMap<String, Quantity>;

/// The amounts at a pointer; what is no quantity is left out.
pub fn amounts_at(owner: &Value, pointer: &str) -> Amounts {
    let members = owner.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    let parsed = |(name, amount): (&String, &Value)| Some((name.clone(), Quantity::parse(amount.as_str()?).ok()?));
    members.filter_map(parsed).collect()
}

/// The requests or limits (`list`) of a pod: of its containers together, or of the init container that needs more, and the overhead.
/// What the pod says for itself as a whole counts instead.
pub fn of_pod(pod: &Value, list: &str) -> Amounts {
    let of = |container: &Value| amounts_at(container, &format!("/resources/{list}"));
    let mut total = Amounts::new();
    object::list_at(pod, "/spec/containers").iter().for_each(|container| add(&mut total, &of(container)));
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for container in object::list_at(pod, "/spec/initContainers") {
        let mut now = of(container);
        if object::str_at(container, "/restartPolicy") == Some("Always") {
            add(&mut total, &now);
            add(&mut sidecars, &now);
            now = sidecars.clone();
        } else {
            add(&mut now, &sidecars);
        }
        raise(&mut most, &now);
    }
    raise(&mut total, &most);
    total.extend(amounts_at(pod, &format!("/spec/resources/{list}")));
    for (name, amount) in amounts_at(pod, "/spec/overhead") {
        // A limit that is not there is none, and overhead makes none.
        if list == "requests" || total.contains_key(&name) {
            add(&mut total, &Amounts::from([(name, amount)]));
        }
    }
    total
}

/// Adds amount by amount.
pub fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *total.entry(name.clone()).or_insert(Quantity::ZERO) += *amount;
    }
}

fn raise(total: &mut Amounts, to: &Amounts) {
    for (name, amount) in to {
        let present = total.entry(name.clone()).or_insert(*amount);
        *present = (*present).max(*amount);
    }
}

/// Whether the pod asks for nothing: its class of service is BestEffort.
pub fn is_best_effort(pod: &Value) -> bool {
    let asks = |list: &str| {
        let all = of_pod(pod, list);
        ["cpu", "memory"].iter().any(|name| all.get(*name).is_some_and(|amount| !amount.is_zero()))
    };
    !asks("requests") && !asks("limits")
}
