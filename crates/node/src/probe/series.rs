//! One probe asked again and again: delays, thresholds and what the answers amount to.

use std::time::Duration;

use sampan_api::k8s::api::core::v1::Probe;
use sampan_client::EventType;

use super::handler::{self, Answer};
use super::{Kind, Target};
use crate::pod::facts;

/// What enough equal answers in a row amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad,
}

pub(super) struct Series {
    kind: Kind,
    thresholds: Thresholds,
    first: Duration,
    period: Duration,
    pub(super) timeout: Duration,
    asked: bool,
}

impl Series {
    /// `good` is what the container is taken to be before any answer.
    pub(super) fn new(probe: &Probe, kind: Kind, good: bool) -> Self {
        let seconds = |value: Option<i32>, default: i32| {
            facts::seconds(value.filter(|value| *value > 0).unwrap_or(default).into())
        };
        Self {
            kind,
            thresholds: Thresholds::new(probe.success_threshold, probe.failure_threshold, good),
            first: seconds(probe.initial_delay_seconds, 0),
            period: seconds(probe.period_seconds, 10),
            timeout: seconds(probe.timeout_seconds, 1),
            asked: false,
        }
    }

    /// Waits for the next turn, asks, and says when the verdict changed.
    pub(super) async fn next(&mut self, target: &Target, probe: Option<&Probe>) -> Option<Verdict> {
        let wait = if std::mem::replace(&mut self.asked, true) { self.period } else { self.first };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        match handler::ask(target, self.kind, probe, self.timeout).await {
            Answer::Success => self.thresholds.count(true),
            Answer::Failure(output) => {
                self.report(target, "Unhealthy", &format!("{} probe failed: {output}", self.kind.title()));
                self.thresholds.count(false)
            }
            // Neither good nor bad: as with the kubelet, an answer that could not be had does not count.
            Answer::Error(error) => {
                self.report(
                    target,
                    "Unhealthy",
                    &format!("{} probe errored and resulted in unknown state: {error}", self.kind.title()),
                );
                None
            }
        }
    }

    fn report(&self, target: &Target, reason: &str, message: &str) {
        target.context.event(&target.pod, Some(&target.container), EventType::Warning, reason, message);
    }
}

/// Counts equal answers in a row.
#[derive(Debug)]
pub(super) struct Thresholds {
    success: i32,
    failure: i32,
    good: Option<bool>,
    assumed: bool,
    last: bool,
    run: i32,
}

impl Thresholds {
    pub(super) fn new(success: Option<i32>, failure: Option<i32>, good: bool) -> Self {
        Self {
            success: success.unwrap_or(1).max(1),
            failure: failure.unwrap_or(3).max(1),
            good: None,
            assumed: good,
            last: good,
            run: 0,
        }
    }

    /// The verdict when this answer changes it, or makes the first one.
    pub(super) fn count(&mut self, success: bool) -> Option<Verdict> {
        self.run = if success == self.last { self.run.saturating_add(1) } else { 1 };
        self.last = success;
        let needed = if success { self.success } else { self.failure };
        let known = self.good.unwrap_or(self.assumed);
        if self.run < needed || (self.good.is_some() && known == success) {
            return None;
        }
        self.good = Some(success);
        Some(if success { Verdict::Good } else { Verdict::Bad })
    }
}
