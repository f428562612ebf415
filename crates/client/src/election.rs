//! Leadership by Lease, as client-go's `tools/leaderelection` plays it: the lease's content is a heartbeat, each candidate judges it by
//! its own clock alone.

mod record;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::coordination::v1::Lease;
use sampan_meta::{Clock, Entropy};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::BackoffPolicy;
use crate::{Api, Client, Error, PostParams, error};
use record::{Claim, Observation};

/// How a leadership is kept.
#[derive(Debug, Clone)]
pub struct ElectionOptions {
    /// The namespace of the lease, usually `kube-system`.
    pub namespace: String,
    /// The name of the lease, one per thing led.
    pub name: String,
    /// Who this candidate is; unique among the candidates.
    pub identity: String,
    /// How long others wait after the last heartbeat before they take over.
    pub lease_duration: Duration,
    /// How long the leader tries to renew before it gives up; shorter than `lease_duration`.
    pub renew_deadline: Duration,
    /// The pause between attempts.
    pub retry_period: Duration,
}

impl ElectionOptions {
    /// Upstream's durations: 15 s, 10 s and 2 s.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// A candidate for a leadership.
pub struct Election {
    api: Api<Lease>,
    options: ElectionOptions,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    observed: Observation,
}

/// A leadership that is held and kept by a task, until it is lost, released or dropped. Dropping it stops the renewal without giving
/// the lease back: others take over when it has run out.
pub struct Leadership {
    lost: watch::Receiver<bool>,
    release: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Leadership {
    /// Waits until the leadership is lost. What it protects has to stop at once then.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // An error means the task ended, which loses the leadership as well.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// Whether the leadership is still held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !*self.lost.borrow() && !self.task.is_finished()
    }

    /// Gives the lease back, so that another candidate need not wait. What it protects must have stopped before.
    pub async fn release(mut self) {
        self.release.send_replace(true);
        let _ended = (&mut self.task).await;
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Election {
    /// Makes a candidate; nothing is asked yet.
    pub fn new(client: &Client, options: ElectionOptions, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let api = Api::namespaced(client.clone(), &options.namespace);
        Self { api, options, clock, entropy, observed: Observation::default() }
    }

    /// Waits until this candidate leads.
    pub async fn acquire(mut self) -> Leadership {
        let pause = BackoffPolicy { base: self.options.retry_period, max: self.options.retry_period, jitter: 1.2 };
        loop {
            match self.attempt().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(failure) => {
                    tracing::warn!(lease = %self.options.name, "failed to acquire the lease: {}", error::message(&failure));
                }
            }
            sleep(pause.delay(0, &*self.entropy)).await;
        }
        let (lost_sender, lost) = watch::channel(false);
        let (release, released) = watch::channel(false);
        let task = tokio::spawn(async move {
            self.renew(released).await;
            lost_sender.send_replace(true);
        });
        Leadership { lost, release, task }
    }

    /// Renews until that fails for as long as the deadline, or the release is asked for.
    async fn renew(mut self, mut released: watch::Receiver<bool>) {
        let mut renewed = Instant::now();
        loop {
            if timeout(self.options.retry_period, wait_for(&mut released)).await.is_ok() {
                return self.give_back().await;
            }
            let left = self.options.renew_deadline.saturating_sub(renewed.elapsed());
            match timeout(left, self.attempt()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return,
                Ok(Err(failure)) => {
                    tracing::warn!(lease = %self.options.name, "failed to renew the lease: {}", error::message(&failure));
                }
                Err(_elapsed) => return,
            }
        }
    }

    /// One look at the lease, and one write if it may be taken or renewed. Returns whether this candidate holds it.
    async fn attempt(&mut self) -> Result<bool, Error> {
        let now = self.clock.now();
        let claim = Claim { options: &self.options, now };
        let Some(lease) = self.api.get_opt(&self.options.name).await? else {
            return won(self.api.create(&PostParams::default(), &claim.first()).await);
        };
        self.observed.see(&lease, Instant::now());
        if claim.belongs_to_another(&lease) && !self.observed.expired(Instant::now(), self.options.lease_duration) {
            return Ok(false);
        }
        won(self.api.replace(&self.options.name, &PostParams::default(), &claim.on(lease)).await)
    }

    async fn give_back(&mut self) {
        let claim = Claim { options: &self.options, now: self.clock.now() };
        let Ok(Some(lease)) = self.api.get_opt(&self.options.name).await else { return };
        if claim.belongs_to_another(&lease) {
            return;
        }
        let returned = self.api.replace(&self.options.name, &PostParams::default(), &claim.returned(lease)).await;
        if let Err(failure) = returned {
            tracing::warn!(lease = %self.options.name, "failed to release the lease: {}", error::message(&failure));
        }
    }
}

/// Waits until the release is asked for; for ever if nobody can ask any more.
async fn wait_for(released: &mut watch::Receiver<bool>) {
    if released.wait_for(|released| *released).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Somebody else's quicker write is not an error.
fn won(written: Result<Lease, Error>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(true),
        Err(failure) if error::is_conflict(&failure) || error::is_already_exists(&failure) => Ok(false),
        Err(failure) => Err(failure),
    }
}
