//! What a pod's containers may use together, by the kernel's own account.

use std::path::{Path, PathBuf};

use sampan_runtime::{ExitReason, PodResources, Resources, Runtime as _, ServiceClass};

use crate::setting::Setting;

/// The directories of a pod's group, one per tree that it is in.
fn groups(setting: &Setting, id: &str) -> Vec<PathBuf> {
    let root = setting.config.cgroups.root.trim_start_matches('/');
    let group = PathBuf::from(root).join("kubepods/burstable").join(format!("pod{}", setting.sandbox(id).pod_uid));
    let trees = std::fs::read_dir("/sys/fs/cgroup").unwrap().map(|tree| tree.unwrap().path());
    trees.chain([PathBuf::from("/sys/fs/cgroup")]).map(|tree| tree.join(&group)).filter(|path| path.is_dir()).collect()
}

fn value(groups: &[PathBuf], files: [&str; 2]) -> String {
    let found = groups.iter().flat_map(|group| files.map(|file| group.join(file))).find(|path| path.exists());
    std::fs::read_to_string(found.unwrap_or_else(|| panic!("{files:?} in {groups:?}"))).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_pods_containers_are_bounded_together_and_its_group_goes_with_it() {
    let Some(setting) = Setting::new().await else { return };
    if !Path::new("/sys/fs/cgroup/memory").exists() && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return;
    }
    let resources = PodResources {
        class: ServiceClass::Burstable,
        cpu_request_millis: 500,
        cpu_limit_millis: Some(2000),
        memory_limit_bytes: Some(32 << 20),
    };
    let sandbox = sampan_runtime::SandboxConfig { resources, ..setting.sandbox("a") };
    setting.runtime.open_sandbox(sandbox).await.unwrap();
    let made = groups(&setting, "a");
    assert_eq!(value(&made, ["memory.limit_in_bytes", "memory.max"]), (32 << 20).to_string());
    assert_eq!(value(&made, ["pids.max", "pids.max"]), "64");
    // It has no limit of its own: the pod's ends it.
    setting.start("a", &["allocates", "100000000"], |config| config.resources = Resources::default()).await;
    let exit = setting.exit("a").await;
    assert_eq!((exit.code, exit.reason), (137, ExitReason::OomKilled));
    setting.runtime.close_sandbox("a").await.unwrap();
    assert_eq!(groups(&setting, "a"), Vec::<PathBuf>::new());
}
