//! How fast a target may grow and shrink. Upstream: `normalizeDesiredReplicasWithBehaviors`.

use std::time::Duration;

use jiff::Timestamp;
use sampan_meta::object;
use serde_json::Value;

use super::{Conditions, Tolerance};

/// What is kept of the past for one autoscaler. Lost with the process, as upstream's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct History {
    recommended: Vec<(Timestamp, i32)>,
    grown: Vec<(Timestamp, i32)>,
    shrunk: Vec<(Timestamp, i32)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Policy {
    percent: bool,
    value: i32,
    period: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Select {
    Max,
    Min,
    Disabled,
}

/// The rules of one direction.
#[derive(Debug, Clone, PartialEq)]
struct Rule {
    policies: Vec<Policy>,
    select: Select,
    stabilization: Duration,
    tolerance: f64,
}

/// The rules of both directions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    up: Rule,
    down: Rule,
}

const TOLERANCE: f64 = 0.1;

impl Rules {
    /// Those of a spec, and upstream's defaults for what it leaves out.
    pub(crate) fn of(spec: &Value) -> Self {
        let policy = |percent, value| Policy { percent, value, period: Duration::from_secs(15) };
        let up = vec![policy(false, 4), policy(true, 100)];
        Self {
            up: rule(spec.pointer("/behavior/scaleUp"), up, 0),
            down: rule(spec.pointer("/behavior/scaleDown"), vec![policy(true, 100)], 300),
        }
    }

    pub(crate) fn tolerance(&self) -> Tolerance {
        Tolerance { down: self.down.tolerance, up: self.up.tolerance }
    }
}

fn rule(given: Option<&Value>, policies: Vec<Policy>, stabilization: u64) -> Rule {
    let given = given.unwrap_or(&Value::Null);
    let seconds = |value: &Value| value.as_u64();
    let policy = |policy: &Value| Policy {
        percent: policy["type"] == "Percent",
        value: i32::try_from(policy["value"].as_i64().unwrap_or(0)).unwrap_or(i32::MAX),
        period: Duration::from_secs(seconds(&policy["periodSeconds"]).unwrap_or(15)),
    };
    let own: Vec<Policy> = object::list_at(given, "/policies").iter().map(policy).collect();
    let select = match object::str_at(given, "/selectPolicy") {
        Some("Min") => Select::Min,
        Some("Disabled") => Select::Disabled,
        _ => Select::Max,
    };
    let tolerance = object::str_at(given, "/tolerance").and_then(|text| sampan_meta::Quantity::parse(text).ok());
    Rule {
        policies: if own.is_empty() { policies } else { own },
        select,
        stabilization: Duration::from_secs(seconds(&given["stabilizationWindowSeconds"]).unwrap_or(stabilization)),
        tolerance: tolerance.map_or(TOLERANCE, |tolerance| tolerance.as_f64()),
    }
}

/// Between which numbers a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) current: i32,
    pub(crate) least: i32,
    pub(crate) most: i32,
}

impl History {
    /// The first look counts as a recommendation of what is there.
    pub(crate) fn begin(&mut self, current: i32, now: Timestamp) {
        if self.recommended.is_empty() {
            self.recommended.push((now, current));
        }
    }

    /// Notes that the target was scaled.
    pub(crate) fn scaled(&mut self, from: i32, to: i32, now: Timestamp, rules: &Rules) {
        let longest = |rule: &Rule| rule.policies.iter().map(|policy| policy.period).max().unwrap_or_default();
        self.grown.retain(|(at, _)| is_within(*at, longest(&rules.up).max(longest(&rules.down)), now));
        self.shrunk.retain(|(at, _)| is_within(*at, longest(&rules.up).max(longest(&rules.down)), now));
        if to > from { self.grown.push((now, to - from)) } else { self.shrunk.push((now, from - to)) }
    }

    /// What is to be done of what is wanted.
    pub(crate) fn normalize(
        &mut self,
        wanted: i32,
        bounds: Bounds,
        rules: &Rules,
        now: Timestamp,
        conditions: &mut Conditions,
    ) -> i32 {
        let stable = self.stabilize(wanted, bounds.current, rules, now);
        if stable == wanted {
            conditions.set("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
        } else if wanted >= bounds.current {
            let message =
                "recent recommendations were lower than current one, applying the lowest recent recommendation";
            conditions.set("AbleToScale", true, "ScaleUpStabilized", message);
        } else {
            let message =
                "recent recommendations were higher than current one, applying the highest recent recommendation";
            conditions.set("AbleToScale", true, "ScaleDownStabilized", message);
        }
        let (allowed, reason, message) = self.limit(stable, bounds, rules, now);
        conditions.set("ScalingLimited", allowed != stable, reason, message);
        allowed
    }

    fn stabilize(&mut self, wanted: i32, current: i32, rules: &Rules, now: Timestamp) -> i32 {
        let recent = |window: Duration| self.recommended.iter().filter(move |(at, _)| is_within(*at, window, now));
        let lowest = recent(rules.up.stabilization).map(|(_, replicas)| *replicas).min().unwrap_or(wanted).min(wanted);
        let highest =
            recent(rules.down.stabilization).map(|(_, replicas)| *replicas).max().unwrap_or(wanted).max(wanted);
        let longest = rules.up.stabilization.max(rules.down.stabilization);
        self.recommended.retain(|(at, _)| is_within(*at, longest, now));
        self.recommended.push((now, wanted));
        current.max(lowest).min(highest)
    }

    /// Upstream's `convertDesiredReplicasWithBehaviorRate`.
    fn limit(&self, wanted: i32, bounds: Bounds, rules: &Rules, now: Timestamp) -> (i32, &'static str, &'static str) {
        let Bounds { current, least, most } = bounds;
        if wanted > current {
            let reach = self.highest(current, &rules.up, now).max(current);
            let (allowed, reason, message) = match most > reach {
                true => (
                    reach,
                    "ScaleUpLimit",
                    "the desired replica count is increasing faster than the maximum scale rate",
                ),
                false => (most, "TooManyReplicas", "the desired replica count is more than the maximum replica count"),
            };
            if wanted > allowed {
                return (allowed, reason, message);
            }
        } else if wanted < current {
            let reach = self.lowest(current, &rules.down, now).min(current);
            let (allowed, reason, message) = match least < reach {
                true => (
                    reach,
                    "ScaleDownLimit",
                    "the desired replica count is decreasing faster than the maximum scale rate",
                ),
                false => (least, "TooFewReplicas", "the desired replica count is less than the minimum replica count"),
            };
            if wanted < allowed {
                return (allowed, reason, message);
            }
        }
        (wanted, "DesiredWithinRange", "the desired count is within the acceptable range")
    }

    /// The size at the beginning of a policy's period.
    fn before(&self, current: i32, period: Duration, now: Timestamp) -> i32 {
        let sum = |changes: &[(Timestamp, i32)]| -> i32 {
            changes.iter().filter(|(at, _)| is_within(*at, period, now)).map(|(_, by)| *by).sum()
        };
        current - sum(&self.grown) + sum(&self.shrunk)
    }

    fn highest(&self, current: i32, rule: &Rule, now: Timestamp) -> i32 {
        let reach = |policy: &Policy| {
            let before = self.before(current, policy.period, now);
            match policy.percent {
                true => share(before, 100 + i64::from(policy.value), 99),
                false => before.saturating_add(policy.value),
            }
        };
        let reaches = rule.policies.iter().map(reach);
        match rule.select {
            Select::Disabled => current,
            Select::Max => reaches.max().unwrap_or(current),
            Select::Min => reaches.min().unwrap_or(current),
        }
    }

    fn lowest(&self, current: i32, rule: &Rule, now: Timestamp) -> i32 {
        let reach = |policy: &Policy| {
            let before = self.before(current, policy.period, now);
            match policy.percent {
                true => share(before, 100 - i64::from(policy.value), 0),
                false => before.saturating_sub(policy.value),
            }
        };
        let reaches = rule.policies.iter().map(reach);
        match rule.select {
            Select::Disabled => current,
            // The most change is the lowest number.
            Select::Max => reaches.min().unwrap_or(current),
            Select::Min => reaches.max().unwrap_or(current),
        }
    }
}

/// So many percent of a number; `rounding` is added in hundredths.
fn share(number: i32, percent: i64, rounding: i64) -> i32 {
    let hundredths = i64::from(number).saturating_mul(percent).saturating_add(rounding);
    i32::try_from(hundredths.div_euclid(100)).unwrap_or(i32::MAX)
}

fn is_within(at: Timestamp, window: Duration, now: Timestamp) -> bool {
    now.duration_since(at) < jiff::SignedDuration::try_from(window).unwrap_or(jiff::SignedDuration::MAX)
}
