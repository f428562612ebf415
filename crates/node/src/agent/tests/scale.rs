//! Many pods, in real time. The figures are for people; what has to hold is that nothing grows faster than the pods do.

use std::time::Instant;

use crate::testing::{Bed, condition};

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it says");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it alone, with --release and --nocapture"]
async fn a_thousand_pods_start_at_once_and_one_by_one() {
    let bed = Bed::started().await;
    bed.simple("warm", "r.test/sleeps:1");
    bed.until_ready("warm").await;
    let mut times: Vec<_> = Vec::new();
    for number in 0..100 {
        let name = format!("single-{number}");
        let begin = Instant::now();
        bed.simple(&name, "r.test/sleeps:1");
        bed.until(&name, "running", |pod| pod["status"]["phase"] == "Running").await;
        times.push(begin.elapsed());
    }
    times.sort();
    let (before, begin) = (resident(), Instant::now());
    for number in 0..1000 {
        bed.simple(&format!("many-{number}"), "r.test/sleeps:1");
    }
    while bed.api.count("pods", |pod| condition(pod, "Ready") == "True") < 1101 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    println!("create to Running p50 {:?} p99 {:?}", times[50], times[98]);
    println!(
        "1000 pods ready in {:?}, {} KiB each with the test's own apiserver",
        begin.elapsed(),
        (resident() - before) / 1000
    );
    assert_eq!(bed.runtime.calls(sampan_runtime::fake::Call::Start), 1101);
    assert!(times[50].as_millis() <= 20, "{:?}", times[50]);
}
