//! Streams into ordinary containers as kubectl opens them, on a real containerd. Skipped where there is no root to run one.

use sampan_e2e::{Process, Ship, curl};

/// Standard output and exit code of kubectl with these words and variables.
fn kubectl(ship: &Ship, variables: &[(&str, &str)], words: &[&str]) -> (String, Option<i32>) {
    let output = ship.cluster.kubectl_command().envs(variables.iter().copied()).args(words).output();
    let output = output.expect("kubectl can be run");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn commands_run_in_containers_over_every_protocol_kubectl_speaks() {
    let Some(ship) = Ship::launch() else { return };
    ship.busybox("box", "env: [{name: COLOUR, value: dark blue}]");
    for websockets in ["true", "false"] {
        let variables = [("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)];
        let ran = kubectl(&ship, &variables, &["exec", "box", "--", "sh", "-c", "echo $COLOUR; exit 4"]);
        assert_eq!(ran, ("dark blue\n".to_owned(), Some(4)), "websockets: {websockets}");
    }
    assert_eq!(ship.cluster.kubectl_with_input("exec -i box -- wc -c", &"x".repeat(300_000)).ok(), "300000\n");
    let big = ship.cluster.kubectl_with_input("exec -i box -- cat", &"0123456789\n".repeat(100_000)).ok();
    assert_eq!(big.len(), 1_100_000, "much output comes whole");
    let words = ship.cluster.kubectl("exec box -- bash").err();
    assert!(words.contains("\"bash\": executable file not found in $PATH"), "{words}");
    let words = ship.cluster.kubectl("exec box -c other -- true").err();
    assert!(words.contains("container other is not valid for pod box"), "{words}");
}

#[test]
fn a_command_at_a_terminal_sees_its_size_and_is_typed_to() {
    let Some(ship) = Ship::launch() else { return };
    ship.busybox("box", "");
    // `script` gives kubectl a terminal; what is typed into it comes from a pipe.
    let kubeconfig = ship.cluster.data().join("kubeconfig");
    let line = format!("stty rows 33 cols 77; kubectl --kubeconfig {} exec -it box -- sh", kubeconfig.display());
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("HOME", ship.cluster.data());
    let mut shell = Process::start_with_input(&mut command, &ship.cluster.data().join("shell"));
    shell.wait_for("# ", 30);
    shell.say("stty size\n");
    shell.wait_for("33 77", 30);
    shell.say("exit 0\n");
    ship.cluster.until("the shell to end", || shell.has_ended().then_some(()));
}

#[test]
fn files_are_copied_into_containers_and_back() {
    let Some(ship) = Ship::launch() else { return };
    ship.busybox("box", "");
    let there = ship.cluster.file("there.txt", &"a line of text\n".repeat(10_000));
    ship.cluster.kubectl(&format!("cp {} box:/tmp/copied.txt", there.display())).ok();
    assert_eq!(ship.cluster.kubectl("exec box -- wc -l /tmp/copied.txt").ok(), "10000 /tmp/copied.txt\n");
    let back = ship.cluster.data().join("back.txt");
    ship.cluster.kubectl(&format!("cp box:/tmp/copied.txt {}", back.display())).ok();
    assert_eq!(std::fs::read(&back).expect("it was copied"), std::fs::read(&there).expect("it is there"));
}

#[test]
fn a_client_attaches_to_a_container_and_its_input_ends_with_the_clients() {
    let Some(ship) = Ship::launch() else { return };
    let answer = ship.cluster.kubectl_with_input(
        &format!("run talk -i --rm -q --restart=Never --image={} --command -- /guest cats", ship.image),
        "hello\n",
    );
    assert!(answer.ok().starts_with("hello\n"), "what is read is printed");
}

#[test]
fn ports_are_forwarded_to_what_a_container_serves() {
    let Some(ship) = Ship::launch() else { return };
    ship.pod("web", "serves, \"8080\"", "ports: [{containerPort: 8080}]");
    ship.cluster.event("web", &["Started"]);
    for (name, websockets) in [("websocket", "true"), ("spdy", "false")] {
        let mut command = ship.cluster.kubectl_command();
        command.args(["port-forward", "pod/web", ":8080"]).env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
        let mut forward = Process::start(&mut command, &ship.cluster.data().join(name));
        forward.wait_for("Forwarding from 127.0.0.1:", 30);
        let output = forward.output();
        let port = output.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
        let port = port.unwrap_or_else(|| panic!("the line says the port: {output}"));
        for _ in 0..2 {
            assert_eq!(curl([format!("http://127.0.0.1:{port}/")]).ok(), "hello from a container\n", "{name}");
        }
    }
}

#[test]
fn commands_are_probes_and_hooks() {
    let Some(ship) = Ship::launch() else { return };
    ship.busybox(
        "probed",
        "readinessProbe: {exec: {command: [test, -e, /tmp/hooked]}, periodSeconds: 1}, \
         lifecycle: {postStart: {exec: {command: [touch, /tmp/hooked]}}}",
    );
    ship.pod(
        "unready",
        "sleeps",
        "readinessProbe: {exec: {command: [/guest, shows, /none]}, periodSeconds: 1}, \
         livenessProbe: {exec: {command: [/guest, ignores-stop]}, timeoutSeconds: 1, periodSeconds: 1, failureThreshold: 1}",
    );
    ship.cluster.event("unready", &["Unhealthy", "Readiness probe failed", "/none"]);
    ship.cluster.event("unready", &["Unhealthy", "Liveness probe failed", "timed out"]);
    ship.cluster.wait("pod/unready", "{.status.containerStatuses[0].restartCount}", "1");
}

#[test]
fn kubectl_debug_looks_into_a_container_from_beside_it() {
    let Some(ship) = Ship::launch() else { return };
    ship.pod("web", "serves, \"8080\"", "");
    ship.cluster.wait("pod/web", "{.status.phase}", "Running");
    let image = ship.put_busybox();
    let mut command = ship.cluster.kubectl_command();
    command.args(["debug", "web", "--target=main", "--container=look", "--profile=baseline", "-i"]);
    command.args([&format!("--image={image}"), "--", "sh"]);
    // containerd lets go of a client whose input has ended, so this one's goes on.
    let mut look = Process::start_with_input(&mut command, &ship.cluster.data().join("look"));
    look.say("ps\n");
    look.wait_for("/guest serves 8080", 60);
    look.say("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc 127.0.0.1 8080\n");
    look.wait_for("hello from a container", 30);
    look.say("exit 0\n");
    ship.cluster.until("kubectl to end", || look.has_ended().then_some(()));
    let state = "{.status.ephemeralContainerStatuses[0].state.terminated.exitCode}";
    ship.cluster.wait("pod/web", state, "0");
    assert_eq!(ship.cluster.field("pod web", "{.status.containerStatuses[0].restartCount}"), "0");
    assert!(ship.cluster.kubectl("logs web -c look").ok().contains("hello from a container"));
    ship.cluster.kubectl("delete pod web --timeout=60s").ok();
}
