//! The task that writes what the correlator made of occurrences.

use std::sync::Arc;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::{Event, EventSource};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use sampan_meta::Entropy;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::correlator::{Correlator, Verdict};
use super::{Occurrence, Reporter};
use crate::backoff::BackoffPolicy;
use crate::{Api, Client, Error, Patch, PatchParams, PostParams, error};

/// How often a write is tried while the server is away; the queue fills up meanwhile, and then events are dropped.
const ATTEMPTS: u32 = 12;
const RETRY: BackoffPolicy =
    BackoffPolicy { base: Duration::from_millis(500), max: Duration::from_secs(10), jitter: 0.5 };

pub(super) struct Writer {
    client: Client,
    reporter: Reporter,
    correlator: Correlator,
    entropy: Arc<dyn Entropy>,
}

impl Writer {
    pub(super) fn new(client: Client, reporter: Reporter, entropy: Arc<dyn Entropy>) -> Self {
        Self { client, reporter, correlator: Correlator::default(), entropy }
    }

    pub(super) async fn run(mut self, mut occurrences: mpsc::Receiver<Occurrence>) {
        while let Some(occurrence) = occurrences.recv().await {
            let Some(verdict) = self.correlator.judge(&occurrence) else { continue };
            match self.write_patiently(&occurrence, &verdict).await {
                Ok(name) => self.correlator.written(verdict, name),
                Err(failure) => {
                    let about = occurrence.about.name.as_deref().unwrap_or_default();
                    let reason = error::message(&failure);
                    tracing::warn!(event = %occurrence.reason, about, "failed to record an event: {reason}");
                }
            }
        }
    }

    async fn write_patiently(&self, occurrence: &Occurrence, verdict: &Verdict) -> Result<String, Error> {
        let mut failures = 0;
        loop {
            match self.write(occurrence, verdict).await {
                Err(failure) if error::is_retryable(&failure) && failures + 1 < ATTEMPTS => {
                    sleep(RETRY.delay(failures, &*self.entropy)).await;
                    failures += 1;
                }
                written => return written,
            }
        }
    }

    /// Writes and returns the name of the event object.
    async fn write(&self, occurrence: &Occurrence, verdict: &Verdict) -> Result<String, Error> {
        let namespace = namespace(occurrence);
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        if let Some(name) = &verdict.existing {
            let patch =
                json!({ "count": verdict.count, "message": verdict.message, "lastTimestamp": Time(occurrence.at) });
            match events.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await {
                // Events expire; the next repeat begins a new one that goes on counting.
                Err(failure) if error::is_not_found(&failure) => {}
                patched => return patched.map(|_| name.clone()),
            }
        }
        let event = self.new_event(namespace, occurrence, verdict);
        let name = event.metadata.name.clone().unwrap_or_default();
        events.create(&PostParams::default(), &event).await.map(|_| name)
    }

    fn new_event(&self, namespace: &str, occurrence: &Occurrence, verdict: &Verdict) -> Event {
        let Reporter { component, instance } = self.reporter.clone();
        let about = &occurrence.about;
        let metadata = ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(format!("{}.{}", about.name.as_deref().unwrap_or_default(), self.suffix())),
            ..ObjectMeta::default()
        };
        Event {
            metadata,
            involved_object: about.clone(),
            type_: Some(occurrence.event_type.as_str().to_owned()),
            reason: Some(occurrence.reason.clone()),
            message: Some(verdict.message.clone()),
            first_timestamp: Some(Time(verdict.first)),
            last_timestamp: Some(Time(occurrence.at)),
            count: Some(verdict.count),
            source: Some(EventSource {
                component: Some(component.clone()),
                host: Some(instance.clone()).filter(|host| !host.is_empty()),
            }),
            reporting_component: Some(component),
            reporting_instance: Some(instance),
            ..Event::default()
        }
    }

    /// Sixteen hexadecimal digits. Upstream takes the nanoseconds of its clock, which a simulated clock would repeat.
    fn suffix(&self) -> String {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        format!("{:016x}", u64::from_be_bytes(bytes))
    }
}

/// Events about cluster-scoped objects live in the namespace `default`.
fn namespace(occurrence: &Occurrence) -> &str {
    occurrence.about.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}
