//! Graceful node shutdown: before a machine goes down, its pods end in good order, those that matter least first
//! (pkg/kubelet/nodeshutdown, KEP-2000). Without a grace period an agent's end leaves its pods running, which is what an upgrade wants.

use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::Pod;

use crate::context::Context;
use crate::eviction::is_critical;
use crate::pod::facts;
use crate::pod::state::Eviction;
use crate::pod::workers::Workers;

/// How long pods have when the agent is told to stop. Nothing, by default: they go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// All of them together.
    pub grace: Duration,
    /// The part of it that is kept for critical pods.
    pub critical: Duration,
}

impl Shutdown {
    /// Whom to end with how much time, in this order.
    fn rounds(self, pods: Vec<Arc<Pod>>) -> [(Vec<Arc<Pod>>, Duration); 2] {
        let (critical, regular): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| is_critical(pod));
        [(regular, self.grace.saturating_sub(self.critical)), (critical, self.critical)]
    }
}

/// Ends the pods, if it is to: returns once all have ended and said so, or their time is over.
pub(crate) async fn run(shutdown: Shutdown, context: &Context, workers: &Workers) {
    if shutdown.grace.is_zero() {
        return;
    }
    // Nobody sends new pods to a node that is not ready.
    context.condition.send_modify(|condition| condition.shutting_down = true);
    let pods =
        workers.views().into_iter().map(|view| view.pod.clone()).filter(|pod| !facts::is_terminal(pod)).collect();
    for (pods, grace) in shutdown.rounds(pods) {
        end(context, workers, &pods, grace).await;
    }
}

async fn end(context: &Context, workers: &Workers, pods: &[Arc<Pod>], grace: Duration) {
    tracing::info!(pods = pods.len(), ?grace, "pods end, since the node shuts down");
    for pod in pods {
        workers.evict(
            facts::uid(pod),
            Eviction { reason: "Terminated", message: MESSAGE.to_owned(), grace, disruption: true },
        );
    }
    let all = async {
        for pod in pods {
            workers.ended(facts::uid(pod)).await;
            context.status.flushed(facts::uid(pod)).await;
        }
    };
    if tokio::time::timeout(grace + AFTERWARDS, all).await.is_err() {
        tracing::warn!("some pods have not ended in time; they go down with the machine");
    }
}

const MESSAGE: &str = "Pod was terminated in response to imminent node shutdown.";
/// What a killed pod may take until it is known to be.
const AFTERWARDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn critical_pods_end_last_in_the_time_kept_for_them() {
        let pod = |name: &str, priority: i64| {
            let pod = json!({"metadata": {"name": name}, "spec": {"priority": priority, "containers": []}});
            Arc::new(serde_json::from_value::<Pod>(pod).unwrap())
        };
        let shutdown = Shutdown { grace: Duration::from_secs(30), critical: Duration::from_secs(10) };
        let rounds = shutdown.rounds(vec![pod("dns", 2_000_000_000), pod("web", 0), pod("db", 1000)]);
        let named = rounds.map(|(pods, grace)| {
            let names: Vec<_> = pods.iter().map(|pod| facts::name(pod).to_owned()).collect();
            (names.join(" "), grace.as_secs())
        });
        assert_eq!(named, [("web db".to_owned(), 20), ("dns".to_owned(), 10)]);
    }
}
