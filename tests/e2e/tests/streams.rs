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

#[test]
fn a_port_nobody_listens_on_is_an_error_that_kubectl_shows() {
    let cluster = with_server();
    let mut forward = background(&cluster, "forward", "port-forward pod/web :9", &[]);
    let port = forwarded(&mut forward);
    curl([format!("http://127.0.0.1:{port}/")]).err();
    forward.wait_for("error forwarding port 9 to pod web", 20);
    let words = cluster.kubectl("port-forward pod/none :80").err();
    assert!(words.contains("pods \"none\" not found"), "{words}");
}

#[test]
fn pods_services_and_nodes_are_reached_through_the_api() {
    let cluster = with_server();
    let namespace = "/api/v1/namespaces/default";
    for name in ["web:8080", "web:http", "http:web:8080"] {
        let page = cluster.kubectl(&format!("get --raw {namespace}/pods/{name}/proxy/")).ok();
        assert!(page.contains("Hello"), "{name}: {page}");
    }
    cluster.kubectl("expose pod web --port 80 --target-port 8080").ok();
    cluster
        .kubectl(
            "wait endpointslice -l kubernetes.io/service-name=web --for=jsonpath={.endpoints[0].conditions.ready}=true",
        )
        .ok();
    let page = cluster.kubectl(&format!("get --raw {namespace}/services/web:80/proxy/")).ok();
    assert!(page.contains("Hello"), "{page}");
    assert_eq!(cluster.kubectl("get --raw /api/v1/nodes/node-1/proxy/healthz").ok(), "ok");
    let words = cluster.kubectl(&format!("get --raw {namespace}/pods/web:9/proxy/")).err();
    assert!(words.contains("error trying to reach service"), "{words}");
    let moved = cluster.api().get(&format!("{namespace}/pods/web:8080/proxy"));
    assert_eq!(moved.code, 301, "{moved:?}");
}

/// A cluster with a pod `box` that only sleeps, with a directory `/data`.
fn with_box() -> Cluster {
    let cluster = Cluster::start();
    let image = cluster.guest("sleeper", &sampan_e2e::guests::stays("here"));
    let more = "env: [{name: COLOUR, value: dark blue}], volumeMounts: [{name: data, mountPath: /data}] \
                | volumes: [{name: data, emptyDir: {}}]";
    cluster.pod("box", &image, more);
    cluster.wait("pod/box", "{.status.conditions[?(@.type==\"Ready\")].status}", "True");
    cluster
}

#[test]
fn commands_run_in_a_pod_with_its_surroundings_and_their_exit_code_comes_back() {
    let cluster = with_box();
    assert_eq!(cluster.kubectl("exec box -- echo hello there").ok(), "hello there\n");
    assert_eq!(cluster.kubectl("exec box -- printenv COLOUR").ok(), "dark blue\n");
    let failed = cluster.kubectl_command().args(["exec", "box", "--", "sh", "-c", "echo oh no | cat; exit 3"]).output();
    let failed = failed.expect("kubectl can be run");
    assert_eq!((failed.status.code(), &failed.stdout[..]), (Some(3), &b"oh no\n"[..]), "{failed:?}");
    let words = cluster.kubectl("exec box -- bash").err();
    assert!(words.contains("\"bash\": executable file not found in $PATH"), "{words}");
    assert_eq!(cluster.kubectl_with_input("exec -i box -- wc -c", &"x".repeat(300_000)).ok(), "300000\n");
    let big = cluster.kubectl_with_input("exec -i box -- cat", &"0123456789\n".repeat(100_000)).ok();
    assert_eq!(big.len(), 1_100_000, "much output comes whole");
    let spdy = cluster
        .kubectl_command()
        .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
        .args(["exec", "box", "--", "sh", "-c", "echo spdy; exit 4"])
        .output();
    let spdy = spdy.expect("kubectl can be run");
    assert_eq!((spdy.status.code(), &spdy.stdout[..]), (Some(4), &b"spdy\n"[..]), "{spdy:?}");
    assert!(cluster.kubectl("exec box -- ps").ok().contains("main"));
}

#[test]
fn files_are_copied_both_ways() {
    let cluster = with_box();
    let there = cluster.file("there.txt", &"a line of text\n".repeat(10_000));
    cluster.kubectl(&format!("cp {} box:/data/copied.txt", there.display())).ok();
    assert_eq!(cluster.kubectl("exec box -- wc -l /data/copied.txt").ok(), "10000\n");
    let back = cluster.data().join("back.txt");
    cluster.kubectl(&format!("cp box:/data/copied.txt {}", back.display())).ok();
    assert_eq!(std::fs::read(&back).expect("it was copied"), std::fs::read(&there).expect("it is there"));
    let directory = cluster.data().join("tree/below");
    std::fs::create_dir_all(&directory).expect("a test's own directory can be written");
    std::fs::write(directory.join("file"), "deep").expect("a test's own directory can be written");
    cluster.kubectl(&format!("cp {} box:/data", directory.parent().expect("it has one").display())).ok();
    assert_eq!(cluster.kubectl("exec box -- cat /data/tree/below/file").ok(), "deep");
}

#[test]
fn a_component_in_a_volume_is_a_command_and_a_probe() {
    let cluster = with_box();
    let wasm = cluster.bytes("exits.wasm", &sampan_e2e::guests::exits(7));
    cluster.kubectl(&format!("cp {} box:/data/check.wasm", wasm.display())).ok();
    let ran = cluster.kubectl_command().args(["exec", "box", "--", "/data/check.wasm"]).output();
    assert_eq!(ran.expect("kubectl can be run").status.code(), Some(7));
    let image = "sampan.local/sleeper:1";
    cluster.pod(
        "probed",
        image,
        "readinessProbe: {exec: {command: [sh, -c, 'test -e /none; test -d /']}, periodSeconds: 1}",
    );
    cluster.wait("pod/probed", "{.status.conditions[?(@.type==\"Ready\")].status}", "True");
    cluster.pod("unready", image, "readinessProbe: {exec: {command: [cat, /none]}, periodSeconds: 1}");
    cluster.event("unready", &["Unhealthy", "/none"]);
}

#[test]
fn a_client_attaches_to_what_runs() {
    let cluster = Cluster::start();
    cluster.push("toolbox", &sample("toolbox/toolbox.wasm"));
    let answer = cluster.kubectl_with_input(
        "run talk -i --rm -q --restart=Never --image=sampan.local/toolbox:1 --command -- cat",
        "hello\n",
    );
    assert!(answer.ok().starts_with("hello\n"), "what is read is printed");
}

#[test]
fn a_stream_ends_with_an_error_when_its_node_dies() {
    let mut cluster = with_box();
    let mut sleeping = cluster.kubectl_command();
    sleeping.args(["exec", "box", "--", "sh", "-c", "echo begun; sleep 600"]);
    let mut sleeping = Process::start(&mut sleeping, &cluster.data().join("sleeping"));
    sleeping.wait_for("begun", 30);
    cluster.process().kill();
    cluster.until("kubectl to notice", || sleeping.has_ended().then_some(()));
    assert!(sleeping.output().contains("error"), "{}", sleeping.output());
}

#[test]
fn kubectl_debug_adds_a_component_to_a_running_pod() {
    let cluster = with_box();
    cluster.push("toolbox", &sample("toolbox/toolbox.wasm"));
    let debug = "debug box --image=sampan.local/toolbox:1 --container=look -i --profile=baseline -- sh";
    let answer = cluster.kubectl_with_input(debug, "echo from outside; exit\n").ok();
    assert!(answer.contains("from outside\n"), "{answer}");
    cluster.wait("pod/box", "{.status.ephemeralContainerStatuses[0].state.terminated.exitCode}", "0");
    assert_eq!(cluster.field("pod box", "{.status.phase}"), "Running");
    let removed = r#"{"spec": {"ephemeralContainers": null}}"#;
    let words = ["patch", "pod", "box", "--subresource=ephemeralcontainers", "--type=merge", "-p", removed];
    assert!(cluster.kubectl_with(&words).err().contains("existing ephemeral containers \"look\" may not be removed"));
}
