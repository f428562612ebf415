//! How long a failed pod is left on its node before it is replaced. As upstream's `failedPodsBackoff`.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use sampan_api::k8s::api::apps::v1::DaemonSet;
use tokio::time::Instant;

const BASE: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(15 * 60);

/// By the set's uid and generation, and the node: a new spec deserves a new chance at once.
type Place = (String, i64, String);

/// The last replacement at each place and how long the next one waits. Lost in a restart without harm.
#[derive(Default)]
pub(super) struct FailedPods(Mutex<HashMap<Place, (Instant, Duration)>>);

impl FailedPods {
    /// How long a failed pod has to stay yet; `None`: it may be replaced.
    pub(super) fn remaining(&self, set: &DaemonSet, node: &str) -> Option<Duration> {
        let places = self.0.lock();
        let (since, delay) = places.get(&place(set, node))?;
        delay.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
    }

    /// Notes that a failed pod is replaced. Places that were quiet for long enough are forgotten.
    pub(super) fn note(&self, set: &DaemonSet, node: &str) {
        let mut places = self.0.lock();
        places.retain(|_, (since, _)| since.elapsed() < 2 * MAX);
        let next = |delay: Duration| (Instant::now(), (2 * delay).min(MAX));
        places
            .entry(place(set, node))
            .and_modify(|(since, delay)| (*since, *delay) = next(*delay))
            .or_insert_with(|| (Instant::now(), BASE));
    }
}

fn place(set: &DaemonSet, node: &str) -> Place {
    let meta = &set.metadata;
    (meta.uid.clone().unwrap_or_default(), meta.generation.unwrap_or(0), node.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::object;

    #[tokio::test(start_paused = true)]
    async fn each_failure_waits_twice_as_long_and_a_new_spec_not_at_all() {
        let set = |generation: i64| -> DaemonSet {
            object(json!({ "metadata": { "name": "a", "uid": "u", "generation": generation } }))
        };
        let failed = FailedPods::default();
        assert_eq!(failed.remaining(&set(1), "n"), None);
        failed.note(&set(1), "n");
        failed.note(&set(1), "n");
        assert_eq!(failed.remaining(&set(1), "n"), Some(Duration::from_secs(2)));
        assert_eq!((failed.remaining(&set(1), "m"), failed.remaining(&set(2), "n")), (None, None));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(failed.remaining(&set(1), "n"), None);
    }
}
