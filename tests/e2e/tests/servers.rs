//! Several servers on one Postgres, as separate processes: what one acknowledged all show, whichever of them die.

use std::process::Command;

use sampan_e2e::{Client, Servers};

/// Creates ConfigMaps through a server without end; each that was acknowledged is a line.
fn stream(kubeconfig: &str, name: &str) -> Command {
    let script = format!(
        "n=0; while :; do kubectl --kubeconfig {kubeconfig} create configmap {name}-$n --from-literal=n=$n -o name \
         --request-timeout=10s && n=$((n+1)) || n=$((n+1000)); done"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    command
}

#[test]
fn servers_that_start_at_once_and_die_in_turn_are_one_cluster() {
    let mut servers = Servers::start(3);
    let range = servers.client(0).field("service kubernetes", "{.spec.clusterIP}");
    for number in 0..3 {
        assert_eq!(servers.client(number).field("service kubernetes", "{.spec.clusterIP}"), range);
    }
    servers.client(0).kubectl("create secret generic shared --from-literal=k=v").ok();
    assert_eq!(servers.client(2).field("secret/shared", "{.data.k}"), "dg==", "all have the keys");
    let token = servers.client(1).kubectl("create token default").ok();
    assert_eq!(whoami(servers.client(0), token.trim()), "system:serviceaccount:default:default");

    let writers: Vec<_> = (0..3).map(|number| servers.run(number, &format!("writer-{number}"), stream)).collect();
    for round in 0..6 {
        let number = round % 3;
        servers.client((number + 1) % 3).until("more was acknowledged", || {
            (writers.iter().map(|writer| writer.output().lines().count()).sum::<usize>() >= (round + 1) * 12)
                .then_some(())
        });
        servers.kill_and_restart(number);
    }
    let acknowledged: Vec<String> = writers.iter().flat_map(|writer| names(&writer.output())).collect();
    drop(writers);
    assert!(acknowledged.len() >= 60, "{}", acknowledged.len());
    for number in 0..3 {
        let there = servers.client(number).field("configmaps", "{range .items[*]}{.metadata.name};{end}");
        for name in &acknowledged {
            assert!(there.contains(&format!("{name};")), "{name} was acknowledged; server {number} does not show it");
        }
    }
}

/// Whom a server takes the bearer of a token for.
fn whoami(client: &Client, token: &str) -> String {
    let url = client.kubectl("config view -o jsonpath={.clusters[0].cluster.server}").ok();
    let authority = client.data().join("pki/ca.crt").display().to_string();
    let as_bearer =
        ["--kubeconfig=/dev/null", "--server", &url, "--certificate-authority", &authority, "--token", token];
    let who = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    client.kubectl_with(&[&as_bearer[..], &who[..]].concat()).ok()
}

fn names(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.strip_prefix("configmap/")).map(str::to_owned).collect()
}
