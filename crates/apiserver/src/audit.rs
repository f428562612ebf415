//! The audit log: who did what, when, from where, and what came of it.
//!
//! A request that the policy knows leaves one event for each of its stages, as a line of JSON in the form of `audit.k8s.io/v1`, so that
//! whatever reads kube-apiserver's log reads this one. What a request does stays in [`Trail`] until it has an answer; then its line is
//! handed to [`Log`], a thread that writes the lines of many requests at once. Nothing waits for the disk, nothing is synced to it. Lists
//! of events may go to a webhook as well ([`Batches`]).

mod batches;
mod body;
mod event;
mod file;
mod log;
mod policy;
mod trail;
mod webhook;

#[cfg(test)]
mod tests;

pub(crate) use trail::{Heard, Target, Trail};

pub use batches::{BatchOptions, Batches, Receiver, Throttle};
pub use file::{FileOptions, LogFile};
pub use log::{Log, Mode, Sink};
pub use policy::{Level, Policy, PolicyError, Stage};
pub use webhook::Webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::Page;

/// How long a server that ends waits for the webhook to take what is left.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(5);

/// What is logged, and where to.
pub struct Audit {
    policy: Policy,
    log: Option<Arc<Log>>,
    batches: Option<Arc<Batches>>,
    by_level: [AtomicU64; 4],
}

impl Audit {
    /// Logs what the policy asks for.
    pub fn new(policy: Policy, log: Arc<Log>) -> Arc<Self> {
        Self::to(policy, Some(log), None)
    }

    /// Logs what the policy asks for, here and to somebody else, or one of both.
    pub fn to(policy: Policy, log: Option<Arc<Log>>, batches: Option<Arc<Batches>>) -> Arc<Self> {
        Arc::new(Self { policy, log, batches, by_level: Default::default() })
    }

    /// Waits until what was logged so far is with the operating system, and with whoever else is told, for as long as a shutdown
    /// may take.
    pub async fn flush(&self) {
        if let Some(log) = &self.log {
            log.flush().await;
        }
        if let Some(batches) = &self.batches
            && tokio::time::timeout(LAST_WORDS, batches.flush()).await.is_err()
        {
            tracing::error!("the audit webhook does not take its last events in time; they are lost");
        }
    }

    async fn add(&self, line: &[u8]) {
        if let Some(batches) = &self.batches {
            batches.add(line);
        }
        if let Some(log) = &self.log {
            log.add(line).await;
        }
    }

    fn add_later(&self, line: Vec<u8>) {
        if let Some(batches) = &self.batches {
            batches.add(&line);
        }
        if let Some(log) = &self.log {
            log.add_later(line);
        }
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
        let counts = [
            ("log", self.log.as_ref().map(|log| log.counts())),
            ("webhook", self.batches.as_ref().map(|batches| batches.counts())),
        ];
        let made = counts.iter().filter_map(|(_, counts)| Some(counts.as_ref()?.0)).max().unwrap_or_default();
        page.head("apiserver_audit_event_total", "counter", "Audit events made.");
        page.line("apiserver_audit_event_total", &[], made);
        page.head(
            "apiserver_audit_error_total",
            "counter",
            "Audit events that did not arrive, by where they were to go.",
        );
        for (plugin, counts) in counts {
            if let Some((_, lost)) = counts {
                page.line("apiserver_audit_error_total", &[("plugin", plugin)], lost);
            }
        }
    }
}
