//! `sampan run`: a file becomes something that answers at a URL.

use sampan_e2e::{Cluster, curl, sample};

/// The same component with a section that means nothing: another file, another digest.
fn changed(component: &[u8]) -> Vec<u8> {
    let section = [b"\0\x07\x04note".as_slice(), b"me"].concat();
    [component, &section].concat()
}

#[test]
fn a_file_that_serves_gets_a_url_that_stays_when_the_file_changes() {
    let cluster = Cluster::start();
    let component = std::fs::read(sample("hello-http").join("hello-http.wasm")).expect("the sample is built");
    let file = cluster.bytes("hello.wasm", &component).display().to_string();
    let run = |greeting: &str| {
        let greeting = format!("GREETING={greeting}");
        let said = cluster.sampan(&["run", &file, "--port", "8080", "--replicas", "2", "--env", &greeting]);
        assert!(said.stderr.contains("hello is ready"), "{said:?}");
        said.ok().trim().to_owned()
    };
    let service = || cluster.field("service/hello", "{.metadata.uid} {.spec.clusterIP} {.spec.ports[0].nodePort}");
    let pods = || cluster.field("pods", "{range .items[*]}{.metadata.name} {.spec.containers[0].image};{end}");
    let images = || cluster.field("deploy/hello", "{.spec.template.spec.containers[0].image}");

    let url = run("Ahoy");
    assert!(curl([&url]).ok().starts_with("Ahoy, "));
    let (before, pods_before, image) = (service(), pods(), images());
    assert!(image.starts_with("sampan.local/hello@sha256:"), "{image}");

    assert_eq!(run("Ahoy"), url);
    assert_eq!(pods(), pods_before, "the same file again changes nothing");

    cluster.bytes("hello.wasm", &changed(&component));
    assert_eq!(run("Ahoy"), url);
    assert_eq!(service(), before);
    assert_ne!(images(), image);
    for pod in pods_before.split_terminator(';').filter_map(|pod| pod.split_whitespace().next()) {
        cluster.kubectl(&format!("wait pod/{pod} --for=delete --timeout=60s")).ok();
    }
    assert_eq!(pods().matches(&images()).count(), 2, "every pod runs the new file: {}", pods());
    assert!(curl([&url]).ok().starts_with("Ahoy, "));
}
