//! A containerd that goes and comes back.

use std::time::Duration;

use futures::StreamExt as _;
use sampan_containers::testing::Containerd;
use sampan_runtime::{ContainerState, Error, Event, Runtime as _};

use crate::setting::Setting;

/// A containerd of its own; `None` where there can be none.
fn containerd() -> Option<Containerd> {
    Containerd::shared()?;
    Some(Containerd::start().unwrap())
}

async fn state(setting: &Setting, id: &str) -> ContainerState {
    setting.runtime.container(id).await.unwrap().expect("the container is known").state
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_outlive_containerd_and_are_heard_of_again() {
    let Some(mut containerd) = containerd() else { return };
    let setting = Setting::on(&containerd).await;
    setting.start("stays", &["sleeps"], |_| {}).await;
    setting.start("ends", &["sleeps"], |_| {}).await;
    let address = setting.runtime.open_sandbox(setting.sandbox("stays")).await.unwrap();
    let before = state(&setting, "stays").await;
    let mut events = setting.runtime.events();

    containerd.kill();
    let error = setting.runtime.containers().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(why) if why.contains("see whether it runs")), "{error}");
    end_guest(&setting, "ends");
    containerd.restart();

    within("a gap in what was heard", async { while events.next().await != Some(Event::Lagged) {} }).await;
    assert_eq!(state(&setting, "stays").await, before, "the same run");
    assert_eq!(setting.runtime.open_sandbox(setting.sandbox("stays")).await.unwrap(), address);
    assert!(matches!(state(&setting, "ends").await, ContainerState::Exited { .. }), "it ended meanwhile");

    end_guest(&setting, "stays");
    // A hint of whatever kind, and then the truth.
    within("an end after the restart", async {
        while !matches!(state(&setting, "stays").await, ContainerState::Exited { .. }) {
            events.next().await;
        }
    })
    .await;
    for id in ["stays", "ends"] {
        setting.runtime.close_sandbox(id).await.unwrap();
    }
}

/// Ends a guest behind everybody's back.
fn end_guest(setting: &Setting, id: &str) {
    let name = format!("HOSTNAME={id}\0");
    let of = |entry: std::fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let read = |what: &str| std::fs::read(entry.path().join(what)).unwrap_or_default();
        let is_guest = read("cmdline") == b"/guest\0sleeps\0";
        let named = String::from_utf8_lossy(&read("environ")).contains(&name);
        let ours = String::from_utf8_lossy(&read("environ")).contains(&format!("OWNER={}\0", setting.config.owner));
        (is_guest && named && ours).then_some(process)
    };
    let process = std::fs::read_dir("/proc").unwrap().flatten().find_map(of).expect("the guest runs");
    let process = rustix::process::Pid::from_raw(process.try_into().unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
}
