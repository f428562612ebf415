//! maxSurge and maxUnavailable as numbers of pods.

use sampan_api::k8s::api::apps::v1::DeploymentSpec;
use sampan_api::k8s::apimachinery::pkg::util::intstr::IntOrString;

use crate::int_or_percent::{Rounding, scaled};

/// How far a rolling update may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) surge: i32,
    pub(super) unavailable: i32,
}

/// Upstream's `ResolveFenceposts`: the surge is rounded up, the unavailable down; both zero would stand still for ever.
pub(super) fn bounds(spec: &DeploymentSpec) -> Bounds {
    let replicas = spec.replicas.unwrap_or(1);
    let strategy = spec.strategy.as_ref();
    if strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate")) {
        return Bounds { surge: 0, unavailable: 0 };
    }
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let quarter = IntOrString::String("25%".to_owned());
    let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref()).unwrap_or(&quarter);
    let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&quarter);
    let surge = scaled(surge, replicas, Rounding::Up);
    let mut unavailable = scaled(unavailable, replicas, Rounding::Down);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    Bounds { surge, unavailable: unavailable.min(replicas) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(replicas: i32, surge: serde_json::Value, unavailable: serde_json::Value, expected: Expect) {
        let spec = json!({
            "replicas": replicas, "selector": {}, "template": {},
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable } },
        });
        let Bounds { surge, unavailable } = bounds(&crate::testing::object(spec));
        expected.assert_eq(&format!("+{surge} -{unavailable}"));
    }

    #[test]
    fn percentages_are_rounded_and_zero_means_one() {
        check(10, json!("25%"), json!("25%"), expect!["+3 -2"]);
        check(1, json!("25%"), json!("25%"), expect!["+1 -0"]);
        check(4, json!(0), json!("10%"), expect!["+0 -1"]);
        check(3, json!(2), json!(100), expect!["+2 -3"]);
        check(0, json!("25%"), json!("25%"), expect!["+0 -0"]);
    }
}
