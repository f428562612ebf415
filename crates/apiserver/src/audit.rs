//! The audit log: who did what, when, from where, and what came of it.
//!
//! A request that the policy knows leaves one event for each of its stages, as a line of JSON in the form of `audit.k8s.io/v1`, so that
//! whatever reads kube-apiserver's log reads this one. What a request does stays in [`Trail`] until it has an answer; then its line is
//! handed to [`Log`], a thread that writes the lines of many requests at once. Nothing waits for the disk, nothing is synced to it.

mod body;
mod event;
mod file;
mod log;
mod policy;
mod trail;

#[cfg(test)]
mod tests;

pub(crate) use trail::{Heard, Target, Trail};

pub use file::{FileOptions, LogFile};
pub use log::{Log, Mode, Sink};
pub use policy::{Level, Policy, PolicyError, Stage};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::Page;

/// What is logged, and where to.
pub struct Audit {
    policy: Policy,
    log: Arc<Log>,
    by_level: [AtomicU64; 4],
}

impl Audit {
    /// Logs what the policy asks for.
    pub fn new(policy: Policy, log: Arc<Log>) -> Arc<Self> {
        Arc::new(Self { policy, log, by_level: Default::default() })
    }

    /// Waits until what was logged so far is with the operating system.
    pub async fn flush(&self) {
        self.log.flush().await;
    }

    fn count(&self, level: Level) {
        self.by_level[level as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Figures under upstream's names (apiserver/pkg/audit/metrics.go).
    pub(crate) fn report(&self, page: &mut Page) {
        page.head("apiserver_audit_level_total", "counter", "Requests by the level their policy rule gave them.");
        for level in Level::ALL {
            let count = self.by_level[level as usize].load(Ordering::Relaxed);
            page.line("apiserver_audit_level_total", &[("level", &*level.to_string())], count);
        }
        let (events, lost) = self.log.counts();
        for (name, help, count) in [
            ("apiserver_audit_event_total", "Audit events made.", events),
            ("apiserver_audit_error_total", "Audit events that were not written.", lost),
        ] {
            page.head(name, "counter", help);
            page.line(name, &[], count);
        }
    }
}
