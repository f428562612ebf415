//! Replacing certificates before they end, in a process that runs for longer than they live.
//!
//! One sleep per certificate, until a moment between 70 and 90 % of its life, as the kubelet's
//! (client-go/util/certificate/certificate_manager.go, `nextRotationDeadline`): far enough from the end to try often, and a
//! different one on each of thousands of nodes that joined on the same day.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_meta::{Clock, Entropy};

use super::Identity;
use super::validity::Validity;

/// Sleeping does not see that the wall clock was set (a board without a battery starts in 1970) nor that the machine slept itself;
/// one look a day makes up for both.
const LOOK: Duration = Duration::from_secs(24 * 60 * 60);
/// Pauses after failures: from, to.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10 * 60));
/// Between two renewals, whatever the certificates say: one that is born old (its authority is about to end) must not spin.
const SHORTEST: Duration = Duration::from_secs(60);

/// The earliest moment to replace it is after this part of its life, in thousandths ..
const EARLIEST: u32 = 700;
/// .. and the latest so many later.
const SPREAD: u32 = 200;

impl Validity {
    /// When a running process replaces it; `chance` picks one of the moments.
    pub(super) fn renewal_moment(self, chance: u32) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        let thousandths = EARLIEST + chance % (SPREAD + 1);
        let until = life / 1000 * i32::try_from(thousandths).unwrap_or(i32::MAX);
        self.not_before.checked_add(until).unwrap_or(self.not_after)
    }
}

/// What there is to do about a certificate that is to be replaced at `due`: nothing for so long, or (zero) replace it.
fn pause(now: Timestamp, due: Timestamp) -> Duration {
    let left = due.duration_since(now);
    Duration::try_from(left).unwrap_or(Duration::ZERO).min(LOOK)
}

/// Replaces `first`, and whatever comes after it, each in time; never returns. `obtain` gets another certificate and puts it where
/// it is used; when it fails, it is called again after a pause that grows from 2 s to 10 min. `what` names the certificate in the log.
///
/// # Panics
/// Outside a tokio runtime with time enabled.
pub async fn keep_renewed<E, F>(
    what: &str,
    first: Identity,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    mut obtain: impl FnMut() -> F,
) -> std::convert::Infallible
where
    E: Display,
    F: Future<Output = Result<Identity, E>>,
{
    let mut validity = first.validity();
    drop(first);
    loop {
        let due = validity.renewal_moment(chance(entropy.as_ref()));
        sleep_until(due, clock.as_ref()).await;
        validity = insist(what, &mut obtain).await.validity();
        tracing::info!(certificate = what, until = %validity.not_after, "certificate renewed");
        tokio::time::sleep(SHORTEST).await;
    }
}

async fn sleep_until(due: Timestamp, clock: &dyn Clock) {
    loop {
        match pause(clock.now(), due) {
            Duration::ZERO => return,
            some => tokio::time::sleep(some).await,
        }
    }
}

async fn insist<E, F>(what: &str, obtain: &mut impl FnMut() -> F) -> Identity
where
    E: Display,
    F: Future<Output = Result<Identity, E>>,
{
    let mut wait = RETRY.0;
    loop {
        match obtain().await {
            Ok(identity) => return identity,
            Err(error) => {
                tracing::warn!(certificate = what, error = %format_args!("{error:#}"), again_in = ?wait, "certificate not renewed");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
        }
    }
}

fn chance(entropy: &dyn Entropy) -> u32 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
