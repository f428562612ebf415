//! Profiles of the scheduler, and plugins that are components.

use std::path::Path;

use sampan_e2e::{Cluster, Options, guests, sample};

/// A cluster with this configuration of the scheduler.
fn start(configuration: &Path) -> Cluster {
    let arguments = vec!["--scheduler-config".to_owned(), configuration.display().to_string()];
    Cluster::start_with(Options { arguments, ..Options::default() })
}

/// A node that nobody serves: pods are bound to it and wait.
fn node(cluster: &Cluster, name: &str, labels: &str) {
    let status = "{allocatable: {cpu: '4', memory: 4Gi, pods: '10'}, capacity: {cpu: '4', memory: 4Gi, pods: '10'}}";
    let node =
        format!("{{apiVersion: v1, kind: Node, metadata: {{name: {name}, labels: {labels}}}, status: {status}}}");
    cluster.apply(&node).ok();
}

/// A pod for that profile, which tolerates everything.
fn pod(cluster: &Cluster, name: &str, labels: &str, scheduler: &str, cpu: &str) {
    let container = format!("{{name: main, image: 'sampan.local/none:1', resources: {{requests: {{cpu: {cpu}}}}}}}");
    let spec =
        format!("{{schedulerName: {scheduler}, tolerations: [{{operator: Exists}}], containers: [{container}]}}");
    cluster
        .apply(&format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {labels}}}, spec: {spec}}}"))
        .ok();
}

fn scheduled(cluster: &Cluster, name: &str) -> String {
    cluster.kubectl(&format!("wait pod/{name} --for=condition=PodScheduled --timeout=60s")).ok();
    cluster.field(&format!("pod {name}"), "{.spec.nodeName}")
}

#[test]
fn a_plugin_chooses_nodes_for_the_pods_of_its_profile() {
    let cluster = start(&sample("tenants/scheduler.yaml"));
    for name in ["blue-1", "blue-2"] {
        node(&cluster, name, "{tenant: blue}");
    }
    // Something runs on the second: of two that fit, the plugin prefers it, where others would spread.
    pod(&cluster, "first", "{tenant: blue}", "tenants", "1");
    let first = scheduled(&cluster, "first");
    assert!(first.starts_with("blue-"), "{first}");
    for name in ["second", "third"] {
        pod(&cluster, name, "{tenant: blue}", "tenants", "1");
        assert_eq!(scheduled(&cluster, name), first);
    }
    pod(&cluster, "everybodys", "{}", "tenants", "10m");
    assert_eq!(scheduled(&cluster, "everybodys"), "node-1");
    pod(&cluster, "red", "{tenant: red}", "tenants", "10m");
    cluster.event("red", &["FailedScheduling", "0/3 nodes are available: 3 node(s) belong to another tenant."]);
    // A node is given to the tenant: the plugin hears of it, and the pod is tried again.
    cluster.kubectl("label node blue-2 tenant=red --overwrite").ok();
    assert_eq!(scheduled(&cluster, "red"), "blue-2");
}

#[test]
fn a_plugin_that_spins_gives_an_event_and_holds_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("spins.wasm"), guests::scheduler::that_spins()).unwrap();
    let configuration = directory.path().join("scheduler.yaml");
    let text = "apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: spinning
  plugins: {multiPoint: {enabled: [{name: Spins}]}}
  pluginConfig: [{name: Spins, args: {file: spins.wasm, timeout: 5ms}}]
";
    std::fs::write(&configuration, text).unwrap();
    let cluster = start(&configuration);
    for number in 0..5 {
        pod(&cluster, &format!("waits-{number}"), "{}", "spinning", "10m");
    }
    let why = "running \"Spins\" filter plugin: it took more than 5 ms of processor time; make it quicker or raise args.timeout";
    cluster.event("waits-0", &["FailedScheduling", why]);
    let reason = "{.status.conditions[?(@.type=='PodScheduled')].reason}";
    cluster.until("a condition", || Some(cluster.field("pod waits-0", reason)).filter(|said| said == "SchedulerError"));
    pod(&cluster, "goes", "{}", "default-scheduler", "10m");
    assert_eq!(scheduled(&cluster, "goes"), "node-1");
}

#[test]
fn the_sample_does_what_its_readme_says() {
    let cluster = start(&sample("tenants/scheduler.yaml"));
    cluster.push("hello-http", &sample("hello-http/hello-http.wasm"));
    cluster.kubectl_with(&["apply", "-f", &sample("tenants/manifest.yaml").display().to_string()]).ok();
    let why = "0/1 nodes are available: 1 node(s) belong to another tenant.";
    cluster.until("an event that tells why no pod runs", || {
        Some(cluster.kubectl("describe pod -l app=blue").ok()).filter(|text| text.contains(why))
    });
    cluster.kubectl("label node --all tenant=blue").ok();
    cluster.kubectl("rollout status deploy/blue --timeout=60s").ok();
}
