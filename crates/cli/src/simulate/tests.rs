//! A whole run, small.

use super::*;

fn options(rate: Option<u32>) -> Simulate {
    let words = ["sampan", "simulate", "--nodes", "20", "--pods", "200", "--timeout-seconds", "120"];
    let arguments = <crate::arguments::Arguments as clap::Parser>::try_parse_from(words).unwrap();
    let crate::arguments::Command::Simulate(options) = arguments.command else { panic!("not what was asked for") };
    Simulate { rate, ..options }
}

async fn check(options: Simulate) {
    let report = measure(options).await.unwrap();
    assert!(report.finished, "{report}");
    assert_eq!((report.timeline.counts.bound, report.timeline.counts.running), (200, 200), "{report}");
    let timeline = &report.timeline;
    assert!(
        timeline.create_to_bound.p50 <= timeline.create_to_bound.p99 && timeline.binding <= timeline.starting,
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_pods_of_a_deployment_run_on_twenty_nodes() {
    check(options(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_sent_one_by_one_run_on_a_durable_store() {
    check(Simulate { store: "sqlite".into(), ..options(Some(0)) }).await;
}

#[test]
fn an_amount_that_is_none_is_refused_with_its_flag() {
    let error = Shape::new(&Simulate { node_cpu: "many".into(), ..options(None) }).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "--node-cpu \"many\" is no quantity; give one as in 8 or 500m, 32Gi");
}
