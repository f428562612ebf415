//! Taints keep pods away that do not tolerate them, and make nodes less welcome with `PreferNoSchedule`.

use sampan_api::k8s::api::core::v1::{Taint, Toleration};

use super::{Plugin, Verdict};
use crate::{NodeState, PodRequest, Snapshot};

pub(super) struct TaintToleration;

impl Plugin for TaintToleration {
    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn filter(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Verdict {
        let repels =
            |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute") && !tolerates(pod, taint);
        match node.taints().iter().find(repels) {
            None => Verdict::Fits,
            Some(_) => Verdict::Refused(vec!["node(s) had untolerated taint(s)".into()]),
        }
    }

    fn score(&self, pod: &PodRequest, node: &NodeState, _: &Snapshot) -> Option<u8> {
        let disliked =
            node.taints().iter().filter(|taint| taint.effect == "PreferNoSchedule" && !tolerates(pod, taint)).count();
        Some(100 / u8::try_from(disliked + 1).unwrap_or(u8::MAX))
    }

    fn weight(&self) -> u32 {
        3
    }
}

pub(super) fn tolerates(pod: &PodRequest, taint: &Taint) -> bool {
    let tolerations = pod.spec().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    tolerations.iter().any(|toleration| tolerated_by(taint, toleration))
}

/// Matches upstream's `Toleration.ToleratesTaint`.
fn tolerated_by(taint: &Taint, toleration: &Toleration) -> bool {
    let set = |field: &Option<String>| field.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
    let effect = set(&toleration.effect).is_none_or(|effect| effect == taint.effect);
    let key = set(&toleration.key).is_none_or(|key| key == taint.key);
    let value = toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default();
    effect
        && key
        && match toleration.operator.as_deref() {
            None | Some("" | "Equal") => value,
            Some("Exists") => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(toleration: serde_json::Value, expected: bool) {
        let taint =
            Taint { key: "gpu".into(), value: Some("big".into()), effect: "NoSchedule".into(), ..Taint::default() };
        let toleration: Toleration = serde_json::from_value(toleration).unwrap();
        assert_eq!(tolerated_by(&taint, &toleration), expected, "{toleration:?}");
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
    }
}
