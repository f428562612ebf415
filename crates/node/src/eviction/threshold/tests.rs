use super::*;
use expect_test::{Expect, expect};

fn check(flags: Flags<'_>, expected: &Expect) {
    let text = match Eviction::thresholds(flags) {
        Ok(thresholds) => thresholds.iter().map(|threshold| format!("{threshold:?}\n")).collect(),
        Err(error) => error,
    };
    expected.assert_eq(&text);
}

fn hard(hard: &str) -> Flags<'_> {
    Flags { hard, ..Flags::default() }
}

#[test]
fn thresholds_are_read_as_the_kubelet_reads_them() {
    check(
        Flags {
            hard: "memory.available<100Mi, nodefs.available<10%,pid.available<0",
            soft: "memory.available<300Mi",
            soft_grace: "memory.available=1m30s",
            reclaim: "nodefs.available=1Gi",
        },
        &expect![[r#"
            Threshold { signal: MemoryAvailable, least: Absolute(104857600), grace: 0ns, reclaim: None }
            Threshold { signal: NodefsAvailable, least: Share(0.1), grace: 0ns, reclaim: Some(Absolute(1073741824)) }
            Threshold { signal: MemoryAvailable, least: Absolute(314572800), grace: 90s, reclaim: None }
        "#]],
    );
    check(Flags::default(), &expect![""]);
}

#[test]
fn what_is_no_threshold_is_named() {
    check(
        hard("memory.available>1Mi"),
        &expect!["invalid eviction threshold syntax memory.available>1Mi, expected <signal><<value>"],
    );
    check(
        hard("disk.available<1Mi"),
        &expect![[
            r#"unknown eviction signal "disk.available"; known are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree, pid.available"#
        ]],
    );
    check(
        hard("memory.available<1Mi,memory.available<2Mi"),
        &expect!["found duplicate eviction threshold for signal memory.available"],
    );
    check(
        hard("memory.available<101%"),
        &expect!["eviction percentage threshold 101% must be a number from 0% to 100%"],
    );
    check(hard("memory.available<-1"), &expect!["eviction threshold -1 must be positive"]);
    check(
        Flags { soft: "memory.available<1Mi", ..Flags::default() },
        &expect!["grace period must be specified for the soft eviction threshold memory.available"],
    );
    check(
        Flags { soft_grace: "memory.available=soon", ..Flags::default() },
        &expect![[r#"bad grace period "soon": it must be a duration such as 1m30s"#]],
    );
}

#[test]
fn a_threshold_is_met_below_it_and_well_again_above_what_is_to_be_reclaimed() {
    let threshold =
        Eviction::thresholds(Flags { reclaim: "memory.available=5%", ..hard("memory.available<10%") }).unwrap()[0];
    let seen = |available| Observation { available, capacity: 1000 };
    assert_eq!([99, 100].map(|available| threshold.is_met(seen(available), false)), [true, false]);
    assert_eq!([149, 150].map(|available| threshold.is_met(seen(available), true)), [true, false]);
    assert_eq!(
        threshold.describe(&Observation { available: 1 << 20, capacity: 100 << 20 }),
        "Threshold quantity: 10Mi, available: 1Mi. "
    );
}
