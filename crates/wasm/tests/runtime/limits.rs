//! Ends, limits and logs of commands.

use std::time::{Duration, Instant};

use sampan_runtime::{ExitReason, ProbeKind, Runtime};

use crate::guests;
use crate::service_guest;
use crate::setting::{LIMIT, Setting};

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_end_has_its_code() {
    let setting = Setting::new().await;
    for (name, wasm, code, reason) in [
        ("exit-0", guests::exits(0), 0, ExitReason::Completed),
        ("exit-130", guests::exits(130), 130, ExitReason::Error),
        ("returned-ok", guests::returns(true), 0, ExitReason::Completed),
        ("returned-err", guests::returns(false), 1, ExitReason::Error),
    ] {
        setting.open(name).await;
        setting.run(name, wasm, |_| {}).await;
        let exit = setting.exit(name).await;
        assert_eq!((exit.code, exit.reason), (code, reason), "{name}: {}", exit.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_and_a_stack_overflow_name_the_functions() {
    let setting = Setting::new().await;
    setting.open("trap").await;
    setting.run("trap", guests::traps(), |_| {}).await;
    let exit = setting.exit("trap").await;
    assert_eq!(exit.code, 134);
    assert!(
        exit.message.starts_with("wasm trap: wasm `unreachable` instruction executed in boom, called by"),
        "{}",
        exit.message
    );
    assert!(setting.log("trap").contains("stderr F sampan: wasm trap"), "{}", setting.log("trap"));

    setting.open("overflow").await;
    setting.run("overflow", guests::overflows(), |_| {}).await;
    let exit = setting.exit("overflow").await;
    assert!(exit.message.starts_with("wasm trap: call stack exhausted in endless"), "{}", exit.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_is_oom_killed_and_its_neighbour_is_not() {
    let setting = Setting::new().await;
    setting.open("neighbour").await;
    setting.run("neighbour", guests::stays(""), |_| {}).await;
    setting.open("bomb").await;
    setting
        .run("bomb", guests::allocates(512 << 20), |config| config.resources.memory_limit_bytes = Some(32 << 20))
        .await;
    let exit = setting.exit("bomb").await;
    assert_eq!((exit.code, exit.reason), (137, ExitReason::OomKilled));
    assert!(exit.message.contains("over its limit of 33554432"), "{}", exit.message);
    assert!(setting.is_running("neighbour").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_more_than_its_limit_to_begin_is_oom_killed() {
    let setting = Setting::new().await;
    setting.open("small").await;
    setting.run("small", guests::exits(0), |config| config.resources.memory_limit_bytes = Some(65536)).await;
    assert_eq!(setting.exit("small").await.reason, ExitReason::OomKilled);
}

async fn request_time(address: std::net::SocketAddr) -> Duration {
    let begin = Instant::now();
    let answer = crate::serving::get(address, "/").await.unwrap();
    assert!(answer.ends_with("hello 1\n"), "{answer}");
    begin.elapsed()
}

/// Ratios in one run, and generous: what matters is that the neighbour is not slower by as much as the spinners could make it.
#[tokio::test(flavor = "multi_thread")]
async fn spinners_do_not_slow_a_neighbour() {
    let setting = Setting::new().await;
    let ip = setting.open("polite").await;
    setting.run("polite", service_guest::component(), |config| config.resources.cpu_request_millis = Some(500)).await;
    for number in 0..8 {
        let name = format!("spinner-{number}");
        setting.open(&name).await;
        setting.run(&name, guests::spins(), |config| config.resources.cpu_request_millis = Some(10)).await;
    }
    let mut times = Vec::new();
    for _ in 0..40 {
        times.push(request_time((ip, 8080).into()).await);
    }
    times.sort();
    // A tick for each of eight spinners before each of the request's polls would be far more.
    assert!(times[20] < Duration::from_millis(60), "{times:?}");
    setting.runtime.stop("spinner-0", Duration::ZERO).await.unwrap();
    assert_eq!(setting.exit("spinner-0").await.code, 137);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_stays_within_its_files() {
    let setting = Setting::new().await;
    setting.open("flood").await;
    setting.run("flood", guests::floods(), |config| (config.log.max_bytes, config.log.max_files) = (100_000, 3)).await;
    let rotated = setting.directory.path().join("flood.log.2");
    let end = Instant::now() + LIMIT;
    while !rotated.exists() {
        assert!(Instant::now() < end, "it was never rotated");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    setting.runtime.stop("flood", Duration::ZERO).await.unwrap();
    let logs = std::fs::read_dir(setting.directory.path()).unwrap().filter_map(|entry| entry.unwrap().metadata().ok());
    let bytes: u64 = logs.filter(|metadata| metadata.is_file()).map(|metadata| metadata.len()).sum();
    assert!(bytes <= 300_000, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_does_not_stop_a_guest() {
    let setting = Setting::new().await;
    setting.open("full").await;
    std::os::unix::fs::symlink("/dev/full", setting.directory.path().join("full.log")).unwrap();
    setting.run("full", guests::prints_both(&["lost"], &["lost too"]), |_| {}).await;
    assert_eq!(setting.exit("full").await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_runs_out_of_handles_before_its_process_does() {
    let setting = Setting::new().await;
    setting.open("files").await;
    let mount =
        sampan_runtime::Mount { source: setting.directory.path().to_owned(), target: "/data".into(), read_only: true };
    setting.run("files", guests::opens_files(), |config| config.mounts = vec![mount]).await;
    let exit = setting.exit("files").await;
    assert_eq!(exit.code, 134, "{}", exit.message);
    assert!(exit.message.contains("resource table has no free keys"), "{}", exit.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_answers_for_itself() {
    let setting = Setting::new().await;
    setting.open("probed").await;
    setting.run("probed", guests::probed(), |_| {}).await;
    assert_eq!(setting.runtime.probe("probed", ProbeKind::Live).await.unwrap(), Some(true));
    assert_eq!(setting.runtime.probe("probed", ProbeKind::Ready).await.unwrap(), Some(false));
    setting.open("silent").await;
    setting.run("silent", guests::stays(""), |_| {}).await;
    assert_eq!(setting.runtime.probe("silent", ProbeKind::Live).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_is_missing_is_named() {
    let setting = Setting::new().await;
    setting.open("mounts").await;
    let reference = setting.registry.push("mounts", guests::exits(0));
    let pulled = setting.runtime.pull(&sampan_runtime::ImagePull { reference, ..Default::default() }).await.unwrap();
    let mut config = setting.container("mounts", &pulled.digest);
    config.mounts =
        vec![sampan_runtime::Mount { source: "/not/there".into(), target: "/data".into(), read_only: true }];
    let error = setting.runtime.create(config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "container main: failed to mount /not/there at /data: No such file or directory (os error 2)"
    );
}
