//! On directories that look like the kernel's.

use std::fs;

use expect_test::{Expect, expect};

use super::*;

fn burstable() -> PodResources {
    PodResources {
        class: ServiceClass::Burstable,
        cpu_request_millis: 250,
        cpu_limit_millis: Some(1500),
        memory_limit_bytes: Some(64 << 20),
    }
}

fn best_effort() -> PodResources {
    PodResources::default()
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn of_version_1() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for tree in ["cpu", "memory", "pids", "freezer"] {
            fs::create_dir(directory.path().join(tree)).unwrap();
        }
        Self(directory)
    }

    /// Every group there has its controllers from the start, as the kernel gives them.
    fn of_version_2(groups: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for group in ["."].iter().chain(groups) {
            fs::create_dir_all(directory.path().join(group)).unwrap();
            fs::write(directory.path().join(group).join("cgroup.controllers"), "cpuset cpu io memory pids rdma")
                .unwrap();
        }
        Self(directory)
    }

    fn cgroups(&self, root: &str) -> Cgroups {
        let config = CgroupConfig { mount: self.0.path().to_owned(), root: root.to_owned(), pids: Some(100) };
        Cgroups::new(config)
    }

    /// All files and what stands in them.
    fn check(&self, expect: Expect) {
        let mut lines = Vec::new();
        let mut directories = vec![self.0.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if !path.ends_with("cgroup.controllers") {
                    let name = path.strip_prefix(self.0.path()).unwrap().display();
                    lines.push(format!("{name}: {}", fs::read_to_string(&path).unwrap()));
                }
            }
        }
        lines.sort();
        expect.assert_eq(&lines.join("\n"));
    }
}

#[test]
fn a_pod_is_bounded_in_a_tree_per_controller() {
    let tree = Tree::of_version_1();
    let cgroups = tree.cgroups("/");
    assert_eq!(cgroups.open("a", &burstable(), Driver::Cgroupfs), "/kubepods/burstable/poda");
    assert_eq!(cgroups.open("b", &burstable(), Driver::Cgroupfs), "/kubepods/burstable/podb");
    assert_eq!(cgroups.open("c", &best_effort(), Driver::Cgroupfs), "/kubepods/besteffort/podc");
    tree.check(expect![[r#"
        cpu/kubepods/besteffort/cpu.shares: 2
        cpu/kubepods/besteffort/podc/cpu.shares: 2
        cpu/kubepods/burstable/cpu.shares: 512
        cpu/kubepods/burstable/poda/cpu.cfs_period_us: 100000
        cpu/kubepods/burstable/poda/cpu.cfs_quota_us: 150000
        cpu/kubepods/burstable/poda/cpu.shares: 256
        cpu/kubepods/burstable/podb/cpu.cfs_period_us: 100000
        cpu/kubepods/burstable/podb/cpu.cfs_quota_us: 150000
        cpu/kubepods/burstable/podb/cpu.shares: 256
        memory/kubepods/burstable/poda/memory.limit_in_bytes: 67108864
        memory/kubepods/burstable/podb/memory.limit_in_bytes: 67108864
        pids/kubepods/besteffort/podc/pids.max: 100
        pids/kubepods/burstable/poda/pids.max: 100
        pids/kubepods/burstable/podb/pids.max: 100"#]]);
}

#[test]
fn a_pod_is_bounded_in_the_one_tree_and_controllers_are_handed_down() {
    let groups = ["ship", "ship/kubepods", "ship/kubepods/poda"];
    let tree = Tree::of_version_2(&groups);
    let guaranteed = PodResources { class: ServiceClass::Guaranteed, ..burstable() };
    assert_eq!(tree.cgroups("/ship").open("a", &guaranteed, Driver::Cgroupfs), "/ship/kubepods/poda");
    tree.check(expect![[r#"
        cgroup.subtree_control: +cpuset +cpu +io +memory +pids
        ship/cgroup.subtree_control: +cpuset +cpu +io +memory +pids
        ship/kubepods/cgroup.subtree_control: +cpuset +cpu +io +memory +pids
        ship/kubepods/poda/cgroup.subtree_control: +cpuset +cpu +io +memory +pids
        ship/kubepods/poda/cpu.max: 150000 100000
        ship/kubepods/poda/cpu.weight: 10
        ship/kubepods/poda/memory.max: 67108864
        ship/kubepods/poda/pids.max: 100"#]]);
}

#[test]
fn where_nothing_can_be_written_there_is_no_group() {
    let tree = Tree(tempfile::tempdir().unwrap());
    assert_eq!(tree.cgroups("/").open("a", &burstable(), Driver::Cgroupfs), "");
    tree.check(expect![[""]]);
}

#[test]
fn systemd_has_names_of_its_own() {
    let tree = Tree::of_version_1();
    let slice = |root: &str, resources| tree.cgroups(root).open("1-2", &resources, Driver::Systemd);
    assert_eq!(slice("/", burstable()), "kubepods-burstable-pod1_2.slice");
    let guaranteed = PodResources { class: ServiceClass::Guaranteed, ..burstable() };
    assert_eq!(slice("/my-ship", guaranteed), "my_ship-kubepods-pod1_2.slice");
}
