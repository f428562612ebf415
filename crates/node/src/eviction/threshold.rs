//! Thresholds as the kubelet's flags write them: `memory.available<100Mi,nodefs.available<10%`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use sampan_meta::{Format, Quantity};

use super::{Eviction, Pressure};
use crate::machine::{self, Machine};

/// Something that can run short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// `memory.available`; first, for it is the most urgent.
    MemoryAvailable,
    /// `nodefs.available`: where volumes and logs lie.
    NodefsAvailable,
    /// `nodefs.inodesFree`.
    NodefsInodesFree,
    /// `imagefs.available`: where images lie.
    ImagefsAvailable,
    /// `imagefs.inodesFree`.
    ImagefsInodesFree,
    /// `pid.available`.
    PidAvailable,
}

/// What pods are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Memory,
    EphemeralStorage,
    Inodes,
    Pids,
}

/// The least there may be of something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Of what.
    pub signal: Signal,
    /// How much.
    pub least: Amount,
    /// How long it may be less before somebody has to go; zero for a hard threshold.
    pub grace: Duration,
    /// How much more than the least there has to be before it is well again.
    pub reclaim: Option<Amount>,
}

/// An amount by itself or of all there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Bytes, inodes, processes.
    Absolute(u64),
    /// A part of the whole, 0 to 1.
    Share(f64),
}

/// How much there was of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) available: u64,
    pub(super) capacity: u64,
}

const SIGNALS: [Signal; 6] = [
    Signal::MemoryAvailable,
    Signal::NodefsAvailable,
    Signal::NodefsInodesFree,
    Signal::ImagefsAvailable,
    Signal::ImagefsInodesFree,
    Signal::PidAvailable,
];

impl Signal {
    /// As flags write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Signal::MemoryAvailable => "memory.available",
            Signal::NodefsAvailable => "nodefs.available",
            Signal::NodefsInodesFree => "nodefs.inodesFree",
            Signal::ImagefsAvailable => "imagefs.available",
            Signal::ImagefsInodesFree => "imagefs.inodesFree",
            Signal::PidAvailable => "pid.available",
        }
    }

    pub(super) fn resource(self) -> Resource {
        match self {
            Signal::MemoryAvailable => Resource::Memory,
            Signal::NodefsAvailable | Signal::ImagefsAvailable => Resource::EphemeralStorage,
            Signal::NodefsInodesFree | Signal::ImagefsInodesFree => Resource::Inodes,
            Signal::PidAvailable => Resource::Pids,
        }
    }

    pub(super) fn pressure(self) -> Pressure {
        match self.resource() {
            Resource::Memory => Pressure::Memory,
            Resource::EphemeralStorage | Resource::Inodes => Pressure::Disk,
            Resource::Pids => Pressure::Pid,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let known = SIGNALS.into_iter().find(|signal| signal.name() == text);
        known.ok_or_else(|| {
            let names: Vec<&str> = SIGNALS.iter().map(|signal| signal.name()).collect();
            format!("unknown eviction signal \"{text}\"; known are {}", names.join(", "))
        })
    }
}

impl Resource {
    /// As messages name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Resource::Memory => "memory",
            Resource::EphemeralStorage => "ephemeral-storage",
            Resource::Inodes => "inodes",
            Resource::Pids => "pids",
        }
    }

    fn format(self) -> Format {
        match self {
            Resource::Memory | Resource::EphemeralStorage => Format::BinarySi,
            Resource::Inodes | Resource::Pids => Format::DecimalSi,
        }
    }

    /// An amount as messages write it.
    pub(super) fn written(self, amount: u64) -> String {
        Quantity::from_value(i64::try_from(amount).unwrap_or(i64::MAX), self.format()).to_string()
    }
}

impl Amount {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(percent) = text.strip_suffix('%') {
            let share = percent.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
            return share
                .map(|percent| Amount::Share(percent / 100.0))
                .ok_or_else(|| format!("eviction percentage threshold {text} must be a number from 0% to 100%"));
        }
        let quantity = Quantity::parse(text).map_err(|error| format!("bad quantity \"{text}\": {error}"))?;
        let bytes =
            u64::try_from(quantity.value()).map_err(|_| format!("eviction threshold {text} must be positive"))?;
        Ok(Amount::Absolute(bytes))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "Rust's conversion stays within the bounds, which is what is meant"
    )]
    fn of(self, capacity: u64) -> u64 {
        match self {
            Amount::Absolute(amount) => amount,
            Amount::Share(share) => (capacity as f64 * share) as u64,
        }
    }
}

impl Threshold {
    /// Whether there is less than the least; `reclaiming`: than what makes it well again.
    pub(super) fn is_met(&self, observed: Observation, reclaiming: bool) -> bool {
        let more = self.reclaim.filter(|_| reclaiming).map_or(0, |reclaim| reclaim.of(observed.capacity));
        self.least.of(observed.capacity).saturating_add(more) > observed.available
    }

    /// The part of the message that says how bad it is.
    pub(super) fn describe(&self, observed: &Observation) -> String {
        let written = |amount| self.signal.resource().written(amount);
        let (least, available) = (written(self.least.of(observed.capacity)), written(observed.available));
        format!("Threshold quantity: {least}, available: {available}. ")
    }
}

/// What the kubelet's flags say, each as written there: `--eviction-hard`, `--eviction-soft`, `--eviction-soft-grace-period`,
/// `--eviction-minimum-reclaim`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags<'a> {
    /// `memory.available<100Mi,…`
    pub hard: &'a str,
    /// `memory.available<300Mi,…`
    pub soft: &'a str,
    /// `memory.available=1m30s,…`: one for each soft threshold.
    pub soft_grace: &'a str,
    /// `nodefs.available=1Gi,…`
    pub reclaim: &'a str,
}

impl Eviction {
    /// Reads thresholds.
    ///
    /// # Errors
    /// Says which part of which flag is wrong.
    pub fn thresholds(flags: Flags<'_>) -> Result<Vec<Threshold>, String> {
        let graces = pairs(flags.soft_grace, '=', |text| {
            parse_duration(text)
                .filter(|grace| !grace.is_zero())
                .ok_or_else(|| format!("bad grace period \"{text}\": it must be a duration such as 1m30s"))
        })?;
        let reclaims = pairs(flags.reclaim, '=', Amount::parse)?;
        let mut thresholds = Vec::new();
        for (signal, least) in pairs(flags.hard, '<', Amount::parse)? {
            thresholds.push(Threshold {
                signal,
                least,
                grace: Duration::ZERO,
                reclaim: reclaims.get(&signal).copied(),
            });
        }
        for (signal, least) in pairs(flags.soft, '<', Amount::parse)? {
            let grace = *graces.get(&signal).ok_or_else(|| {
                format!("grace period must be specified for the soft eviction threshold {}", signal.name())
            })?;
            thresholds.push(Threshold { signal, least, grace, reclaim: reclaims.get(&signal).copied() });
        }
        Ok(thresholds)
    }
}

/// `signal<amount,signal<amount`; each signal once. A threshold of 0 or 0% is none.
fn pairs<T>(
    text: &str,
    operator: char,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<BTreeMap<Signal, T>, String> {
    let mut found = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (signal, value) = part
            .split_once(operator)
            .ok_or_else(|| format!("invalid eviction threshold syntax {part}, expected <signal>{operator}<value>"))?;
        if operator == '<' && matches!(value.trim(), "0" | "0%") {
            Signal::parse(signal.trim())?;
            continue;
        }
        let signal = Signal::parse(signal.trim())?;
        if found.insert(signal, parse(value.trim())?).is_some() {
            return Err(format!("found duplicate eviction threshold for signal {}", signal.name()));
        }
    }
    Ok(found)
}

/// `1m30s`, `500ms`, `2h`: whole numbers with units.
fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let number: u64 = number.parse().ok()?;
        total = total.checked_add(match unit {
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return None,
        })?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Looks. `None` where there is nothing to count: some file systems know no inodes. Blocking.
pub(super) fn observe(
    signal: Signal,
    machine: &Machine,
    pods: &Path,
    images: &Path,
) -> io::Result<Option<Observation>> {
    let bytes = |disk: machine::FileSystem| Observation { available: disk.available, capacity: disk.capacity };
    let inodes = |disk: machine::FileSystem| Observation { available: disk.inodes_free, capacity: disk.inodes };
    let observation = match signal {
        Signal::MemoryAvailable => {
            let memory = machine.memory()?;
            Observation { available: memory.available(), capacity: memory.total }
        }
        Signal::NodefsAvailable => bytes(machine::file_system(pods)?),
        Signal::NodefsInodesFree => inodes(machine::file_system(pods)?),
        Signal::ImagefsAvailable => bytes(machine::file_system(images)?),
        Signal::ImagefsInodesFree => inodes(machine::file_system(images)?),
        Signal::PidAvailable => {
            let processes = machine.processes()?;
            Observation { available: processes.most.saturating_sub(processes.running), capacity: processes.most }
        }
    };
    Ok(Some(observation).filter(|observation| observation.capacity > 0))
}
