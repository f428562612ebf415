//! Server and node as separate processes, and what is left when one of them dies.

use std::path::Path;
use std::time::{Duration, Instant};

use sampan_e2e::{Client, Cluster, Split, guests};

/// Starts a pod that runs on and returns its container's id.
fn steady(client: &Client) -> String {
    client.pod("steady", &client.guest("steady", &guests::stays("here\n")), "");
    client.kubectl("wait pod/steady --for=condition=Ready --timeout=60s").ok();
    container(client)
}

/// Which run of the container it is, and how often it was restarted.
fn container(client: &Client) -> String {
    client.field(
        "pod/steady",
        "{.status.phase} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}",
    )
}

fn new_pod_runs(client: &Client, name: &str) {
    client.pod(name, "sampan.local/steady:1", "");
    client.kubectl(&format!("wait pod/{name} --for=condition=Ready --timeout=60s")).ok();
}

/// Process ids of sampan processes that work below this directory.
fn processes_of(directory: &Path) -> Vec<u32> {
    let directory = directory.as_os_str().as_encoded_bytes();
    let processes = std::fs::read_dir("/proc")
        .expect("Linux has /proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mentions = |id: &u32| {
        let read = |what: &str| std::fs::read(format!("/proc/{id}/{what}")).unwrap_or_default();
        let links = std::fs::read_link(format!("/proc/{id}/cwd"))
            .is_ok_and(|cwd| cwd.as_os_str().as_encoded_bytes().starts_with(directory));
        links || read("cmdline").windows(directory.len()).any(|part| part == directory)
    };
    processes.filter(mentions).collect()
}

#[test]
fn a_killed_agent_leaves_its_pods_running_and_takes_them_back() {
    let mut split = Split::start();
    let before = steady(&split);
    assert!(before.starts_with("Running wasm") && before.ends_with(" 0"), "{before}");
    let sandboxes: Vec<u32> =
        processes_of(&split.agent_data()).into_iter().filter(|id| *id != split.agent().id()).collect();
    assert!(!sandboxes.is_empty(), "a sandbox process runs the guest");
    split.agent().kill();
    for sandbox in &sandboxes {
        assert!(Path::new(&format!("/proc/{sandbox}")).exists(), "sandbox {sandbox} died with the agent");
    }
    split.restart_agent();
    split.kubectl("wait node/node-1 --for=condition=Ready --timeout=60s").ok();
    new_pod_runs(&split, "newcomer");
    assert_eq!(container(&split), before, "the same run of the same container");
    assert_eq!(split.kubectl("logs steady").ok(), "here\n");
    split.kubectl("delete pod steady newcomer --timeout=60s").ok();
}

#[test]
fn a_killed_server_loses_nothing_and_its_node_comes_back() {
    let mut split = Split::start();
    let before = steady(&split);
    split.kubectl("create configmap kept --from-literal=a=1").ok();
    split.server().kill();
    split.restart_server();
    assert_eq!(split.field("configmap/kept", "{.data.a}"), "1");
    split.kubectl("wait node/node-1 --for=condition=Ready --timeout=60s").ok();
    new_pod_runs(&split, "newcomer");
    assert_eq!(container(&split), before);
    assert_eq!(split.kubectl("logs steady").ok(), "here\n");
    split.kubectl("delete pod steady newcomer --timeout=60s").ok();
}

#[test]
fn a_node_without_a_right_token_is_not_let_in() {
    let split = Split::start();
    let wrong = split.join("intruder", &split.token().replace('.', ".x"));
    let error = wrong.err();
    assert!(error.contains("token"), "{error}");
    let (before, _) = split.token().split_at(split.token().len() - 3);
    let error = split.join("intruder", &format!("{before}zzz")).err();
    assert!(error.contains("token") && error.contains("sampan token create"), "{error}");
    assert!(split.kubectl("get node intruder").err().contains("not found"));
}

#[test]
fn an_interrupted_cluster_ends_cleanly_and_soon() {
    let mut cluster = Cluster::start();
    steady(&cluster);
    let data = cluster.data();
    assert!(processes_of(&data).len() > 1, "a sandbox process runs the guest");
    let start = Instant::now();
    let status = cluster.process().end_by("INT");
    assert!(status.success(), "{status}: {}", cluster.process().output());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    cluster.until("every process to end", || processes_of(&data).is_empty().then_some(()));
    cluster.restart();
    cluster.kubectl("wait pod/steady --for=condition=Ready --timeout=60s").ok();
}
