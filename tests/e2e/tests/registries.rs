//! Registries other than the cluster's own: a real one on loopback, open and protected.

use sampan_e2e::{Cluster, DockerRegistry, guests};

/// `user` with `right-password`, hashed as htpasswd does.
const USER: &str = "user:$2y$05$abcdefghijklmnopqrstuuBO.kmgTJhdt40M5ZyHgFmcpBdUb9aS.\n";

/// Pushes a guest with `sampan push` and returns what it printed as digest.
fn push(cluster: &Cluster, image: &str, wasm: &[u8], more: &[&str]) -> String {
    let file = cluster.bytes("pushed.wasm", wasm).display().to_string();
    let printed = cluster.sampan(&[&["push", &file, image], more].concat()).ok();
    assert!(printed.contains(&format!("pushed {image}")), "{printed}");
    printed.lines().find_map(|line| line.strip_prefix("digest ")).expect("push prints the digest").to_owned()
}

/// Runs a pod to its end and returns its log.
#[track_caller]
fn run(cluster: &Cluster, name: &str, image: &str, more: &str) -> String {
    cluster.pod(name, image, &format!("{more} restartPolicy: Never"));
    cluster.wait(&format!("pod/{name}"), "{.status.phase}", "Succeeded");
    cluster.kubectl(&format!("logs {name}")).ok()
}

#[test]
fn images_come_from_any_registry_as_the_pull_policy_says() {
    let cluster = Cluster::start();
    let registry = DockerRegistry::start();
    let image = format!("{}/team/x:1", registry.host);
    cluster.pod("never", &image, "imagePullPolicy: Never | restartPolicy: Never");
    cluster.wait("pod/never", "{.status.containerStatuses[0].state.waiting.reason}", "ErrImageNeverPull");
    cluster.event("never", &["ErrImageNeverPull", &image, "is not present with pull policy of Never"]);

    let digest = push(&cluster, &image, &guests::prints("one\n", 0), &[]);
    assert_eq!(run(&cluster, "first", &image, "imagePullPolicy: IfNotPresent |"), "one\n");
    cluster.event("first", &["Successfully pulled image", &image]);
    let id = cluster.field("pod/first", "{.status.containerStatuses[0].imageID}");
    assert_eq!(id, format!("{}/team/x@{digest}", registry.host));

    push(&cluster, &image, &guests::prints("two\n", 0), &[]);
    assert_eq!(run(&cluster, "present", &image, "imagePullPolicy: IfNotPresent |"), "one\n");
    cluster.event("present", &["already present on machine"]);
    assert_eq!(run(&cluster, "always", &image, "imagePullPolicy: Always |"), "two\n");
    let pinned = format!("{}/team/x@{digest}", registry.host);
    assert_eq!(run(&cluster, "pinned", &pinned, "|"), "one\n");

    drop(registry);
    assert_eq!(run(&cluster, "offline", &image, "imagePullPolicy: IfNotPresent |"), "two\n");
}

#[test]
fn a_protected_registry_wants_the_right_pull_secret() {
    let cluster = Cluster::start();
    let registry = DockerRegistry::start_protected(USER);
    let image = format!("{}/private:1", registry.host);
    let file = cluster.bytes("pushed.wasm", &guests::prints("secret\n", 0)).display().to_string();
    let error = cluster.sampan(&["push", &file, &image, "--username", "user", "--password", "wrong"]).err();
    assert!(error.contains(&image) && error.contains("are you allowed to push?"), "{error}");
    push(&cluster, &image, &guests::prints("secret\n", 0), &["--username", "user", "--password", "right-password"]);

    for (name, password) in [("right", "right-password"), ("wrong", "wrong-password")] {
        let server = format!("--docker-server={}", registry.host);
        let password = format!("--docker-password={password}");
        cluster
            .kubectl_with(&["create", "secret", "docker-registry", name, &server, "--docker-username=user", &password])
            .ok();
    }
    cluster.pod("anonymous", &image, "");
    cluster.pod("wrong", &image, "| imagePullSecrets: [{name: wrong}]");
    for pod in ["anonymous", "wrong"] {
        let event = cluster.event(pod, &["Failed to pull image", &image, "check the pull secrets"]);
        assert!(!event.contains("wrong-password"), "{event}");
        cluster.wait(&format!("pod/{pod}"), "{.status.containerStatuses[0].state.waiting.reason}", "ImagePullBackOff");
    }
    assert_eq!(run(&cluster, "right", &image, "| imagePullSecrets: [{name: right}],"), "secret\n");
}
