//! Every sample is applied for real and does what its README says.

use sampan_e2e::{Cluster, curl, sample};

/// Pushes components, applies the sample's manifest and returns the cluster.
fn applied(name: &str, components: &[&str]) -> Cluster {
    let cluster = Cluster::start();
    for component in components {
        let (directory, image) = component.split_once('/').expect("a component is named by its sample");
        cluster.push(image, &sample(directory).join(format!("{image}.wasm")));
    }
    cluster.kubectl_with(&["apply", "-f", &sample(name).join("manifest.yaml").display().to_string()]).ok();
    cluster
}

fn ask(cluster: &Cluster, service: &str, path: &str) -> String {
    let address = cluster.field(&format!("service {service}"), "{.spec.clusterIP}");
    curl([format!("http://{address}{path}")]).ok()
}

#[test]
fn pi_completes_three_times() {
    let cluster = applied("pi", &["pi/pi"]);
    cluster.kubectl("wait job/pi --for=condition=complete --timeout=60s").ok();
    assert_eq!(cluster.field("job/pi", "{.status.succeeded}"), "3");
    assert!(cluster.kubectl("logs job/pi").ok().starts_with("3.14159265358979323846264338327950288419716939937510"));
}

#[test]
fn config_follows_its_sources() {
    let cluster = applied("config", &["config/config"]);
    cluster.kubectl("rollout status deploy/config --timeout=60s").ok();
    let environment = ask(&cluster, "config", "/");
    assert!(environment.contains("MODE=careful") && environment.contains("MESSAGE=mode is careful"), "{environment}");
    assert_eq!(ask(&cluster, "config", "/files/motto.txt"), "slow is smooth\n");
    assert!(ask(&cluster, "config", "/secret").contains("16 bytes"));
    cluster
        .kubectl_with(&["patch", "configmap", "settings", "-p", r#"{"data": {"motto.txt": "smooth is fast\n"}}"#])
        .ok();
    cluster.until("the file to follow", || {
        (ask(&cluster, "config", "/files/motto.txt") == "smooth is fast\n").then_some(())
    });
    assert_eq!(cluster.field("pod -l app=config", "{.items[*].status.containerStatuses[0].restartCount}"), "0");
}

#[test]
fn two_containers_talk_over_localhost() {
    let cluster = applied("two-containers", &["two-containers/front", "two-containers/back"]);
    cluster.kubectl("rollout status deploy/two --timeout=60s").ok();
    assert!(ask(&cluster, "two", "/").contains("good day from next door"));
    assert!(cluster.kubectl("logs deploy/two -c back").ok().contains("GET / 200"));
}

#[test]
fn a_hog_does_not_keep_its_neighbour_from_answering() {
    let cluster = applied("limits", &["limits/hog", "hello-http/hello-http"]);
    cluster.kubectl("wait --for=condition=Ready pod/hog pod/polite --timeout=60s").ok();
    for _ in 0..10 {
        assert!(ask(&cluster, "polite", "/").contains("Hello"));
    }
    assert_eq!(cluster.field("pods", "{.items[*].status.containerStatuses[0].restartCount}"), "0 0");
}
