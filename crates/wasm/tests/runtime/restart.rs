//! The agent goes and comes back; a sandbox process dies.

use futures::StreamExt as _;
use sampan_runtime::{ContainerState, Error, Event, ExitReason, ImagePull, Isolation, Runtime};
use sampan_wasm::{Limits, WasmRuntime};
use std::time::{Duration, Instant};

use crate::serving::get;
use crate::setting::{LIMIT, Setting};
use crate::{guests, service_guest};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_serves_on_without_the_agent_and_is_taken_back() {
    let setting = Setting::new().await;
    let ip = setting.open("web").await;
    setting.run("web", service_guest::component(), |_| {}).await;
    let before = setting.runtime.container("web").await.unwrap();
    let processes = setting.runtime.processes();
    let Setting { runtime, registry, directory, config } = setting;
    drop(runtime);
    assert!(get((ip, 8080).into(), "/").await.unwrap().ends_with("hello 1\n"));
    let runtime = WasmRuntime::new(config.clone()).await.unwrap();
    let setting = Setting { runtime, registry, directory, config };
    assert_eq!(setting.runtime.container("web").await.unwrap(), before);
    assert_eq!(setting.runtime.processes(), processes);
    setting.runtime.stop("web", Duration::from_secs(5)).await.unwrap();
    assert_eq!(setting.exit("web").await.reason, ExitReason::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_their_code_survive_a_restart() {
    let setting = Setting::new().await;
    let reference = setting.registry.push("kept", guests::exits(3));
    let pulled =
        setting.runtime.pull(&ImagePull { reference: reference.clone(), ..ImagePull::default() }).await.unwrap();
    let setting = setting.restart().await;
    assert_eq!(setting.runtime.image(&reference).await.unwrap(), Some(pulled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sandbox_process_is_reported_with_all_it_held() {
    let setting = Setting::new().await;
    setting.open("a").await;
    setting.open_with("b", |config| config.isolation = Isolation::Pod).await;
    setting.run("a", guests::stays(""), |_| {}).await;
    setting.run("b", guests::stays(""), |_| {}).await;
    let processes = setting.runtime.processes();
    assert_eq!(processes.len(), 2, "one for the namespace, one for the pod on its own: {processes:?}");
    let shared = processes.iter().find(|process| process.name.starts_with("namespace.default.")).unwrap();
    assert_eq!(shared.sandboxes, ["a"]);
    let mut events = setting.runtime.events();
    kill(shared.pid);
    let lost = async {
        while events.next().await.expect("events go on") != (Event::SandboxLost { sandbox: "a".to_owned() }) {}
    };
    tokio::time::timeout(LIMIT, lost).await.expect("the loss is told");
    let exit = setting.exit("a").await;
    assert_eq!((exit.code, exit.reason), (137, ExitReason::Error));
    assert!(exit.message.contains("ended unexpectedly (signal: 9 (SIGKILL))"), "{}", exit.message);
    let ready: Vec<_> =
        setting.runtime.sandboxes().await.unwrap().into_iter().map(|sandbox| (sandbox.id, sandbox.ready)).collect();
    assert_eq!(ready, [("a".to_owned(), false), ("b".to_owned(), true)]);
    assert!(setting.is_running("b").await);
    let error = setting.runtime.stats("a").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    setting.runtime.close_sandbox("a").await.unwrap();
    setting.open("a").await;
    setting.run("a", guests::exits(0), |_| {}).await;
    assert_eq!(setting.exit("a").await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_process_that_died_while_the_agent_was_away_is_known() {
    let setting = Setting::new().await;
    setting.open("a").await;
    setting.run("a", guests::stays(""), |_| {}).await;
    let pid = setting.runtime.processes()[0].pid;
    let Setting { runtime, registry, directory, config } = setting;
    drop(runtime);
    kill(pid);
    wait_until_gone(pid).await;
    let runtime = WasmRuntime::new(config.clone()).await.unwrap();
    let setting = Setting { runtime, registry, directory, config };
    let status = setting.runtime.container("a").await.unwrap().unwrap();
    let ContainerState::Exited { exit, .. } = status.state else { panic!("{status:?}") };
    assert_eq!((exit.code, exit.message.as_str()), (137, "its sandbox process ended while the agent was away"));
    setting.runtime.close_sandbox("a").await.unwrap();
    let setting = setting.restart().await;
    assert!(setting.runtime.sandboxes().await.unwrap().is_empty(), "what was closed does not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_pods_ends_by_itself_and_nobody_misses_it() {
    let setting = Setting::with(Limits { sandbox_idle: Duration::from_millis(50), ..Limits::default() }).await;
    setting.open("a").await;
    let pid = setting.runtime.processes()[0].pid;
    setting.runtime.close_sandbox("a").await.unwrap();
    wait_until_gone(pid).await;
    setting.open("b").await;
    setting.run("b", guests::exits(0), |_| {}).await;
    assert_eq!(setting.exit("b").await.code, 0);
    let directory = setting.config.data_dir.join("sandboxes").join(&setting.runtime.processes()[0].name);
    assert!(directory.join("socket").exists(), "the end of one process takes nothing from its successor");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_do_not_share_a_directory() {
    let setting = Setting::new().await;
    let Err(error) = WasmRuntime::new(setting.config.clone()).await else { panic!("it is in use") };
    assert!(error.to_string().contains("another agent uses this directory"), "{error}");
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Until the process is a zombie or nothing.
async fn wait_until_gone(pid: u32) {
    let end = Instant::now() + LIMIT;
    while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "process {pid} does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
