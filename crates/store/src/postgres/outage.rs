//! How long callers are kept waiting for a database that does not answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The part of its patience that a call has once another one has waited in vain.
const SHORTER: u32 = 20;

/// Whether somebody has waited for the database in vain and nobody had an answer since.
///
/// The first callers wait for as long as a restart takes. Whoever comes later is told at once, or clients that come again
/// when they are told to (kubectl does so ten times) would wait ten times as long, and writes queue behind each other's waits.
#[derive(Default)]
pub(super) struct Outage {
    known: AtomicBool,
}

impl Outage {
    /// How long a call may go on trying.
    pub(super) fn patience(&self, most: Duration) -> Duration {
        if self.known.load(Ordering::Relaxed) { most / SHORTER } else { most }
    }

    /// The database answered, if only to refuse.
    pub(super) fn ended(&self) {
        if self.known.swap(false, Ordering::Relaxed) {
            tracing::info!("the database answers again");
        }
    }

    /// Somebody's patience is at its end.
    pub(super) fn began(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    /// Takes note of how a call ended.
    pub(super) fn observe<T>(&self, result: &Result<T, crate::Error>) {
        match result {
            Err(error) if error.retryable() => self.began(),
            _ => self.ended(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn who_comes_after_one_that_waited_in_vain_waits_shorter_until_there_is_an_answer() {
        let (outage, most) = (Outage::default(), Duration::from_secs(5));
        assert_eq!(outage.patience(most), most);
        outage.observe::<()>(&Err(Error::Unavailable("gone".into())));
        assert_eq!(outage.patience(most), Duration::from_millis(250));
        outage.observe::<()>(&Err(Error::Unusable("refused".into())));
        assert_eq!(outage.patience(most), most);
    }
}
