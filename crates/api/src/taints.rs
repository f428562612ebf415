//! Taints and who tolerates them.

use crate::k8s::api::core::v1::{Taint, Toleration as WireToleration};

/// A toleration, read once. What it leaves out matches all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Toleration {
    key: Option<String>,
    effect: Option<String>,
    /// `None`: any value (`Exists`).
    value: Option<String>,
}

impl Toleration {
    /// Reads a toleration. The numeric operators of KEP-5471 are behind a gate that is off in 1.36, so that such a toleration, as any with
    /// an operator nobody knows, tolerates nothing.
    #[must_use]
    pub fn new(toleration: &WireToleration) -> Option<Self> {
        let set = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
        let value = match toleration.operator.as_deref() {
            None | Some("" | "Equal") => Some(toleration.value.clone().unwrap_or_default()),
            Some("Exists") => None,
            Some(_) => return None,
        };
        Some(Self { key: set(&toleration.key), effect: set(&toleration.effect), value })
    }

    /// Matches upstream's `Toleration.ToleratesTaint`.
    #[must_use]
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.effect, &taint.effect)
            && same(&self.key, &taint.key)
            && same(&self.value, taint.value.as_deref().unwrap_or_default())
    }
}

/// Whether one of `tolerations` tolerates `taint`.
#[must_use]
pub fn tolerated(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

/// Whether `taint` keeps pods from being scheduled: `NoSchedule` and `NoExecute` do.
#[must_use]
pub fn repels(taint: &Taint) -> bool {
    matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(toleration: serde_json::Value, expected: bool) {
        let taint =
            Taint { key: "gpu".into(), value: Some("big".into()), effect: "NoSchedule".into(), ..Taint::default() };
        let toleration: WireToleration = serde_json::from_value(toleration).unwrap();
        let tolerates = Toleration::new(&toleration).is_some_and(|toleration| toleration.tolerates(&taint));
        assert_eq!(tolerates, expected, "{toleration:?}");
    }

    #[test]
    fn a_toleration_matches_by_key_value_and_effect_and_what_it_leaves_out_matches_all() {
        check(json!({"operator": "Exists"}), true);
        check(json!({"key": "gpu", "operator": "Exists"}), true);
        check(json!({"key": "gpu", "value": "big"}), true);
        check(json!({"key": "gpu", "operator": "Equal", "value": "big", "effect": "NoSchedule"}), true);
        check(json!({"key": "gpu", "value": "small"}), false);
        check(json!({"key": "disk", "operator": "Exists"}), false);
        check(json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}), false);
        check(json!({"key": "gpu", "operator": "Gt", "value": "1"}), false);
    }
}
