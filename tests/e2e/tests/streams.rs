//! Streams to pods as kubectl opens them: port forwards, proxies, commands, files, attached clients.

use sampan_e2e::{Cluster, Process, curl, sample};

/// A cluster with the sample server `web`, ready.
fn with_server() -> Cluster {
    let cluster = Cluster::start();
    cluster.push("hello-http", &sample("hello-http/hello-http.wasm"));
    cluster.pod("web", "sampan.local/hello-http:1", "ports: [{name: http, containerPort: 8080}]");
    cluster.wait("pod/web", "{.status.conditions[?(@.type==\"Ready\")].status}", "True");
    cluster
}

/// kubectl in the background, for as long as the test wants it.
fn background(cluster: &Cluster, name: &str, arguments: &str, variables: &[(&str, &str)]) -> Process {
    let mut command = cluster.kubectl_command();
    command.args(arguments.split_whitespace()).envs(variables.iter().copied());
    Process::start(&mut command, &cluster.data().join(name))
}

/// The local port of a `kubectl port-forward :8080`.
fn forwarded(forward: &mut Process) -> u16 {
    forward.wait_for("Forwarding from 127.0.0.1:", 30);
    let output = forward.output();
    let port = output.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
    port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("the line says the port: {output}"))
}

#[test]
fn a_port_is_forwarded_over_websockets_and_over_spdy() {
    let cluster = with_server();
    for (name, websockets) in [("websocket", "true"), ("spdy", "false")] {
        let variables = [("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)];
        let mut forward = background(&cluster, name, "port-forward pod/web :8080", &variables);
        let port = forwarded(&mut forward);
        for _ in 0..3 {
            let page = curl([format!("http://127.0.0.1:{port}/")]).ok();
            assert!(page.contains("Hello"), "{name}: {page}");
        }
    }
}
