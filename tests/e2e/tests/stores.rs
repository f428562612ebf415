//! Nothing acknowledged is lost, whatever store is behind the server and however it ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use sampan_e2e::{Cluster, guests};

/// Creates without end; each is acknowledged by a line.
const STREAM: &str = "n=0; while kubectl create configmap made-$n --from-literal=n=$n -o name; do n=$((n+1)); done";

/// Sends a stream of creates and kills the server when some are acknowledged; returns the names of all that were.
fn create_until_killed(cluster: &mut Cluster) -> Vec<String> {
    let mut command = Command::new("sh");
    command.args(["-c", STREAM]).env("KUBECONFIG", cluster.data().join("kubeconfig")).env("HOME", cluster.data());
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("sh can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it was piped"))
        .lines()
        .map(|line| line.expect("kubectl prints text"));
    let mut acknowledged: Vec<String> = lines.by_ref().take(30).collect();
    cluster.process().kill();
    acknowledged.extend(lines);
    child.wait().expect("the loop ends when the server is gone");
    acknowledged.iter().map(|line| line.trim_start_matches("configmap/").to_owned()).collect()
}

fn survives_a_crash(cluster: &mut Cluster) {
    cluster.pod("serving", &cluster.guest("serving", &guests::stays("here\n")), "");
    cluster.kubectl("wait pod/serving --for=condition=Ready --timeout=60s").ok();
    let acknowledged = create_until_killed(cluster);
    assert!(acknowledged.len() >= 30, "{acknowledged:?}");
    cluster.restart();
    let there = cluster.field("configmaps", "{range .items[*]}{.metadata.name}={.data.n};{end}");
    for name in &acknowledged {
        let number = name.trim_start_matches("made-");
        assert!(there.contains(&format!("{name}={number};")), "{name} was acknowledged and is lost");
    }
    cluster.kubectl("wait pod/serving --for=condition=Ready --timeout=60s").ok();
    assert_eq!(cluster.kubectl("logs serving").ok(), "here\n");
    cluster.kubectl("create configmap afterwards").ok();
}

#[test]
fn sqlite_keeps_what_was_acknowledged_when_the_server_is_killed() {
    survives_a_crash(&mut Cluster::start());
}

#[test]
fn postgres_keeps_what_was_acknowledged_when_the_server_is_killed() {
    survives_a_crash(&mut Cluster::start_on_postgres());
}
