//! Random histories: whatever happened, a set ends as its spec says.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What may happen between two reconciles.
#[derive(Debug, Clone)]
enum Event {
    Scale(i32),
    Roll(u8),
    Lose(i32),
    Break(i32),
    Wait,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..5).prop_map(Event::Scale),
        (0_u8..3).prop_map(Event::Roll),
        (0..5).prop_map(Event::Lose),
        (0..5).prop_map(Event::Break),
        Just(Event::Wait),
    ]
}

impl World {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Scale(replicas) => self.set_replicas(*replicas),
            Event::Roll(version) => self.set_image(&format!("web:{version}")),
            Event::Lose(ordinal) => drop(self.pods.remove(&format!("web-{ordinal}"))),
            Event::Break(ordinal) => {
                let name = format!("web-{ordinal}");
                if self.pods.contains_key(&name) {
                    self.be(&name, "Failed", false);
                }
            }
            Event::Wait => self.kubelet(),
        }
    }
}

proptest! {
    /// The model's `step` asserts that no name is ever given twice.
    #[test]
    fn whatever_happens_it_ends_as_the_spec_says(
        events in prop::collection::vec(event(), 0..20), parallel: bool, unavailable in 1..3, scaled: bool,
    ) {
        let policy = if parallel { "Parallel" } else { "OrderedReady" };
        let when_scaled = if scaled { "Delete" } else { "Retain" };
        let mut world = World::new(&with_claims(&json!({
            "podManagementPolicy": policy,
            "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete", "whenScaled": when_scaled },
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0, "maxUnavailable": unavailable } },
        })));
        for event in &events {
            world.happen(event);
            world.step();
        }
        world.settle();
        let spec = world.set.spec.clone().expect("it has one");
        let replicas = usize::try_from(spec.replicas.unwrap_or(0)).expect("small");
        let wanted = spec.template.spec.expect("it has one").containers[0].image.clone().unwrap_or_default();
        prop_assert_eq!(world.pods.len(), replicas);
        prop_assert!(world.pods.values().all(|pod| image(pod) == wanted && pod::is_ready(pod)));
        prop_assert!(!world.step(), "settled");
    }
}
