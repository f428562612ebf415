//! Random histories: claims and volumes come and go, the scheduler and users give volumes away; each claim ends with its own volume.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sampan_api::volume::{claim_phase, is_given_to, volume_name, volume_phase};

use super::*;

#[derive(Debug, Clone)]
enum Event {
    Claim {
        name: u8,
        size: u8,
        volume: Option<u8>,
    },
    DropClaim(u8),
    Volume {
        name: u8,
        size: u8,
        kept_for: Option<u8>,
    },
    DropVolume(u8),
    /// The scheduler gives a free volume to a claim.
    Give {
        volume: u8,
        claim: u8,
    },
    /// So many steps are done, of whatever is next.
    Work(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..4_u8, 1..4_u8, prop::option::weighted(0.2, 0..4_u8)).prop_map(|(name, size, volume)| Event::Claim {
            name,
            size,
            volume
        }),
        (0..4_u8).prop_map(Event::DropClaim),
        (0..4_u8, 1..4_u8, prop::option::weighted(0.2, 0..4_u8)).prop_map(|(name, size, kept_for)| Event::Volume {
            name,
            size,
            kept_for
        }),
        (0..4_u8).prop_map(Event::DropVolume),
        (0..4_u8, 0..4_u8).prop_map(|(volume, claim)| Event::Give { volume, claim }),
        (0..6_u8).prop_map(Event::Work),
    ]
}

#[derive(Default)]
struct World {
    claims: BTreeMap<String, PersistentVolumeClaim>,
    volumes: BTreeMap<String, Arc<PersistentVolume>>,
    made: u32,
}

impl World {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Claim { name, size, volume } => {
                self.made += 1;
                let (name, uid) = (format!("c{name}"), format!("u{}", self.made));
                let volume = volume.map(|volume| format!("v{volume}"));
                let more = json!({ "metadata": { "name": name, "uid": uid },
                    "spec": { "volumeName": volume, "resources": { "requests": { "storage": format!("{size}Gi") } } } });
                self.claims.entry(name).or_insert_with(|| pvc(more));
            }
            Event::DropClaim(name) => drop(self.claims.remove(&format!("c{name}"))),
            Event::Volume { name, size, kept_for } => {
                let name = format!("v{name}");
                let kept_for = kept_for.map(|claim| json!({ "namespace": "default", "name": format!("c{claim}") }));
                let more = json!({ "spec": { "capacity": { "storage": format!("{size}Gi") }, "claimRef": kept_for },
                    "status": { "phase": "Pending" } });
                self.volumes.entry(name.clone()).or_insert_with(|| pv(&name, more));
            }
            Event::DropVolume(name) => drop(self.volumes.remove(&format!("v{name}"))),
            Event::Give { volume, claim } => self.give(&format!("v{volume}"), &format!("c{claim}")),
            Event::Work(steps) => (0..*steps).for_each(|_| _ = self.step()),
        }
    }

    fn give(&mut self, volume: &str, claim: &str) {
        let (Some(volume), Some(claim)) = (self.volumes.get_mut(volume), self.claims.get(claim)) else { return };
        let free =
            volume_phase(volume) == "Available" && volume.spec.as_ref().is_some_and(|spec| spec.claim_ref.is_none());
        if !free || volume_name(claim).is_some() {
            return;
        }
        let changed = Arc::make_mut(volume);
        let annotations = changed.metadata.annotations.get_or_insert_default();
        annotations.insert(sampan_api::volume::BOUND_BY_CONTROLLER.to_owned(), "yes".to_owned());
        changed.spec.get_or_insert_default().claim_ref = Some(object(json!({
            "namespace": "default", "name": claim.metadata.name, "uid": claim.metadata.uid,
        })));
    }

    /// Carries out the first step there is; whether there was one.
    fn step(&mut self) -> bool {
        let volumes: Vec<_> = self.volumes.values().cloned().collect();
        let view = View { volumes: &volumes, ..View::default() };
        let claims = self.claims.values().map(|claim| super::super::claim(claim, &view));
        let of_volumes = volumes.iter().map(|volume| {
            let name = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()?.name.clone());
            super::super::volume(volume, name.and_then(|name| self.claims.get(&name)))
        });
        let next = claims.chain(of_volumes).map(|plan| plan.step).find(|step| *step != Step::Settled);
        match next {
            None | Some(Step::Settled) => return false,
            Some(Step::Claim(claim) | Step::ClaimStatus(claim)) => {
                self.claims.insert(claim.metadata.name.clone().unwrap_or_default(), *claim);
            }
            Some(Step::Volume(volume) | Step::VolumeStatus(volume)) => {
                self.volumes.insert(volume.metadata.name.clone().unwrap_or_default(), Arc::new(*volume));
            }
        }
        self.check();
        true
    }

    /// No volume is two claims'.
    fn check(&self) {
        for (name, volume) in &self.volumes {
            let holds = |claim: &&PersistentVolumeClaim| {
                claim_phase(claim) == "Bound" && volume_name(claim) == Some(name.as_str()) && is_given_to(volume, claim)
            };
            assert!(self.claims.values().filter(holds).count() <= 1, "{name} has two claims");
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_it_settles_with_pairs(events in prop::collection::vec(event(), 0..40)) {
        let mut world = World::default();
        events.iter().for_each(|event| world.happen(event));
        let steps = (0..200).take_while(|_| world.step()).count();
        prop_assert!(steps < 200, "it never settles");
        for claim in world.claims.values() {
            let volume = volume_name(claim).and_then(|name| world.volumes.get(name));
            match claim_phase(claim) {
                "Bound" => {
                    let volume = volume.expect("a bound claim has its volume");
                    prop_assert!(is_given_to(volume, claim) && volume_phase(volume) == "Bound");
                }
                "Lost" => prop_assert!(volume.is_none_or(|volume| !is_given_to(volume, claim))),
                phase => {
                    prop_assert_eq!(phase, "Pending");
                    let free = |volume: &&Arc<PersistentVolume>| matching::find(claim, std::slice::from_ref(*volume), false).is_some();
                    prop_assert!(volume_name(claim).is_some() || !world.volumes.values().any(|volume| free(&volume)), "a volume is left over");
                }
            }
        }
        for volume in world.volumes.values() {
            let mut claims = world.claims.values();
            let held = claims.any(|claim| volume_name(claim) == volume.metadata.name.as_deref() && claim_phase(claim) == "Bound");
            prop_assert_eq!(volume_phase(volume) == "Bound", held);
        }
    }
}
