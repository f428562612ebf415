//! Settings, buckets and the log as components import them.

use sampan_runtime::{Exit, ExitReason, ImagePull, Mount, Runtime};

use crate::services_guest;
use crate::setting::Setting;

fn completed() -> Exit {
    Exit { code: 0, reason: ExitReason::Completed, message: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_finds_its_settings_a_bucket_and_the_log() {
    let setting = Setting::new().await;
    setting.open("one").await;
    setting
        .run("one", services_guest::component(), |config| config.env = vec![("MODE".to_owned(), "fast".to_owned())])
        .await;
    assert_eq!(setting.exit("one").await, completed(), "{}", setting.log("one"));
    assert_eq!(setting.log("one"), "stderr F info [MODE] fast\nstderr F warn [n] 1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_a_volume_outlives_its_container() {
    let setting = Setting::new().await;
    let annotate = |directory: &'static str| {
        move |config: &mut sampan_runtime::SandboxConfig| {
            config.annotations.insert("sampan.dev/keyvalue".to_owned(), directory.to_owned());
        }
    };
    let volume = setting.directory.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let mount = Mount { source: volume, target: "/data".into(), read_only: false };
    for (pod, count) in [("first", 1), ("second", 2)] {
        setting.open_with(pod, annotate("/data/kv")).await;
        setting.run(pod, services_guest::component(), |config| config.mounts = vec![mount.clone()]).await;
        assert_eq!(setting.exit(pod).await, completed(), "{}", setting.log(pod));
        assert_eq!(setting.log(pod), format!("stderr F warn [n] {count}\n"));
    }
    setting.open_with("lost", annotate("/elsewhere")).await;
    let reference = setting.registry.push("lost", services_guest::component());
    let image = setting.runtime.pull(&ImagePull { reference, ..ImagePull::default() }).await.unwrap();
    let error = setting.runtime.create(setting.container("lost", &image.digest)).await.unwrap_err();
    assert_eq!(error.to_string(), "container main: annotation sampan.dev/keyvalue: no volume is mounted at /elsewhere");
}
