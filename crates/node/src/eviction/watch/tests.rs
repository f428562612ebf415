use std::time::Duration;

use super::*;
use crate::eviction::threshold::Flags;
use expect_test::{Expect, expect};

/// One line a look: seconds, and megabytes of memory and thousands of processes that are free.
fn check(flags: Flags<'_>, looks: &[(i64, u64, u64)], expected: &Expect) {
    let eviction = Eviction {
        thresholds: Eviction::thresholds(flags).unwrap(),
        transition: Duration::from_secs(60),
        ..Eviction::default()
    };
    let mut watch = Watch::default();
    let mut text = String::new();
    for (second, memory, pids) in looks {
        let observations = BTreeMap::from([
            (Signal::MemoryAvailable, Observation { available: memory << 20, capacity: 1 << 30 }),
            (Signal::PidAvailable, Observation { available: pids * 1000, capacity: 32_000 }),
        ]);
        let Seen { pressures, acting } = watch.look(&eviction, &observations, Timestamp::from_second(*second).unwrap());
        let acting: Vec<&str> = acting.iter().map(|threshold| threshold.signal.name()).collect();
        text += &format!("{second}s {pressures:?} {acting:?}\n");
    }
    expected.assert_eq(&text);
}

#[test]
fn a_hard_threshold_acts_at_once_and_its_pressure_stays_for_the_transition_period() {
    check(
        Flags { hard: "memory.available<100Mi", ..Flags::default() },
        &[(0, 500, 9), (10, 99, 9), (20, 100, 9), (69, 500, 9), (71, 500, 9)],
        &expect![[r#"
            0s {} []
            10s {Memory} ["memory.available"]
            20s {Memory} []
            69s {Memory} []
            71s {} []
        "#]],
    );
}

#[test]
fn a_soft_threshold_has_to_be_met_for_its_grace_period() {
    check(
        Flags { soft: "memory.available<100Mi", soft_grace: "memory.available=25s", ..Flags::default() },
        &[(0, 50, 9), (10, 500, 9), (20, 50, 9), (30, 50, 9), (40, 50, 9), (50, 50, 9)],
        &expect![[r#"
            0s {Memory} []
            10s {Memory} []
            20s {Memory} []
            30s {Memory} []
            40s {Memory} []
            50s {Memory} ["memory.available"]
        "#]],
    );
}

#[test]
fn what_acted_goes_on_until_enough_is_reclaimed_and_memory_comes_first() {
    check(
        Flags {
            hard: "memory.available<100Mi,pid.available<1k",
            reclaim: "memory.available=100Mi",
            ..Flags::default()
        },
        &[(0, 150, 0), (10, 50, 0), (20, 150, 0), (30, 200, 9)],
        &expect![[r#"
            0s {Pid} ["pid.available"]
            10s {Memory, Pid} ["memory.available", "pid.available"]
            20s {Memory, Pid} ["memory.available", "pid.available"]
            30s {Memory, Pid} []
        "#]],
    );
}
