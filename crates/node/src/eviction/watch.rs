//! What was seen and since when: which pressures the node reports, and which thresholds act.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::threshold::{Observation, Signal, Threshold};
use super::{Eviction, Pressure};
use crate::pod::state::later;

/// What earlier looks found.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Thresholds (by position) that are met, since when.
    met: BTreeMap<usize, Timestamp>,
    /// Thresholds that acted and are not well again.
    acting: BTreeSet<usize>,
    /// When a pressure was seen last.
    pressed: BTreeMap<Pressure, Timestamp>,
}

/// What a look found.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) pressures: BTreeSet<Pressure>,
    /// The thresholds that say somebody has to go, the most urgent first.
    pub(super) acting: Vec<Threshold>,
}

impl Watch {
    /// Takes in what there is now.
    pub(super) fn look(
        &mut self,
        eviction: &Eviction,
        observations: &BTreeMap<Signal, Observation>,
        now: Timestamp,
    ) -> Seen {
        let mut met = BTreeMap::new();
        for (position, threshold) in eviction.thresholds.iter().enumerate() {
            let Some(observed) = observations.get(&threshold.signal) else { continue };
            if threshold.is_met(*observed, self.acting.contains(&position)) {
                met.insert(position, self.met.get(&position).copied().unwrap_or(now));
                self.pressed.insert(threshold.signal.pressure(), now);
            }
        }
        self.pressed.retain(|_, last| *last == now || later(*last, eviction.transition) > now);
        self.acting = met
            .iter()
            .filter(|(position, since)| later(**since, eviction.thresholds[**position].grace) <= now)
            .map(|(position, _)| *position)
            .collect();
        self.met = met;
        let mut acting: Vec<Threshold> = self.acting.iter().map(|position| eviction.thresholds[*position]).collect();
        acting.sort_by_key(|threshold| threshold.signal);
        Seen { pressures: self.pressed.keys().copied().collect(), acting }
    }
}
